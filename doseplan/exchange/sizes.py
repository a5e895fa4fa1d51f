"""Sizes that nothing honest has, refused before anything of it is unpacked into memory."""

from pathlib import Path
from zipfile import ZipFile

from doseplan.messages import InputError

MOST_BYTES = 8 * 2**30
"""[byte] of the files of a folder, or of what one unpacks to: a CT of 1024 x 1024 x 2000 voxels has half."""

MOST_TEXT_BYTES = 256 * 2**20
"""[byte] of a JSON text; a proof of a fine case has some megabytes."""


def refuse_larger(where: object, size: int, most: int = MOST_BYTES, *, what: str = "unpacked") -> None:
    """Refuse what is larger than it may be.

    Raises
    ------
    InputError
        `size` [bytes] is above `most`.
    """
    if size > most:
        raise InputError(
            f"{where}: expected at most {most / 2**20:.0f} MiB {what}, got {size / 2**20:.0f} MiB"
        )


def refuse_large_archive(path: Path) -> None:
    """Refuse an archive (npz) that unpacks to too much; one that can't be opened is left to its reader."""
    try:
        with ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except Exception:  # a damaged archive: whoever reads it says so
        return
    refuse_larger(path, size)


def read_limited(path: Path, most: int = MOST_TEXT_BYTES) -> str:
    """Read a text that is not larger than it may be.

    Raises
    ------
    InputError
        It is larger.
    OSError, ValueError
        It can't be read, or is no text.
    """
    refuse_larger(path, path.stat().st_size, most, what="of text")
    return path.read_bytes().decode("utf-8")
