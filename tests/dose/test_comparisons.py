"""All ways of doing the same work agree: what the benchmarks time is the same thing."""

import numpy as np
import pytest

from doseplan.cli.bench import benchmark_module

ROWS = benchmark_module("comparisons").COMPARISONS
COMPARED = {name: row for name, row in ROWS.items() if row.small}


def test_only_histories_and_rays_have_no_slow_twin_here() -> None:
    """Their pieces have: here, in tests/kernels/test_montecarlo.py and in tests/kernels/test_rays.py."""
    assert set(ROWS) - set(COMPARED) == {"histories", "rays"}


@pytest.mark.parametrize("name", COMPARED)
def test_ways_agree(name: str) -> None:
    row = COMPARED[name]
    ways = row.prepare(**row.small).ways
    assert {"naive", "kernel"} <= set(ways)
    expected = ways["naive"]()
    assert np.abs(expected).max() > 0.0
    for way, run in ways.items():
        np.testing.assert_allclose(
            run(), expected, rtol=0.0, atol=row.tolerance * np.abs(expected).max(), err_msg=way
        )
