"""What the processes of the fault tests do: `worker.py WHAT FOLDER [words]`; a line and 2 for bad input."""

import importlib.util
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

from doseplan.dose import beam_cache
from doseplan.exchange import open_run, write_run
from doseplan.kernels.distance import nearest_points
from doseplan.messages import InputError

NOBODY = 65534


def made_up(number: str = "0") -> xr.DataTree:
    spec = importlib.util.spec_from_file_location("small_run", Path(__file__).parents[1] / "small_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tree = module.make_run()
    tree.attrs["case_toml"] += f"# {number}\n"
    tree.attrs["digest"] = module.run_digest(tree.attrs)
    return tree


def wait_for(start: str) -> None:
    """Begin at the same moment as the others."""
    while time.time() < float(start):
        pass


def write(folder: Path, number: str = "0", start: str = "0") -> None:
    tree = made_up(number)
    wait_for(start)
    write_run(tree, folder)


def open_many(folder: Path, number: str, start: str, times: str) -> None:
    """Open one folder after the other, each at its moment; print a line for each, empty if it was opened."""
    attributes = dict(made_up(number).attrs)
    for turn in range(int(times)):
        wait_for(str(float(start) + 0.02 * turn + 0.0001 * int(number) * turn))
        try:
            open_run(folder / str(turn), attributes)
            sys.stdout.write("\n")
        except InputError as error:
            sys.stdout.write("".join(f"{line}\n" for line in error.lines))


def write_little(folder: Path, most: str) -> None:
    """Write where no file may have more bytes than so many."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
    write_run(made_up(), folder)


def write_as_nobody(folder: Path) -> None:
    """Write without the rights of an administrator, for whom no folder is read-only."""
    tree = made_up()
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    write_run(tree, folder)


def store_library(folder: Path, start: str) -> None:
    """Keep a library in the cache, and load what is there."""
    library = xr.Dataset({"idd": ("depth", np.arange(20_000.0))}, attrs={"assumptions": ["one"]})
    wait_for(start)
    for _ in range(20):
        beam_cache.store("key", library)
        found = beam_cache.load("key")
        assert found is not None
        assert found.identical(library)


def kernel(folder: Path, start: str = "0") -> None:
    """Compile one kernel into the folder, or take it from there, and print its answer."""
    wait_for(start)
    nearest, cost = np.empty((4, 4, 4), np.int32), np.empty((4, 4, 4))
    nearest_points(np.array([[0.2, 1.1, 2.0], [3.0, 2.9, 0.1]]), nearest, cost)
    sys.stdout.write(f"{nearest.ravel().tolist()}\n")


if __name__ == "__main__":
    what, place, *words = sys.argv[1:]
    try:
        globals()[what](Path(place), *words)
    except InputError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines))
        sys.exit(2)
