"""Sparse influence: equal to its slow twin, cut where it says, sorted right, same bits on any threads."""

from itertools import pairwise

import numpy as np
import pytest

from doseplan.dose.influence import dose_influence, transpose

SAMPLES = 40


@pytest.fixture(scope="module")
def twin(naive):
    return naive("naive_dose")


@pytest.fixture(scope="module")
def beams(twin):
    return twin.library()


@pytest.fixture(scope="module")
def spots(twin, beams):
    return twin.spots(beams, half=2)


@pytest.fixture(scope="module")
def where(twin):
    return twin.points(SAMPLES)


def _dense(twin, influence, spots):
    return twin.dense(influence, "entry_start", "sample_index", (spots.sizes["spot"], SAMPLES))


@pytest.mark.parametrize("relative_cutoff", [0.0, 1e-4, 1e-2])
def test_influence_equals_its_slow_twin(twin, beams, spots, where, relative_cutoff):
    expected = np.array(twin.dense_influence(*where, spots, beams, relative_cutoff))
    found = _dense(twin, dose_influence(*where, spots, beams, relative_cutoff=relative_cutoff), spots)
    # same entries kept; float32 storage rounds by up to 6e-8
    np.testing.assert_array_equal(found > 0.0, expected.astype(np.float32) > 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-40)


def test_a_tighter_cutoff_drops_entries(beams, spots, where):
    sizes = [
        dose_influence(*where, spots, beams, relative_cutoff=cut).sizes["entry"] for cut in (0, 1e-4, 1e-2)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_transposed_influence_holds_the_same_entries(twin, beams, spots, where):
    influence = dose_influence(*where, spots, beams)
    sorted_by_sample = transpose(influence)
    found = twin.dense(sorted_by_sample, "row_start", "spot_index", (SAMPLES, spots.sizes["spot"]))
    np.testing.assert_array_equal(found.transpose(0, 2, 1), _dense(twin, influence, spots))
    start, index = sorted_by_sample["row_start"].values, sorted_by_sample["spot_index"].values
    for first, last in pairwise(start):
        assert np.all(np.diff(index[first:last]) > 0)


def test_influence_gives_the_same_bits_on_one_and_two_threads(twin, beams, spots, where):
    one, two = (twin.with_threads(count, lambda: dose_influence(*where, spots, beams)) for count in (1, 2))
    assert one.identical(two)
    one, two = (
        twin.with_threads(count, lambda: transpose(dose_influence(*where, spots, beams))) for count in (1, 2)
    )
    assert one.identical(two)
