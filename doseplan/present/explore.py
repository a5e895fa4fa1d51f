"""The teaching page: one HTML file with everything in it, for a browser on any machine, offline."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from doseplan.exchange import write_text
from doseplan.messages import InputError

PAGE = "index.html"
DATA_FILE = "explore.json"

HOW_TO_UPDATE = "python docs/update_explore.py"
"""What makes the embedded numbers anew after the engine has changed."""


def explore_numbers() -> dict[str, Any]:
    """Read the numbers of the page, computed by the engine when the package was made."""
    found: dict[str, Any] = json.loads(_text(DATA_FILE))
    return found


def explore_page() -> str:
    """Put page, script, texts and numbers together."""
    numbers = {**explore_numbers(), "texts": json.loads(_text("explore_texts.json"))}
    # a text with "</script>" in it would end the block of data
    data = json.dumps(numbers, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    page = _text("explore.html").replace("/*SCRIPT*/", _text("explore.js"))
    return page.replace("/*DATA*/", data)


def export_page(folder: Path) -> Path:
    """Write the page into a folder, which is made if it is not there.

    Raises
    ------
    InputError
        The folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--export: expected a folder that can be written, got {folder} ({error.strerror})"
        ) from error
    write_text(folder / PAGE, explore_page())
    return folder / PAGE


def _text(name: str) -> str:
    return (resources.files("doseplan.present") / name).read_text(encoding="utf-8")
