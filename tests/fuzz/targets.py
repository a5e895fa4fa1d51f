"""Readers of what comes from elsewhere, each fed with bytes: they end in a result or in lines for people.

What else a reader raises is a failure, as is a line without words. `TARGETS` names the readers, `seeds` gives
whole inputs to begin with, and `damaged` changes one.
"""

import atexit
import faulthandler
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from doseplan.case import bundled_cases, parse_case
from doseplan.exchange import make_scan, read_run, read_scan, write_run, write_scan
from doseplan.exchange.dicom_read import read_dicom, read_dose_and_structures
from doseplan.exchange.dicom_write import write_dicom
from doseplan.exchange.files import read_dataset
from doseplan.exchange.masks import read_masks
from doseplan.exchange.seals import seal
from doseplan.messages import InputError

TESTS = Path(__file__).parents[1]
CORPUS = Path(__file__).parent / "corpus"

RESULT, LINE = "result", "line"

MOST_SECONDS = 60
"""What takes longer counts as without end."""

NUMBERS_SAID = "nan inf -inf -1 0 64.0 1 1e308 -1e-308 9223372036854775808 0xffffffffffffffffffffffff"
OTHERS_SAID = "true [] {} [[1]] [nan] [{}] {a=1} [1,2,3] 'NIRS' 'T11' 'cord' 'C3-L5' 1979-05-27 07:32:00"
VALUES = [*NUMBERS_SAID.split(), *OTHERS_SAID.split(), "''", "1979-05-27T07:32:00Z"]
"""What a key may be given instead."""

NUMBERS = [number.to_bytes(8, "little") for number in (0, 2**31, 2**63 - 1, 2**64 - 1)]


@cache
def folder() -> Path:
    """Make the folder that inputs are written to; it goes with the process."""
    found = Path(tempfile.mkdtemp(prefix="doseplan-fuzz-"))
    atexit.register(shutil.rmtree, found, ignore_errors=True)
    return found


@cache
def small_run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small_run", TESTS / "small_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def run_folder() -> Path:
    write_run(small_run().make_run(("none",)), folder() / "run")
    return folder() / "run"


@cache
def export_folder() -> Path:
    write_dicom(small_run().make_run(("none",)), folder() / "export")
    return folder() / "export" / "none"


@cache
def scan_file() -> Path:
    axes = tuple(np.arange(4.0) for _ in range(3))
    contour = np.array([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, 2.0, 1.0]])
    scan = make_scan(np.zeros((4, 4, 4), np.int16), axes, {"cord": [contour]}, source="made up")
    write_scan(scan, folder() / "scan.nc")
    return folder() / "scan.nc"


def read_case(data: bytes) -> None:
    parse_case(data.decode("utf-8", errors="replace"), None)


def read_anatomy(data: bytes) -> None:
    case = bundled_cases()["t11_t12_mpnst"].read_text(encoding="utf-8")
    parse_case(case, data.decode("utf-8", errors="replace"))


def swapped(path: Path, data: bytes, read: Callable[[], object]) -> None:
    """Read while one file of a folder has other bytes."""
    whole = path.read_bytes()
    path.write_bytes(data)
    try:
        read()
    finally:
        path.write_bytes(whole)


def read_run_file(data: bytes) -> None:
    swapped(run_folder() / "run.json", data, lambda: read_run(run_folder()))


def read_stored(data: bytes) -> None:
    path = folder() / "stored.nc"
    path.write_bytes(data)
    read_dataset(path, remedy="made up")


def read_stage(data: bytes) -> None:
    """A seal of its own, or nothing would be read of what is damaged."""
    path = folder() / "stage.nc"
    path.write_bytes(data + seal(data))
    read_dataset(path, remedy="made up")


def read_ct(data: bytes) -> None:
    path = folder() / "ct.nc"
    path.write_bytes(data + seal(data))
    read_scan(path)


def dicom_file(kind: str) -> Path:
    return sorted(path for path in export_folder().rglob("*.dcm") if kind in path.name)[0]


def read_ct_slice(data: bytes) -> None:
    swapped(dicom_file("CT_"), data, lambda: read_dicom(export_folder()))


def read_structure_set(data: bytes) -> None:
    swapped(dicom_file("RTSTRUCT"), data, lambda: read_dicom(export_folder()))


def read_dose(data: bytes) -> None:
    swapped(dicom_file("RTDOSE_effective"), data, lambda: read_dose_and_structures(export_folder()))


def read_archive(data: bytes) -> None:
    path = folder() / "ct.npz"
    path.write_bytes(data)
    read_masks(path)


