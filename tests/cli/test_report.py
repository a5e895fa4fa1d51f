"""The report command as people meet it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("report", "nowhere"), "nowhere: expected"),
        (("report", ".", "--out", "missing"), "--out: expected a folder that exists, got missing"),
    ],
)
def test_a_wrong_folder_is_named(arguments: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "doseplan", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
