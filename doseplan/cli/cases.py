"""Cases as people name them on the command line: a file, or the name of a bundled case."""

from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from doseplan.messages import InputError

Outside = Annotated[
    bool,
    typer.Option(
        "--outside", help="The case may name files outside its folder and the one above: you trust it."
    ),
]


def case_path(stated: str | None, *, command: str) -> Path:
    """Find the file of a stated case.

    Raises
    ------
    InputError
        Nothing is stated (the lines list the bundled cases), or there is neither such a file nor such a case.
    """
    from doseplan.case import bundled_cases

    known = bundled_cases()
    if stated is None:
        raise InputError(
            f"{command}: expected a case file or the name of a bundled case, got none; bundled cases:",
            *(f"  {name:<24}{_first_sentence(path)}" for name, path in known.items()),
        )
    path = known.get(stated, Path(stated))
    if not path.exists() and path.suffix != ".toml":
        near = get_close_matches(stated, known, n=1)
        remedy = f"did you mean '{near[0]}'?" if near else "`doseplan run` lists the bundled cases"
        raise InputError(
            f"{command}: expected a case file or the name of a bundled case, got '{stated}'; {remedy}"
        )
    return path


def case_names(incomplete: str) -> list[tuple[str, str]]:
    """List the bundled cases that begin like this, each with what it is, for the Tab key of a shell."""
    from doseplan.case import bundled_cases

    found = bundled_cases().items()
    return [(name, _first_sentence(path)) for name, path in found if name.startswith(incomplete)]


def _first_sentence(path: Path) -> str:
    """Read what a case says of itself: the first sentence of the comment that it begins with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    said = " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines))
    return said.split(". ")[0].rstrip(".")
