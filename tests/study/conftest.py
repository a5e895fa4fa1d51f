"""Made-up rooms for studies of many points."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOMS = Path(__file__).parent / "made_up_rooms.py"


SMALL = """name = "small"
anatomy = { levels = "T11-T12", origin_below = "T11" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
delivery = { spot_spacing_mm = 8.0, layer_spacing_mm = 8.0 }
grid = { voxel_mm = 3.0, z_mm = [-16.0, 34.0] }

[tumour]
side = "left"
wrap_deg = 180.0
compression_percent = 40.0
epidural_length_mm = 14.0
bone_diameter_mm = 12.0
bone_height_mm = 0.0
foramen_diameter_mm = 9.0
paraspinal_width_mm = 14.0
paraspinal_depth_mm = 14.0
paraspinal_length_mm = 14.0
"""
"""A small, coarse case; its keys outside of tables can be added before it."""


@pytest.fixture(scope="session")
def small_text() -> str:
    """The text of a small, coarse case without fields or goals of its own."""
    return SMALL


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
