"""Small planning problems: random sparse influence, and a ball beside a cord in a box of water."""

from dataclasses import dataclass

import numba
import numpy as np
import pytest
import scipy.sparse
import xarray as xr

from doseplan import schema
from doseplan.biology.mkm import HSG
from doseplan.case.spec import (
    TISSUE_LIMIT,
    BeamField,
    Constraint,
    Course,
    Delivery,
    Prescription,
    Robustness,
)
from doseplan.dose import EntryOperator, place_fields, place_spots
from doseplan.planning.problem import Problem

LIMITS = (
    Constraint(structure="cord", max_gy_rbe=50.0),
    Constraint(structure="target", max_percent=110.0),
    TISSUE_LIMIT,
)
ROOT = np.sqrt(HSG.beta)
CENTRE = np.array([3.0, -6.0, 2.0])
BALL_MM, CORD_MM = 10.0, 4.0


def make_problem(seed, *, spots=40, samples=120, fractions=(16,)):
    """Random spots: half of the samples target, a quarter cord below 50 GyE, the rest without a limit.

    Spots are given in turn on the days of each course.
    """
    rng = np.random.default_rng(seed)
    dense = rng.random((spots, samples)) * (rng.random((spots, samples)) < 0.3)
    dense[np.arange(samples) % spots, np.arange(samples)] += 0.5  # no sample out of reach
    target, cord = samples // 2, samples - samples // 4
    dense[:, cord:] *= 0.75
    by_spot = scipy.sparse.csr_array(dense.astype(np.float32))
    by_sample = by_spot.T.tocsr()
    by_sample.sort_indices()
    z_star = rng.uniform(8.0, 25.0, (spots, samples)).astype(np.float32)
    upper = np.full(samples, np.inf)
    upper[:target], upper[cord:] = 70.4, 50.0
    return Problem(
        operators=[
            EntryOperator(spot_major=_arrays(by_spot, z_star), sample_major=_arrays(by_sample, z_star.T))
        ],
        peak=ROOT * dense.max(axis=1),
        upper=upper,
        target=np.arange(target, dtype=np.int64),
        course=np.arange(spots) % len(fractions),
        fractions=fractions,
        prescription_gye=64.0,
    )


def _arrays(matrix, z_star):
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    linear = matrix.data * (HSG.alpha0 + HSG.beta * z_star[row, matrix.indices]).astype(np.float32)
    root = (ROOT * matrix.data).astype(np.float32)
    return (matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), root, linear)


@dataclass(kw_only=True)
class BoxCase:
    """The parts of a case that planning asks for."""

    fields: tuple[BeamField, ...]
    course: tuple[Course, ...]
    robustness: Robustness | None
    delivery: Delivery
    prescription: Prescription
    constraint: tuple[Constraint, ...]


@dataclass(frozen=True, kw_only=True)
class Box:
    """Everything that `optimise` takes."""

    case: BoxCase
    phantom: xr.Dataset
    samples: xr.Dataset
    spots: xr.Dataset
    library: xr.Dataset

    @property
    def stages(self):
        return self.case, self.phantom, self.samples, self.spots, self.library


def make_box(library, *, gap_mm, limits=LIMITS, spacing_mm=5.0, course=(), robustness=None):
    """A ball of 20 mm in water, with a cord of 8 mm behind it (towards the back) after a gap."""
    case = BoxCase(
        fields=(BeamField(gantry_deg=0.0), BeamField(gantry_deg=90.0)),
        course=course,
        robustness=robustness,
        delivery=Delivery(spot_spacing_mm=spacing_mm, layer_spacing_mm=4.0),
        prescription=Prescription(total_gy_rbe=64.0),
        constraint=limits,
    )
    phantom = _phantom()
    spots = place_spots(case, phantom, place_fields(case, phantom), library)
    return Box(case=case, phantom=phantom, samples=_samples(gap_mm), spots=spots, library=library)


def _phantom(voxel=2.0, shape=(40, 46, 50)):
    corner = np.array([-50.0, -52.0, -38.0])
    z, y, x = (
        corner[axis] + voxel * (np.arange(size) + 0.5) for axis, size in zip((2, 1, 0), shape, strict=True)
    )
    offset = (z[:, None, None] - CENTRE[2], y[:, None] - CENTRE[1], x - CENTRE[0])
    inside = sum(part**2 for part in offset) <= BALL_MM**2
    data = {"rsp": np.ones(shape), "spot_target": inside.astype(float), "z": z, "y": y, "x": x}
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


def _samples(gap_mm, *, fine=2.0, coarse=4.0):
    """Points every 2 mm; those every 4 mm are planned."""
    line = np.arange(-20.0, 20.0 + fine, fine)
    offset = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    target = np.linalg.norm(offset, axis=1) <= BALL_MM
    behind = BALL_MM + gap_mm + CORD_MM
    cord = (np.hypot(offset[:, 0], offset[:, 1] - behind) <= CORD_MM) & ~target
    structure = np.where(target, 2, np.where(cord, 1, 0))
    planned = (np.mod(offset, coarse) == 0.0).all(axis=1) | cord
    keep = target | cord | planned
    data = {
        "sample_position": (offset + CENTRE)[keep],
        "sample_structure": structure[keep],
        "planned": planned[keep],
        "sample_volume": np.full(np.count_nonzero(keep), fine**3 / 1000.0),
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


@pytest.fixture(scope="session")
def problem_of():
    return make_problem


@pytest.fixture(scope="session")
def library(naive):
    """Synthetic beam library of 26 energies, 2 mm of range apart."""
    return naive("naive_dose").library(energies=26)


@pytest.fixture(scope="session")
def box_of(library):
    return lambda **changes: make_box(library, **changes)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Run on one thread, whatever else keeps the machine busy: on small problems threads wait for each other.

    Results have the same bits; the test of that, and the slow ones, set their own number.
    """
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)