TARGETS: dict[str, tuple[str, Callable[[bytes], None]]] = {
    "case": ("case files", read_case),
    "anatomy": ("anatomy files", read_anatomy),
    "run": ("run.json of a run folder", read_run_file),
    "stored": ("NetCDF of a run folder", read_stored),
    "stage": ("NetCDF of a run folder, sealed again on purpose", read_stage),
    "scan": ("NetCDF of an imported CT, sealed again on purpose", read_ct),
    "slice": ("DICOM CT images", read_ct_slice),
    "structures": ("DICOM structure sets", read_structure_set),
    "dose": ("DICOM doses", read_dose),
    "masks": ("npz archives", read_archive),
}
"""By name: what people call the input, and its reader."""


def seeds(target: str) -> list[bytes]:
    """Give whole inputs of a target."""
    if target == "case":
        return [text for path in bundled_cases().values() if b"levels" in (text := path.read_bytes())]
    if target == "anatomy":
        return [(TESTS.parent / "phantoms" / "anatomies" / "t11_t12.toml").read_bytes()]
    if target == "run":
        return [(run_folder() / "run.json").read_bytes()]
    if target in ("stored", "stage"):
        return [path.read_bytes() for path in sorted((run_folder() / "none").glob("*.nc"))]
    if target == "scan":
        return [scan_file().read_bytes()]
    if target == "masks":
        made = io.BytesIO()
        shape = {"hu": np.zeros((2, 3, 4)), "mask_cord": np.ones((2, 3, 4), bool)}
        np.savez(made, **shape, spacing_mm=np.ones(3), origin_mm=np.zeros(3))
        return [made.getvalue()]
    return [
        dicom_file(
            {"slice": "CT_", "structures": "RTSTRUCT", "dose": "RTDOSE_effective"}[target]
        ).read_bytes()
    ]


def outcome(target: str, data: bytes) -> str:
    """Feed a reader, and say how it ended: `result`, `line`, or the class of a failure and where it was."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            TARGETS[target][1](data)
    except InputError as error:
        return LINE if error.lines and all(line.strip() for line in error.lines) else "nothing said"
    except Exception as error:
        files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
        ours = [path.name for path in files if "doseplan" in path.parts]
        return f"{type(error).__name__} in {ours[-1] if ours else 'a test'}"
    return RESULT


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Cut, double, overwrite or swap a few bytes, mostly near the beginning; in texts replace a value."""
    if len(data) < 16:
        return data + bytes([int(random.integers(256))])
    if b"=" in data[:2000] and random.random() < 0.7:
        return other_value(data, random)
    end = min(len(data), 4000) if random.random() < 0.7 else len(data)
    at, other = (int(value) for value in random.integers(0, end, 2))
    kind = int(random.integers(6))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[other : other + 30] + data[at:]
    changed = bytearray(data)
    if kind == 2:
        changed[at : at + 8], changed[other : other + 8] = data[other : other + 8], data[at : at + 8]
    elif kind == 3:
        changed[at] ^= 1 << int(random.integers(8))
    elif kind == 4:
        changed[at : at + 8] = NUMBERS[int(random.integers(len(NUMBERS)))]
    else:
        for place in random.integers(0, end, 20):
            changed[int(place)] = int(random.integers(256))
    return bytes(changed)


def other_value(data: bytes, random: np.random.Generator) -> bytes:
    """Give a key of a text another value, or another key of the text its name."""
    lines = data.decode("utf-8", errors="replace").split("\n")
    keys = [number for number, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    if not keys:
        return data
    at, other = (keys[int(random.integers(len(keys)))] for _ in range(2))
    name = lines[at if random.random() < 0.8 else other].split("=")[0]
    lines[at] = f"{name}= {VALUES[int(random.integers(len(VALUES)))]}"
    return "\n".join(lines).encode()


def input_of(target: str, seed: int, turn: int) -> bytes:
    """Damage a seed or a kept input up to three times; the same numbers give the same bytes."""
    random = np.random.default_rng([seed, turn])
    inputs = seeds(target) + [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
    data = inputs[turn % len(inputs)]
    for _ in range(1 + int(random.integers(3))):
        data = damaged(data, random)
    return data


def campaign(target: str, turns: range, seed: int) -> None:
    """Write how the reader ended for each turn, a line each; a turn without end ends the process."""
    for turn in turns:
        data = input_of(target, seed, turn)
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        ended = outcome(target, data)
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


def outcomes(target: str, turns: int, seed: int) -> Counter[str]:
    """Run a campaign in processes of its own, so that crashes and turns without end are counted too."""
    found: list[str] = []
    while len(found) < turns:
        command = [sys.executable, str(Path(__file__)), target, str(len(found)), str(turns), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found += done.stdout.splitlines()
        if done.returncode != 0:
            said = "Timeout" in done.stderr
            found.append(
                f"no end within {MOST_SECONDS} s" if said else f"process ended with {done.returncode}"
            )
    return Counter(found)


if __name__ == "__main__":
    name, first, end, seed = sys.argv[1:]
    campaign(name, range(int(first), int(end)), int(seed))
