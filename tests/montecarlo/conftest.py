"""A scanned field along y in a box of water."""

import importlib.util
from pathlib import Path

import pytest

from doseplan.dose import beam_library


@pytest.fixture(scope="session")
def slabs():
    """Open tests/montecarlo/slabs.py, which the record of comparisons uses too."""
    spec = importlib.util.spec_from_file_location("slabs", Path(__file__).parent / "slabs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def water_field(slabs):
    """Library, water and spots."""
    library = beam_library()
    return library, slabs.water(), slabs.field(library)
