"""The house rules that a machine can hold: kernels stay pure, docstrings tell, nothing is left open."""

import ast
import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.find_spec("doseplan")
assert _spec is not None
assert _spec.origin is not None
PACKAGE = Path(_spec.origin).parent
# benchmarks travel with an installed package, but are no room of it
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "benchmarks")
KERNELS = sorted((PACKAGE / "kernels").glob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_kernels_import_only_math_numpy_and_numba(path: Path) -> None:
    assert {name.split(".")[0] for name in _imports(_tree(path))} <= {"math", "numpy", "numba"}


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_kernels_never_use_fastmath_true(path: Path) -> None:
    flags = [
        keyword.value
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "fastmath"
    ]
    assert not [flag for flag in flags if isinstance(flag, ast.Constant) and flag.value is True]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_state_is_changed(path: Path) -> None:
    assert not [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Global)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints(path: Path) -> None:
    calls = [node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)]
    printed = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    assert path.parent.name == "cli" or not printed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_function_says_what_it_does(path: Path) -> None:
    functions = [node for node in _tree(path).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    silent = [node.name for node in functions if node.name[0] != "_" and not ast.get_docstring(node)]
    assert silent == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_small(path: Path) -> None:
    # 300 lines is the guide, twice that the point where the style guide asks for a split
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600
