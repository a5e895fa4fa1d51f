"""The notebooks of the documentation as they are stored; every build of the documentation runs them."""

import ast
import importlib
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
BOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


def cells(book: Path, kind: str) -> list[dict[str, object]]:
    found = json.loads(book.read_text(encoding="utf-8"))["cells"]
    return [each for each in found if each["cell_type"] == kind]


def text(cell: dict[str, object]) -> str:
    return "".join(cell["source"])  # type: ignore[arg-type]


def code(book: Path) -> str:
    lines = "\n".join(text(cell) for cell in cells(book, "code")).splitlines()
    return "\n".join(line for line in lines if not line.startswith("%"))


def test_all_three_are_pages_of_the_documentation() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [f"\nnotebooks/{book.stem}\n" in index for book in BOOKS] == [True] * 3


def test_a_build_runs_them_and_fails_with_them() -> None:
    settings = (DOCS / "conf.py").read_text(encoding="utf-8")
    assert 'nb_execution_mode = "force"' in settings
    assert "nb_execution_raise_on_error = True" in settings


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_no_result_is_stored(book: Path) -> None:
    stored = [(cell["outputs"], cell["execution_count"]) for cell in cells(book, "code")]
    assert len(stored) >= 5
    assert stored == [([], None)] * len(stored)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_it_says_what_it_must_not_be_used_for(book: Path) -> None:
    assert "Not for clinical use" in text(cells(book, "markdown")[0])


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_every_name_that_it_takes_is_there(book: Path) -> None:
    taken = [node for node in ast.walk(ast.parse(code(book))) if isinstance(node, ast.ImportFrom)]
    names = [(node.module, each.name) for node in taken for each in node.names if node.module]
    assert any(module.startswith("doseplan.present") for module, _ in names)
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), (module, name)
