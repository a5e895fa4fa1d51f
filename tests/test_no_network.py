"""Nothing reaches for the network at run time: every attempt to open a socket fails the command."""

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = """
import socket, sys

def refuse(*words, **named):
    raise RuntimeError(f"network: expected no connection, got one to {words[1:]}")

socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = refuse
socket.socket.sendto = socket.create_connection = socket.getaddrinfo = refuse
"""


def blocked(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", BLOCKED + program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("bragg", "200", "--out", "curve.png", "--save", "curve.nc", "--json"),
        ("phantom", "t12_ring", "--voxel-mm", "3", "--out", "ring.png"),
        ("--version",),
    ],
    ids=lambda words: words[0],
)
def test_commands_work_without_a_network(tmp_path: Path, words: tuple[str, ...]) -> None:
    program = f"sys.argv = {['doseplan', *words]}\nfrom doseplan.cli import main\nmain()\n"
    done = blocked(program, tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_room_is_imported_without_a_network(tmp_path: Path) -> None:
    program = """
import importlib, pkgutil
import doseplan
for module in pkgutil.walk_packages(doseplan.__path__, "doseplan."):
    # benchmarks travel with an installed package, but are no room of it
    if not module.name.endswith("__main__") and ".benchmarks" not in module.name:
        importlib.import_module(module.name)
"""
    done = blocked(program, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_block_would_be_noticed(tmp_path: Path) -> None:
    """The blocked program does fail when something is opened."""
    done = blocked("socket.create_connection(('127.0.0.1', 9))\n", tmp_path)
    assert done.returncode == 1
    assert "expected no connection" in done.stderr
