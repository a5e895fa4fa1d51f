"""The path of a newcomer: an empty home, the first commands, an own case that a message helps to mend."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home and a working folder with nothing in them; the compiled kernels of the test run stay."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "home").mkdir()
    (folder / "work").mkdir()
    return folder


def doseplan(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: os.environ[name] for name in ("PATH", "NUMBA_CACHE_DIR", "PYTHONPATH") if name in os.environ
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "doseplan", *arguments],
        cwd=home / "work",
        env={**kept, "HOME": str(home / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def own_case() -> str:
    """The whole case of the README, coarse, so that looking at it takes seconds."""
    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "anatomy" in block)
    return f"{text}grid = {{ voxel_mm = 3.0 }}\n"


def test_what_the_first_command_suggests_is_there(home: Path) -> None:
    done = doseplan(home)
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"^  doseplan (\w+)", done.stdout, re.MULTILINE)
    assert commands[0] == "explore"
    helped = doseplan(home, "--help").stdout
    assert [name for name in commands if f"\n  {name} " not in helped] == []


def test_the_page_opens_from_an_empty_home(home: Path) -> None:
    done = doseplan(home, "explore", "--no-browser", "--json")
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout)["page"])
    assert page.is_relative_to(home / "home")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("separation_mm", "seperation_mm"), ("side", "sied"), ('"right"', '"rihgt"')],
)
def test_a_mistake_in_an_own_case_is_mended_by_its_message(home: Path, right: str, wrong: str) -> None:
    case, text = home / "work" / "mine.toml", own_case()
    assert text.count(right) == 1
    case.write_text(text.replace(right, wrong), encoding="utf-8")
    done = doseplan(home, "phantom", "mine.toml")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if wrong.strip('"') in line)
    assert line.startswith("mine.toml: ")
    # nothing but the line is needed
    meant = re.search(r"did you mean '([^']+)'|expected '(\w+)' or '(\w+)'", line)
    assert meant is not None, line
    assert right.strip('"') in meant.groups()
    assert sorted(path.name for path in case.parent.iterdir()) == ["mine.toml"]


def test_the_mended_case_is_drawn(home: Path) -> None:
    (home / "work" / "mine.toml").write_text(own_case(), encoding="utf-8")
    done = doseplan(home, "phantom", "mine.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["arms"]["separated"]["separation_mm"] == 3.0
    assert (home / "work" / "phantom_mine.png").stat().st_size > 10_000
