"""What the scripts that keep records share."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def commit(record: str) -> str:
    """Name the commit, with a plus where files other than the record's, `docs/<record>*`, differ from it."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )

    changed = git("diff", "--quiet", "HEAD", "--", ".", f":(exclude)docs/{record}*").returncode
    return git("rev-parse", "--short", "HEAD").stdout.strip() + ("+" if changed else "")


def told(line: str) -> None:
    """Say on standard error what is being done."""
    sys.stderr.write(line + "\n")
