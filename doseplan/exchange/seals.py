"""Digests at the end of netCDF files: the HDF5 library goes on without end on some damaged ones.

What stands behind the end that HDF5 knows of is nothing to it, so other programs read sealed files as any.
"""

import hashlib
import os
from pathlib import Path

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


def seal_of(path: Path) -> bytes:
    """Read what stands at the end of a file that has a seal."""
    with path.open("rb") as file:
        file.seek(-_LENGTH, os.SEEK_END)
        return file.read()
