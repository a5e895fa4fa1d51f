"""The slow twins of the kernels, where they lie: beside these files when installed, or with the tests."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
FOLDERS = (HERE / "naive", HERE.parent / "tests" / "kernels")


@cache
def twins(name: str) -> ModuleType:
    """Load a file of slow twins."""
    path = next(folder / f"{name}.py" for folder in FOLDERS if (folder / f"{name}.py").is_file())
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
