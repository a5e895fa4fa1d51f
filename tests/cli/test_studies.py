"""Sweep and margin as people meet them when they make a mistake."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from doseplan.cli import main

CASE = "t11_t12_mpnst"


@pytest.fixture
def doseplan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[object, str, str]]:
    """Run a command in an empty folder: exit code, what is printed, what is said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["doseplan", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", CASE, "--separation-mm", "0:ten:1"), "--separation-mm: expected numbers like 0:10:1"),
        (
            ("sweep", CASE, "--separation-mm", "0,40"),
            "surgery.separation_mm: expected separation_mm <= 30, got 40",
        ),
        (
            ("sweep", CASE, "--total-gy-rbe", "-1"),
            "prescription.total_gy_rbe: expected total_gy_rbe > 0, got -1",
        ),
        (
            ("sweep", CASE, "--vary", "tumour.wrap=180"),
            "tumour.wrap: expected a known key, got 'wrap'; did you mean",
        ),
        (
            ("sweep", CASE, "--vary", "prescription.fractions=4,16"),
            "prescription.fractions: expected the same",
        ),
        (("sweep", CASE, "--separation-mm", "1,1"), "separation_mm: expected each value once, got 1 again"),
        (("margin", CASE, "--range-mm", "10"), "--range-mm: expected LOW:HIGH like 0:10, got '10'"),
        (
            ("margin", CASE, "--range-mm", "0:1", "--step-mm", "0.3"),
            "step_mm: expected a whole number of steps",
        ),
        (("margin", "t11_t12_mpst"), "did you mean 't11_t12_mpnst'?"),
        (("population", CASE, "--anatomies", "0"), "anatomies: expected 1 <= anatomies <= 100000, got 0"),
        (("population", CASE, "--seed", "-3"), "seed: expected seed >= 0, got -3"),
        (
            ("population", CASE, "--table", "none.toml"),
            "none.toml: expected a population (TOML), got no such file",
        ),
        (
            ("population", CASE, "--separation-mm", "0,1,5"),
            "expected rising separations in even steps, got 0, 1, 5",
        ),
        (("population", CASE, "--local-workers", "0"), "--local-workers: expected 1 <= local workers <= 256"),
        (("sweep", CASE, "--worker-gib", "2"), "--worker-gib: expected with --local-workers, got it without"),
        (
            ("sweep", CASE, "--scheduler", "a:1"),
            "scheduler: expected an address like tcp://host:8786, got 'a:1'",
        ),
        (
            ("sweep", CASE, "--scheduler", "tcp://a:1", "--local-workers", "2"),
            "--scheduler: expected alone or --local-workers instead, got both",
        ),
        (
            ("sweep", CASE, "--local-workers", "2", "--worker-gib", "1e6"),
            "worker_gib: expected at most",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(
    doseplan, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, said = doseplan(*arguments)
    assert (code, out) == (2, "")
    assert message in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["sweep", "margin", "population"])
def test_help_has_an_example(doseplan, command: str) -> None:
    code, out, _ = doseplan(command, "--help")
    assert code == 0
    assert f"Example: doseplan {command} t11_t12_mpnst" in out


def test_a_folder_with_other_files_is_refused(doseplan, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x", encoding="utf-8")
    code, _, said = doseplan("sweep", CASE, "--out", "mine")
    assert code == 2
    assert "mine: expected an empty folder or a study, got a folder with other files" in said
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
