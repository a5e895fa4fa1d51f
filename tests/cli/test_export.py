"""The export command as people meet it."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from doseplan.exchange import read_run, write_run


def doseplan(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "doseplan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def run_folder(small_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("runs") / "run"
    write_run(small_run.make_run(), found)
    return found


def test_export_tells_what_it_wrote(run_folder: Path, tmp_path: Path) -> None:
    done = doseplan("export", str(run_folder), "--out", "dicom", folder=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (
        "none: 9 CT images, RTDOSE_effective.dcm, RTDOSE_physical.dcm, RTPLAN.dcm, RTSTRUCT.dcm"
        in done.stdout
    )
    assert "not for treatment" in done.stderr
    assert sorted(path.name for path in (tmp_path / "dicom").iterdir()) == ["none", "separated"]


def test_export_of_one_arm_as_json(run_folder: Path, tmp_path: Path) -> None:
    done = doseplan(
        "export", str(run_folder), "--out", "dicom", "--arm", "separated", "--json", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert list(content["arms"]) == ["separated"]
    assert all((tmp_path / "dicom" / name).is_file() for name in content["arms"]["separated"])
    assert len(content["arms"]["separated"]) == 13


def test_export_goes_into_the_run_and_the_run_still_opens(small_run: ModuleType, tmp_path: Path) -> None:
    write_run(small_run.make_run(("none",)), tmp_path / "run")
    done = doseplan("export", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "dicom" / "none" / "RTPLAN.dcm").is_file()
    assert list(read_run(tmp_path / "run").children) == ["none"]
    again = doseplan("export", "run", folder=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("--out: expected a new or an empty folder, got run/dicom with none in it")


MISTAKES = {
    "no run": (["nowhere"], "nowhere: expected a run folder with run.json, got none"),
    "unknown arm": (["RUN", "--arm", "other"], "--arm: expected one of none, separated, got other"),
    "file": (["RUN", "--out", "file.txt"], "--out: expected a folder, got the file file.txt"),
    "below a file": (["RUN", "--out", "file.txt/dicom"], "--out: expected a folder that can be written, got"),
    "no argument": ([], "Missing argument"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line_and_nothing_is_written(
    run_folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file.txt").write_text("mine")
    words = [str(run_folder) if word == "RUN" else word for word in arguments]
    done = doseplan("export", *words, *(["--out", "new"] if "--out" not in words else []), folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
