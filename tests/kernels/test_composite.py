"""Dose through sub-spots: products, entries and final doses equal one slow twin; same bits on any threads."""

from itertools import pairwise

import numpy as np
import pytest

from doseplan.dose import dose_influence, dose_operator, point_dose, trace_spots, transpose
from doseplan.dose.channels import linear_and_root
from doseplan.dose.point import point_effect

SAMPLES = 30

CUT_TAIL = 3e-8
"""[1] of the largest value: tails of depth curves end at 1e-8 of their maximum, and components add up."""


@pytest.fixture(scope="module")
def twin(naive):
    return naive("naive_dose")


@pytest.fixture(scope="module")
def beams(twin):
    return twin.library(energies=4)


@pytest.fixture(scope="module")
def spots(twin, beams):
    """A spot set with some weights of zero, and one spot beside the grid."""
    made = twin.spots(beams, half=1)
    weight, u = made["weight"].values.copy(), made["spot_u"].values.copy()
    weight[::5] = 0.0
    u[1] += 0.7
    return made.assign(weight=made["weight"].copy(data=weight), spot_u=made["spot_u"].copy(data=u))


@pytest.fixture(scope="module")
def rays(twin, spots, beams):
    return trace_spots(twin.phantom(), spots, beams, pitch_mm=2.0)


@pytest.fixture(scope="module")
def points(twin):
    return twin.points(SAMPLES, half=18.0)


@pytest.fixture(scope="module")
def expected(twin, points, rays, spots, beams):
    return twin.spot_doses(points, rays, spots, beams)


def test_point_dose_equals_the_explicit_sum(points, rays, spots, beams, expected):
    found = np.array(point_dose(points, rays, spots, beams))
    summed = np.einsum("s,scp->cp", spots["weight"].values, expected)
    for channel, other in zip(found, summed, strict=True):
        np.testing.assert_allclose(channel, other, rtol=1e-12, atol=CUT_TAIL * other.max())
    assert np.count_nonzero(summed[0] > 0.01 * summed[0].max()) > SAMPLES // 2


@pytest.mark.parametrize("scale", ["NIRS", "LEM1"])
def test_point_effect_is_what_a_model_reads_of_the_point_dose(points, rays, spots, beams, scale):
    expected = linear_and_root(scale, point_dose(points, rays, spots, beams))
    for found, other in zip(point_effect(points, rays, spots, beams, scale=scale), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12, atol=CUT_TAIL * other.max())


@pytest.mark.parametrize("scale", ["NIRS", "LEM1"])
def test_operator_equals_the_explicit_sum(points, rays, spots, beams, expected, scale):
    operator = dose_operator(points, rays, beams, scale=scale)
    linear, root = linear_and_root(
        scale, type(point_dose(points, rays, spots, beams))(*expected.swapaxes(0, 1))
    )
    weight = spots["weight"].values
    # curves and Gaussians are float32, places in depth too: 6e-8 each, of a place of up to 220 depths
    for found, matrix in zip(operator.forward(weight), (linear, root), strict=True):
        np.testing.assert_allclose(found, weight @ matrix, rtol=3e-5, atol=1e-6 * (weight @ matrix).max())
    gradient = np.random.default_rng(3).normal(size=(2, SAMPLES))
    back = linear @ gradient[0] + root @ gradient[1]
    np.testing.assert_allclose(operator.adjoint(*gradient), back, rtol=0.0, atol=2e-6 * np.abs(back).max())


@pytest.mark.parametrize("relative_cutoff", [0.0, 1e-4, 1e-2])
def test_entries_equal_the_slow_twin(twin, points, rays, spots, beams, expected, relative_cutoff):
    other = np.array(twin.cut_influence(expected, spots, beams, relative_cutoff))
    influence = dose_influence(points, rays, spots, beams, relative_cutoff=relative_cutoff)
    found = twin.dense(influence, "entry_start", "sample_index", (spots.sizes["spot"], SAMPLES))
    # places in depth are float32 in both; an entry at the cut itself may be on either side
    differ = np.abs(found - other) > 3e-5 * other + 1e-6 * other.max()
    assert differ.sum() <= (0 if relative_cutoff == 0.0 else 2)


def test_a_tighter_cutoff_drops_entries(points, rays, spots, beams):
    sizes = [
        dose_influence(points, rays, spots, beams, relative_cutoff=cut).sizes["entry"]
        for cut in (0, 1e-4, 1e-2)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_transposed_influence_holds_the_same_entries(twin, points, rays, spots, beams):
    influence = dose_influence(points, rays, spots, beams)
    by_sample = transpose(influence)
    shape = (spots.sizes["spot"], SAMPLES)
    found = twin.dense(by_sample, "row_start", "spot_index", shape[::-1])
    np.testing.assert_array_equal(
        found.transpose(0, 2, 1), twin.dense(influence, "entry_start", "sample_index", shape)
    )
    for first, last in pairwise(by_sample["row_start"].values):
        assert np.all(np.diff(by_sample["spot_index"].values[first:last]) > 0)


def test_one_and_two_threads_give_the_same_bits(twin, rays, spots, beams):
    points = twin.points(600)
    gradient = np.random.default_rng(4).normal(size=(2, len(points)))

    def everything():
        operator = dose_operator(points, rays, beams)
        influence = dose_influence(points, rays, spots, beams)
        return (
            *point_dose(points, rays, spots, beams),
            *operator.forward(spots["weight"].values),
            operator.adjoint(*gradient),
            *(
                influence[name].values
                for name in ("entry_start", "sample_index", "entry_root", "entry_linear")
            ),
        )

    for one, two in zip(*(twin.with_threads(count, everything) for count in (1, 2)), strict=True):
        np.testing.assert_array_equal(one, two)
