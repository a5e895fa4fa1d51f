"""The pages of docs/: every command of the tutorial is run in order, those of the other pages exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from doseplan.case import parse_case
from doseplan.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def commands(page: Path) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    found = [re.search(r"(?:^|/|; )doseplan ([^;&|]*)", line) for line in lines]
    return [shlex.split(each.group(1)) for each in found if each is not None]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_option_of_a_page_exists(page: Path) -> None:
    there = typer.main.get_command(app).commands
    for name, *rest in commands(page):
        assert name in there, name
        there[name].make_context(name, rest)  # refuses what is no option or value


def test_pages_with_commands_are_found() -> None:
    assert len(commands(ROOT / "docs" / "tutorial.md")) >= 5
    assert len(commands(ROOT / "docs" / "howto.md")) >= 3


@pytest.mark.slow
def test_the_tutorial_and_what_follows_from_it(tmp_path: Path) -> None:
    whole, robust = blocks(ROOT / "docs" / "tutorial.md", "toml")
    (tmp_path / "mine.toml").write_text(whole)
    assert parse_case(whole + robust, None).robustness is not None
    for arguments in commands(ROOT / "docs" / "tutorial.md"):
        _run(tmp_path, "-m", "doseplan", *arguments)
    for name in ("mine.png", "mine_run/report.html", "mine_run/sheet.pdf", "mine_run/none/proof.json"):
        assert (tmp_path / name).stat().st_size > 1000
    (script,) = blocks(ROOT / "docs" / "howto.md", "python")
    assert "NIRS" in _run(tmp_path, "-c", script)
    for arguments in commands(ROOT / "docs" / "howto.md"):
        if arguments[0] in ("export", "doctor"):  # a CT is read and planned by tests of its own
            _run(tmp_path, "-m", "doseplan", *arguments)


def _run(folder: Path, *arguments: str) -> str:
    """Run Python in a folder; exit code 3, a limit that does not hold, is a failure too."""
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, (arguments, done.stderr[-2000:])
    return done.stdout
