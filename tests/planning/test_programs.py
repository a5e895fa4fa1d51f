"""Programs on grids so fine that a spot's neighbours are all but the same as it."""

import numpy as np
import pytest
from scipy.optimize import linprog

from doseplan.planning.branching import TOLERANCE
from doseplan.planning.core import worst_and_spread
from doseplan.planning.evidence import Evidence
from doseplan.planning.programs import largest_part, make_bench, program_rows

SPREAD_MM = 3.0


@pytest.fixture(scope="module")
def bench():
    """A square target beside a line that is limited, under 4489 spots of 3 mm that stand 0.6 mm apart."""
    at = np.arange(67) * 0.6
    spots = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = np.stack(np.meshgrid(np.arange(12.0, 29.0, 2.0), np.arange(12.0, 29.0, 2.0)), axis=-1).reshape(
        -1, 2
    )
    beside = np.column_stack([np.full(20, 10.0), np.linspace(10.0, 30.0, 20)])
    # the target's own maximum keeps weights finite
    rows = np.concatenate([inside, beside, inside])
    away = np.square(rows[:, np.newaxis] - spots).sum(axis=-1)
    amount = np.exp(-0.5 * away / SPREAD_MM**2) + 1e-6
    most = np.concatenate([np.full(20, 0.6), np.full(len(inside), 2.2)])
    evidence = Evidence(
        linear=0.02 * amount,
        root=0.01 * amount,
        targets=len(inside),
        most=most,
        scale="NIRS",
        fractions=16,
    )
    return make_bench(evidence, 60.0)


def test_few_pricings_find_the_optimum_of_a_general_solver_from_spots_of_one_corner(bench):
    count = bench.evidence.targets
    lines, tangent = (np.full(count, 0.8), np.full(count, 0.1)), np.full(bench.evidence.most.size, 0.3)
    full, limit = program_rows(bench, (), lines, tangent)
    matrix = np.column_stack([full, np.arange(limit.size) < count])
    gain = np.zeros(matrix.shape[1])
    gain[-1] = -1.0
    best = -linprog(gain, A_ub=matrix, b_ub=limit, bounds=(0.0, None)).fun
    found = largest_part(bench, (), lines, tangent, np.arange(100), tolerance=TOLERANCE, pricings=4)
    # what is proven lies above the optimum, by the tolerance of the program and what is left mispriced;
    # with the 300 most mispriced spots each time, it lies 64 times as high
    assert best < found.part < 1.02 * best


def test_those_that_join_are_the_worst_and_others_from_everywhere():
    badness = np.concatenate([np.linspace(0.1, 0.2, 4000), np.linspace(1.0, 2.0, 1000), np.zeros(1000)])
    found = worst_and_spread(badness, 600)
    assert found.size == np.unique(found).size == 600
    assert np.all(np.diff(found) > 0)
    assert np.isin(np.arange(4900, 5000), found).all()
    # the others lie in every stretch of the grid, none where nothing is bad
    assert np.all(np.histogram(found, bins=np.arange(0, 5001, 100))[0] > 0)
    assert found.max() < 5000


def test_all_join_while_they_are_few():
    np.testing.assert_array_equal(worst_and_spread(np.array([0.0, 2.0, -1.0, 1.0]), 3), [1, 3])
