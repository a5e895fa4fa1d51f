"""Made-up rooms for studies of many points."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOMS = Path(__file__).parent / "made_up_rooms.py"


@pytest.fixture(scope="session")
def made_up() -> ModuleType:
    """The file of made-up rooms."""
    spec = importlib.util.spec_from_file_location("made_up_rooms", ROOMS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["made_up_rooms"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rooms(made_up, monkeypatch):
    """Made-up rooms in the place of the real ones; what they answer can be changed."""
    found = made_up.Rooms()
    found.install(monkeypatch.setattr)
    return found
