"""The prove command as people meet it when they make a mistake."""

import subprocess
import sys
from pathlib import Path

import pytest


def doseplan(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "doseplan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: expected a run folder with run.json, got none"),
        (["nowhere", "--programs", "-1"], "--programs"),
        (["nowhere", "--check"], "nowhere: expected a run folder with run.json, got none"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = doseplan("prove", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
