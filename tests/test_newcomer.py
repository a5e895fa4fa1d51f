"""The path of a newcomer: a fresh environment, the first commands, an own case that a message mends."""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home, and a working folder with nothing but an environment that the wheel is installed into.

    What the package needs comes from the environment of the tests, as there is no network.
    """
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "home").mkdir()
    environment = folder / "work" / ".venv"
    venv.create(environment, symlinks=True)
    python = str(environment / "bin" / "python")
    _done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheel"))
    (wheel,) = map(str, (folder / "wheel").glob("*.whl"))
    _done(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "of_the_tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return folder


def _done(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)


def doseplan(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [".venv/bin/doseplan", *arguments],
        cwd=home / "work",
        env={"PATH": os.environ["PATH"], "HOME": str(home / "home"), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def of_readme(word: str) -> list[list[str]]:
    """Arguments of the commands of the README that begin with a word."""
    return [shlex.split(line)[1:] for line in re.findall(rf"^\.venv/bin/doseplan {word}.*$", README, re.M)]


def own_case() -> str:
    """The whole case of the README, coarse, so that looking at it takes seconds."""
    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "anatomy" in block)
    return f"{text}grid = {{ voxel_mm = 3.0 }}\n"


def test_the_environment_has_the_wheel_and_not_the_checkout(home: Path) -> None:
    python = home / "work" / ".venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-I", "-c", "import doseplan; print(doseplan.__file__)"],
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(home / "work" / ".venv")


def test_what_the_first_command_suggests_is_there(home: Path) -> None:
    done = doseplan(home)
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"^  doseplan (\w+)", done.stdout, re.MULTILINE)
    assert commands[0] == "explore"
    helped = doseplan(home, "--help").stdout
    assert [name for name in commands if f"\n  {name} " not in helped] == []


def test_the_page_opens_from_an_empty_home(home: Path) -> None:
    first, to_a_site = of_readme("explore")
    done = doseplan(home, *first, "--no-browser", "--json")
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout)["page"])
    assert page.is_relative_to(home / "home")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert doseplan(home, *to_a_site).returncode == 0
    assert [path.suffix for path in (home / "work" / to_a_site[-1]).iterdir()] == [".html"]


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
    assert [path.name for path in case.parent.glob("*mine*")] == ["mine.toml"]


def test_the_mended_case_is_drawn(home: Path) -> None:
    (home / "work" / "mine.toml").write_text(own_case(), encoding="utf-8")
    done = doseplan(home, "phantom", "mine.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["arms"]["separated"]["separation_mm"] == 3.0
    assert (home / "work" / "phantom_mine.png").stat().st_size > 10_000
