"""The first five minutes: what to try, what a typing mistake says, whether the installation works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from doseplan.case import bundled_cases
from doseplan.cli import doctor
from doseplan.cli.cases import case_path
from doseplan.messages import InputError

HEAVY = ("numba", "scipy", "xarray", "matplotlib", "h5py", "pydicom")


def doseplan(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "doseplan", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_doseplan_alone_says_what_to_try(tmp_path: Path) -> None:
    done = doseplan(folder=tmp_path)
    assert done.returncode == 0
    for command in ("run t11_t12_mpnst", "bragg 290", "doctor", "--help"):
        assert f"doseplan {command}" in done.stdout
    assert "Not for clinical use" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_run_without_a_file_lists_the_cases_with_what_they_are(tmp_path: Path) -> None:
    done = doseplan("run", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("run: expected a case file or the name of a bundled case, got none")
    assert [line.split()[0] for line in lines[1:]] == list(bundled_cases())
    assert "Full ring around the sac at T12" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("rnu",), "Did you mean 'run'"),
        (("run", "t11_t12_mpst"), "got 't11_t12_mpst'; did you mean 't11_t12_mpnst'?"),
        (("phantom", "t12ring"), "did you mean 't12_ring'?"),
        (("run", "something"), "`doseplan run` lists the bundled cases"),
        (("bragg", "290", "--iom", "4He"), "--ion"),
    ],
)
def test_a_typing_mistake_says_what_was_meant(
    arguments: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    done = doseplan(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_missing_is_named_as_a_file(tmp_path: Path) -> None:
    assert case_path(str(tmp_path / "own.toml"), command="run") == tmp_path / "own.toml"
    with pytest.raises(InputError, match="got 'own'"):
        case_path("own", command="run")


@pytest.mark.parametrize("argument", ["--help", "--version", ""])
def test_help_needs_nothing_heavy(argument: str, tmp_path: Path) -> None:
    told = f"import sys\nsys.argv = ['doseplan', *{[argument] if argument else []!r}]\n"
    code = (
        told
        + "from doseplan.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        + f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_tab_key_completes_commands_and_names_of_cases(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['doseplan']; from doseplan.cli import main; main()"
    for words, expected in (
        ("exp", {"export", "explore"}),
        ("run t12_", {name for name in bundled_cases() if name.startswith("t12_")}),
        ("run own", set()),  # the shell goes on with files
    ):
        shell = {"_DOSEPLAN_COMPLETE": "complete_bash", "COMP_WORDS": f"doseplan {words}"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, **shell, "COMP_CWORD": str(len(words.split()))},
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) == expected, words


def test_doctor_finds_a_sound_installation(tmp_path: Path) -> None:
    done = doseplan("doctor", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(done.stdout)
    assert content["well"] is True
    said = {each["check"]: each["said"] for each in content["checks"]}
    assert "numba" in said["versions"]
    assert "layer" in said["threads"]
    assert "ICRU 90 12.73" in said["dose"]
    assert f"{len(bundled_cases())} are there" in said["bundled cases"]
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("", encoding="utf-8")
    done = doseplan("doctor", folder=tmp_path, XDG_CACHE_HOME=str(tmp_path / "blocked"))
    assert done.returncode == doctor.BROKEN
    assert "BAD  beam cache" in done.stdout
    assert "ok   dose" in done.stdout
    assert "Something is wrong" in done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_refuses_a_wrong_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "RANGE_G_CM2", 12.5)
    finding = doctor._tried("dose", doctor._dose)
    assert not finding.well
    assert "ICRU 90 12.5" in finding.said
