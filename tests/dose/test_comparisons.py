"""All ways of doing the same work agree: what the benchmarks time is the same thing."""

import numpy as np
import pytest

WORKS = {
    # float32 entries: 6e-8 of each, sums of positive terms; products read the same stored entries
    "influence": 1e-7,
    "forward_product": 1e-12,
    # gradients of both signs: float64 rounding against the largest
    "adjoint_product": 1e-12,
    "tracing": 1e-12,
    "point_dose": 1e-12,
    # pieces of 2 um that straddle a face go to one side: 1e-3 of a slab near the end of the range
    "flight": 1e-3,
}


def test_every_comparison_is_tested(comparisons):
    assert set(comparisons.COMPARISONS) >= set(WORKS)


@pytest.mark.parametrize("work", WORKS)
def test_ways_agree(comparisons, work):
    ways = comparisons.COMPARISONS[work]("small")
    assert {"naive", "kernel"} <= set(ways)
    expected = ways["naive"]()
    assert np.abs(expected).max() > 0.0
    for way, run in ways.items():
        np.testing.assert_allclose(
            run(), expected, rtol=0.0, atol=WORKS[work] * np.abs(expected).max(), err_msg=way
        )
