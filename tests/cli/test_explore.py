"""The explore command as people meet it."""

import json
import os
import subprocess
import sys
from pathlib import Path


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


def test_doseplan_alone_names_it(tmp_path: Path) -> None:
    assert "doseplan explore" in doseplan(folder=tmp_path).stdout
    assert "Did you mean 'explore'" in doseplan("exlpore", folder=tmp_path).stderr


def test_explore_writes_the_page_and_says_where(tmp_path: Path) -> None:
    done = doseplan("explore", "--export", "site", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    page = tmp_path / content["page"]
    assert page.stat().st_size == content["bytes"]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_explore_keeps_its_page_in_the_cache_and_opens_nothing_if_told(tmp_path: Path) -> None:
    done = doseplan("explore", "--no-browser", folder=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Page: ")
    assert Path(done.stdout.removeprefix("Page: ").strip()).is_file()


def test_explore_refuses_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    done = doseplan("explore", "--export", "taken", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--export: expected a folder that can be written, got taken")
