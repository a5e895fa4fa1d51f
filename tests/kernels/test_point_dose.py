"""Point dose by products of one-dimensional Gaussians: equal to the explicit sum over all spots."""

import numpy as np
import pytest

from doseplan.dose.channels import linear_and_root
from doseplan.dose.influence import dose_influence
from doseplan.dose.point import point_dose


@pytest.fixture(scope="module")
def twin(naive):
    return naive("naive_dose")


@pytest.fixture(scope="module")
def beams(twin):
    return twin.library(energies=4)


@pytest.fixture(scope="module")
def spots(twin, beams):
    """A spot set with some weights of zero, and one spot beside the grid."""
    made = twin.spots(beams, half=2)
    weight, u = made["weight"].values.copy(), made["spot_u"].values.copy()
    weight[::5] = 0.0
    u[1] += 0.7
    return made.assign(weight=made["weight"].copy(data=weight), spot_u=made["spot_u"].copy(data=u))


@pytest.fixture(scope="module")
def where(twin):
    # 70 points: one full block and a part of one
    return twin.points(70)


def test_point_dose_equals_the_explicit_sum(twin, beams, spots, where):
    found = point_dose(*where, spots, beams)
    expected = twin.point_dose(*where, spots, beams)
    # float64: exponentials of -200 to 0 carry 1e-14, sums of positive terms do not lose it
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0.0)
    assert np.all(np.array(expected)[:, where[1].min(axis=0) < 80.0] > 0.0)


def test_far_points_keep_their_relative_accuracy(twin, beams, spots):
    """Out to 70 mm beside the spots the dose falls by a hundred powers of ten and stays right."""
    points = np.column_stack([np.linspace(0.0, 70.0, 12), np.zeros(12), np.linspace(0.0, 50.0, 12)])
    wepl = np.full((2, 12), 25.0)
    found = point_dose(points, wepl, spots, beams)
    expected = twin.point_dose(points, wepl, spots, beams)
    # exponents up to 300 in float64: 300 x 1e-16 of relative error, and a few roundings
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("scale", ["NIRS", "LEM1"])
def test_point_dose_equals_the_influence_without_cutoff(twin, beams, spots, where, scale):
    influence = dose_influence(*where, spots, beams, scale=scale, relative_cutoff=0.0)
    matrix = twin.dense(influence, "entry_start", "sample_index", (spots.sizes["spot"], 70))
    expected = spots["weight"].values @ matrix
    linear, root = linear_and_root(scale, point_dose(*where, spots, beams))
    # float32 entries: 6e-8 each
    np.testing.assert_allclose([root, linear], expected, rtol=1e-7, atol=1e-30)


def test_point_dose_gives_the_same_bits_on_one_and_two_threads(twin, beams, spots):
    where = twin.points(3000)
    one, two = (twin.with_threads(count, lambda: point_dose(*where, spots, beams)) for count in (1, 2))
    np.testing.assert_array_equal(one, two)
