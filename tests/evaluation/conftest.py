"""Sample points with doses that have closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.biology.models import rbe_model
from doseplan.case import bundled_cases, load_case
from doseplan.case.spec import Case, Constraint, Goal, Prescription


def make_samples(structure, volume, dose_rbe, *, dura=None, position=None, fractions=16):
    """Points and doses: absorbed dose is half the weighted dose, LEM I 1.2 times it, LET is 10 + dose."""
    size = len(structure)
    dose_rbe = np.broadcast_to(np.asarray(dose_rbe, float), size)
    position = np.zeros((size, 3)) if position is None else position
    dura = np.zeros(size) if dura is None else dura
    values = {
        "sample_position": position,
        "sample_structure": structure,
        "sample_volume": volume,
        "sample_dura_distance": dura,
        "sample_dose": dose_rbe / 2.0,
        "sample_dose_z_star": dose_rbe,
        "sample_let_d": 10.0 + dose_rbe,
    }
    data = {name: schema.variable(name, value) for name, value in values.items()}
    data["sample_dose_rbe"] = schema.variable("sample_dose_rbe", dose_rbe, **rbe_attributes(fractions))
    lem1 = rbe_model("LEM1").attributes(fractions)
    data["sample_dose_lem1"] = schema.variable("sample_dose_lem1", 1.2 * dose_rbe, **lem1)
    return xr.Dataset(data)


def ramp(low, high, size):
    """Doses in the middle of equal steps, so that the volume above d is (high - d) / (high - low)."""
    return low + (high - low) * (np.arange(size) + 0.5) / size


@pytest.fixture(scope="session")
def case() -> Case:
    bundled = load_case(bundled_cases()["t11_t12_mpnst"])
    return replace(
        bundled,
        prescription=Prescription(total_gy_rbe=64.0),
        constraint=(
            Constraint(structure="cord", max_gy_rbe=50.0),
            Constraint(structure="target", max_percent=110.0),
        ),
        goal=(Goal(min_percent=90.0), Goal(dose_percent=95.0, volume_percent=95.0)),
    )


@pytest.fixture(scope="session")
def samples_of():
    return make_samples


@pytest.fixture(scope="session")
def ramp_of():
    return ramp


@pytest.fixture
def arm_samples():
    """Cord of 10 cm3 with 20 to 45, target of 100 cm3 with 56 to 68 that warms along x away from the dura."""
    cord, target = 1000, 2000
    dose = np.concatenate([ramp(20.0, 45.0, cord), ramp(56.0, 68.0, target)])
    structure = np.repeat([1, 2, 0], [cord, target, 10])
    volume = np.concatenate([np.full(cord, 0.01), np.full(target, 0.05), np.full(10, 0.064)])
    position = np.zeros((structure.size, 3))
    position[cord : cord + target, 0] = np.arange(target) * 0.02
    dura = np.concatenate([np.full(cord, -2.0), 3.0 + position[cord : cord + target, 0], np.full(10, 30.0)])
    dose = np.concatenate([dose, np.full(10, 80.0)])
    return make_samples(structure, volume, dose, dura=dura, position=position)


@pytest.fixture(scope="session")
def phantom_of():
    def make(separation_mm):
        return xr.Dataset(
            attrs={
                "separation_mm": np.nan if separation_mm is None else separation_mm,
                "target_cm3": 100.0,
                "gap_target_dura_mm": 3.0,
                "arm": "any",
            }
        )

    return make
