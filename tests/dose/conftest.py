"""A box of water with a ball-shaped target, and what a case says about fields and spots."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.case.spec import BeamField, Delivery, Prescription


def make_phantom(rsp=None, *, centre=(3.0, -6.0, 2.0), radius=10.0, voxel=2.0, shape=(40, 46, 50)):
    """Grid of water, or of the given rsp, with the corner at (-50, -52, -38) and a ball as spot target."""
    corner = np.array([-50.0, -52.0, -38.0])
    z, y, x = (
        corner[axis] + voxel * (np.arange(size) + 0.5) for axis, size in zip((2, 1, 0), shape, strict=True)
    )
    squared = (z[:, None, None] - centre[2]) ** 2 + (y[:, None] - centre[1]) ** 2 + (x - centre[0]) ** 2
    data = {
        "rsp": np.ones(shape) if rsp is None else rsp,
        "spot_target": (squared <= radius**2).astype(float),
        "z": z,
        "y": y,
        "x": x,
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


def make_case(*gantries, couch=0.0, robustness=None, **delivery):
    """The parts of a case that the dose room reads."""
    return SimpleNamespace(
        fields=tuple(BeamField(gantry_deg=gantry, couch_deg=couch) for gantry in gantries),
        course=(),
        delivery=Delivery(**delivery),
        prescription=Prescription(total_gy_rbe=64.0),
        robustness=robustness,
    )


@pytest.fixture(scope="session")
def phantom_of():
    return make_phantom


@pytest.fixture(scope="session")
def case_of():
    return make_case


@pytest.fixture(scope="session")
def twin(naive):
    return naive("naive_dose")


@pytest.fixture(scope="session")
def beams(twin):
    """Library of 26 energies, 2 mm of range apart."""
    return twin.library(energies=26)
