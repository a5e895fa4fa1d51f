"""What the benchmarks share: files of this folder and of the tests, which are no packages."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def load(path: Path) -> ModuleType:
    """Load a Python file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def dicom() -> ModuleType:
    """DICOM folders written by hand."""
    return load(HERE.parent / "tests" / "dicom_files.py")
