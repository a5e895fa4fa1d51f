"""Files that were written, or read to the end, by this person here: only others are read apart first."""

from pathlib import Path

import platformdirs

MOST_BYTES = 2**22
"""What is remembered at most, some 60 000 files; then the older half is forgotten."""


def is_known(seal: bytes) -> bool:
    """Tell whether a file with this seal was written or read here before."""
    try:
        return seal in _path().read_bytes()
    except OSError:
        return False


def remember(seal: bytes) -> None:
    """Remember a file by its seal; where that can't be written, files are read apart once more each time."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(seal)
        if path.stat().st_size > MOST_BYTES:
            part = path.with_name(f"{path.name}.part")
            part.write_bytes(path.read_bytes()[-MOST_BYTES // 2 :])
            part.replace(path)
    except OSError:
        return


def _path() -> Path:
    return Path(platformdirs.user_cache_dir("doseplan")) / "known-files"
