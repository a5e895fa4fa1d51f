"""Check the installation: versions, threads, caches, and a dose whose range is known."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from doseplan.cli.tell import Json, answer, app, prepare_kernels

if TYPE_CHECKING:
    from rich.console import Console

STACK = ("doseplan", "numpy", "scipy", "numba", "xarray", "h5netcdf", "h5py", "matplotlib", "pydicom")

ENERGY, RANGE_G_CM2, ALLOWED = 250.0, 12.73, 0.005
"""[MeV/u], [g/cm2], [1] csda range of 12C in water of ICRU Report 90, table A.15. The distal 80 % of a Bragg
curve lies at it; the peak's shape and the four digits of the table leave well below half a per cent."""

BROKEN = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    well: bool
    said: str


@app.command(epilog="Example: doseplan doctor")
def doctor(as_json: Json = False) -> None:
    """Check the installation in seconds: versions, threads, caches, a dose against a known range."""
    prepare_kernels()
    checks = {
        "versions": _versions,
        "threads": _threads,
        "kernel cache": _kernel_cache,
        "beam cache": _beam_cache,
        "bundled cases": _cases,
        "dose": _dose,
    }
    found = [_tried(name, check) for name, check in checks.items()]
    well = all(finding.well for finding in found)
    content = {
        "well": well,
        "checks": [{"check": each.check, "well": each.well, "said": each.said} for each in found],
    }

    def show(console: "Console") -> None:
        for each in found:
            console.print(f"{'ok ' if each.well else 'BAD'}  {each.check}: {each.said}", soft_wrap=True)
        console.print("The installation works." if well else "Something is wrong with the installation.")

    answer(content, as_json, show)
    if not well:
        raise typer.Exit(BROKEN)


def _tried(name: str, check: Callable[[], str]) -> Finding:
    """Run one check; whatever it raises is what it found."""
    try:
        return Finding(check=name, well=True, said=check())
    except Exception as error:
        return Finding(check=name, well=False, said=f"{type(error).__name__}: {error}")


def _versions() -> str:
    found = []
    for name in STACK:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise ModuleNotFoundError(
                f"{name} is missing: install doseplan again (pip install doseplan)"
            ) from None
    return ", ".join(found)


def _threads() -> str:
    """Start the threads of the kernels, and name the layer that carries them."""
    import numba
    import numpy as np

    from doseplan.kernels import tracing

    ones, depth = np.ones((2, 2, 4), np.float32), np.empty((1, 1))
    corner, edges = np.zeros(3), np.full(3, 2.0)
    point, along = np.array([[7.0, 1.0, 1.0]]), np.array([[1.0, 0.0, 0.0]])
    tracing.water_equivalent_depth(ones, corner, edges, point, along, depth)
    if abs(float(depth[0, 0]) - 7.0) > 1e-9:
        raise ArithmeticError(f"expected a depth of 7 mm in water, got {float(depth[0, 0])}")
    layer = numba.threading_layer()  # type: ignore[attr-defined]
    return f"{numba.get_num_threads()} threads, layer {layer}"


def _kernel_cache() -> str:
    import numba

    return _writable(Path(str(numba.config.CACHE_DIR)))  # type: ignore[attr-defined]


def _beam_cache() -> str:
    from platformdirs import user_cache_path

    return _writable(user_cache_path("doseplan"))


def _writable(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder} can be written ({size / 1e6:.0f} MB used)"


def _cases() -> str:
    from doseplan.case import bundled_cases, load_case

    known = bundled_cases()
    if not known:
        raise FileNotFoundError("expected cases in the package, got none")
    for path in known.values():
        load_case(path)
    return f"{len(known)} are there and can be read"


def _dose() -> str:
    """Compute a Bragg curve and compare its range with the published one."""
    from doseplan.constants import WATER_DENSITY
    from doseplan.dose import depth_dose

    start = time.perf_counter()
    curve = depth_dose(ENERGY)
    found = 0.1 * WATER_DENSITY * float(curve.attrs["r80_mm"])
    took = time.perf_counter() - start
    said = f"range of {ENERGY:g} MeV/u carbon {found:.2f} g/cm2, ICRU 90 {RANGE_G_CM2:g}, in {took:.1f} s"
    if not abs(found / RANGE_G_CM2 - 1.0) <= ALLOWED:
        raise ArithmeticError(said)
    return said
