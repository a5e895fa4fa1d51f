"""Damaged DICOM of an export: a line or a result, never a traceback, and nothing half written."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from doseplan.exchange.dicom_read import read_dicom, read_dose_and_structures
from doseplan.exchange.dicom_write import write_dicom
from doseplan.messages import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(small_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    write_dicom(small_run.make_run(("none",)), folder / "out")
    return folder / "out" / "none"


@pytest.mark.parametrize("reader", [read_dicom, read_dose_and_structures])
def test_damaged_files_give_a_line_or_a_result(exported: Path, reader) -> None:
    """150 files for each reader with bytes changed, cut, doubled or swapped between elements, seeded."""
    random = np.random.default_rng(8)
    paths = sorted(path for path in exported.rglob("*.dcm"))
    others = [path for path in paths if not path.name.startswith("CT")]
    outcomes = []
    for turn in range(150):
        path = (others if turn % 2 else paths)[int(random.integers(len(others if turn % 2 else paths)))]
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, random))
        try:
            outcomes.append(outcome(reader, exported))
        finally:
            path.write_bytes(whole)
    assert set(outcomes) == {"line", "result"}
    assert sorted(path for path in exported.rglob("*.dcm")) == paths


def outcome(reader, folder: Path) -> str:
    try:
        reader(folder)
    except InputError as error:
        return "line" if error.lines and all(line.strip() for line in error.lines) else "nothing said"
    return "result"


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Cut, double, overwrite or swap a few bytes beyond the preamble, mostly in the header."""
    end = min(len(content), 4000) if random.random() < 0.8 else len(content)
    at, other = (int(value) for value in random.integers(132, end, 2))
    kind = int(random.integers(5))
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[at : at + 30] + content[at:]
    changed = bytearray(content)
    if kind == 2:
        changed[at : at + 8], changed[other : other + 8] = content[other : other + 8], content[at : at + 8]
    elif kind == 3:
        changed[at] ^= 1 << int(random.integers(8))
    else:
        for place in random.integers(132, end, 20):
            changed[int(place)] = int(random.integers(256))
    return bytes(changed)
