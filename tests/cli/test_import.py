"""The import command as people meet it."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from doseplan.case import load_case


def doseplan(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "doseplan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def patient(dicom: ModuleType, tmp_path: Path) -> Path:
    """A folder of DICOM with a cord, a tumour and a structure of unknown name."""
    files = dicom.axial_files()
    heights = [-28.0, -26.0, -24.0]
    rings = {
        "SpinalCord": [dicom.circle(2.0, (-35.0, -14.0), z) for z in heights],
        "GTV": [dicom.circle(1.5, (-38.5, -14.0), z) for z in heights],
        "Structure 7": [dicom.circle(1.5, (-32.0, -10.0), z) for z in heights],
    }
    files.append(dicom.structure_file(rings, [data.SOPInstanceUID for data in files]))
    return dicom.save(tmp_path / "patient", files)


def test_import_tells_what_it_found_and_writes_a_case(patient: Path, tmp_path: Path) -> None:
    done = doseplan("import", "patient", folder=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "cord: the limit applies to it" in done.stdout
    assert "structure set: 'plan' (f009), 3 structures" in done.stderr
    case = load_case(tmp_path / "patient.toml")
    assert (case.ct.cord, case.ct.tumour, case.ct.dura) == ("SpinalCord", "GTV", None)
    assert "Doe" not in done.stdout + done.stderr + (tmp_path / "patient.toml").read_text(encoding="utf-8")


def test_import_as_json(patient: Path, tmp_path: Path) -> None:
    done = doseplan("import", "patient", "--out", "own.nc", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["slices"] == 9
    assert content["spacing_mm"] == [1.0, 1.0, 2.0]
    assert content["structures"]["SpinalCord"]["role"] == "cord"
    assert (tmp_path / "own.nc").is_file()


def test_a_case_file_that_is_there_is_kept(patient: Path, tmp_path: Path) -> None:
    (tmp_path / "patient.toml").write_text("# mine\n", encoding="utf-8")
    done = doseplan("import", "patient", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(kept as it was)" in done.stderr
    assert (tmp_path / "patient.toml").read_text(encoding="utf-8") == "# mine\n"


MISTAKES = {
    "nothing": (["nowhere"], "nowhere: expected a folder or an npz file, got no such file"),
    "no DICOM": (["empty"], "empty: expected CT images, got none"),
    "suffix": (["patient", "--out", "ct.txt"], "--out: expected a .nc file in a folder that exists"),
    "series": (["patient", "--series", "4"], "--series: expected one of the 1 series, got '4'"),
    "structures": (["patient", "--structure-set", "other"], "expected one structure set, got 1"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_clear_line(
    patient: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = doseplan("import", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "patient"]
