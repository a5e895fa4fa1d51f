"""Digests at the end of netCDF files: the HDF5 library goes on without end on some damaged ones.

What stands behind the end that HDF5 knows of is nothing to it, so other programs read sealed files as any.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

MOST_SECONDS = 30.0
"""[s] a file without a seal may take to be read: a CT of a gigabyte takes a few."""

_MARK = b"\nsha256 "
_LENGTH = len(_MARK) + 64 + 1
_BLOCK = 2**20


def seal(data: bytes | memoryview) -> bytes:
    """Make what is written behind the bytes of a file: their SHA-256."""
    return _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n"


def seal_holds(path: Path) -> bool | None:
    """Tell whether a file is as it was written; None if it has no seal.

    Raises
    ------
    OSError
        It can't be read.
    """
    left = path.stat().st_size - _LENGTH
    if left < 0:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
        found = file.read()
    if not found.startswith(_MARK):
        return None
    return found == _MARK + digest.hexdigest().encode() + b"\n"


def ends_apart(path: Path, *, seconds: float = MOST_SECONDS) -> bool:
    """Read a file in a process of its own, and tell whether that comes to an end, well or with an error."""
    read = "import sys; from doseplan.exchange.files import load_netcdf; load_netcdf(sys.argv[1])"
    try:
        done = subprocess.run(
            [sys.executable, "-c", read, str(path)], capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode in (0, 1)  # others are crashes of the library
