"""A process that reads files first: the HDF5 library crashes on some, and goes on without end on others."""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

from doseplan.messages import InputError

MOST_SECONDS = 30.0
"""[s] a file may take to be read: a CT of a gigabyte takes a few."""

_LOOP = """
import json, os, sys
from doseplan.exchange.files import load_netcdf
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
print(flush=True)
for line in sys.stdin:
    try:
        load_netcdf(json.loads(line))
    except Exception:  # comes back, too: who asked reads it again, and tells
        pass
    print(flush=True)
"""


class _Reader:
    """The process: started when it is needed, and again after each file that it was lost with."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def comes_back(self, path: Path, seconds: float) -> bool:
        """Let it read a file; if it crashes, or takes too long and is ended, it does not come back."""
        with self._turn:
            fresh = self._process is None
            back, late = self._asked(path, seconds)
            if not (back or late or fresh):  # a file before this one may have left the library in disorder
                back, late = self._asked(path, seconds)
            return back

    def _asked(self, path: Path, seconds: float) -> tuple[bool, bool]:
        """Tell whether it came back, and whether it was ended for taking too long."""
        process = self._process = self._process or _started()
        assert process.stdin is not None, "the pipes are there"
        assert process.stdout is not None, "the pipes are there"
        late = threading.Event()

        def end_it() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end_it)
        timer.start()
        try:
            process.stdin.write(f"{json.dumps(str(path.absolute()))}\n")
            process.stdin.flush()
            back = process.stdout.readline() != ""
        except BrokenPipeError:
            back = False
        timer.cancel()
        if not back or late.is_set():
            self._end()
        return back, late.is_set()

    def end(self) -> None:
        """End the process, if there is one."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate()
            self._process = None


def _started() -> subprocess.Popen[str]:
    """Start the process with the modules that this one sees.

    Raises
    ------
    InputError
        It does not come up: nothing can be said of any file then.
    """
    places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _LOOP],
        env={**os.environ, "PYTHONPATH": places},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None, "the pipes are there"
    if process.stdout.readline() == "":
        said = process.communicate()[1].strip().splitlines() or [f"exit code {process.returncode}"]
        raise InputError(f"reading apart: expected a second Python process, got '{said[-1]}'")
    return process


@cache
def _reader(process: int) -> _Reader:
    """One in each process, for a fork has the pipes of its parent."""
    found = _Reader()
    atexit.register(found.end)
    return found


def ends_apart(path: Path, *, seconds: float = MOST_SECONDS) -> bool:
    """Read a file in a process of its own, and tell whether that comes to an end, well or with an error.

    Raises
    ------
    InputError
        There can be no such process.
    """
    return _reader(os.getpid()).comes_back(path, seconds)
