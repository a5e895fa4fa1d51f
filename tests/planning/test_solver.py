"""The solver on small random problems: its slopes, its limits, and an independent optimum."""

from dataclasses import replace

import numpy as np

from doseplan.planning.problem import (
    ROOT_UNIT,
    column_scale,
    gather,
    influence_channels,
)
from doseplan.planning.solver import least_squares_start


def _silent(level_gye):
    assert np.isfinite(level_gye)


def test_gather_is_the_adjoint_of_the_dose(problem_of):
    problem, rng = problem_of(1), np.random.default_rng(2)
    weight, first, second = rng.random(40), rng.normal(size=120), rng.normal(size=120)
    dose, root = influence_channels(problem, weight)
    there = np.dot(first, dose) + np.dot(second, root)
    size = np.dot(np.abs(first), dose) + np.dot(np.abs(second), root)
    # float64 sums over the same float32 entries, of 1440 terms of either sign
    assert abs(there - np.dot(weight, gather(problem, first, second))) < 1e-13 * size


def test_columns_are_scaled_to_about_one_gray(problem_of):
    problem = problem_of(3)
    root = np.array([influence_channels(problem, unit)[1] for unit in np.diag(column_scale(problem))])
    # half the sum times the peak stands for the sum of squares; even random entries are within 30 % of that
    np.testing.assert_allclose(np.linalg.norm(root, axis=1), ROOT_UNIT, rtol=0.3)


def test_a_spot_that_reaches_nothing_gets_no_scale_and_no_weight(problem_of):
    problem = problem_of(3)
    start, *rest = problem.operator.spot_major
    operator = replace(problem.operator, spot_major=(np.append(start, start[-1]), *rest))
    lonely = replace(problem, operator=operator, peak=np.append(problem.peak, 0.1))
    assert column_scale(lonely)[-1] == 0.0
    assert least_squares_start(lonely)[-1] == 0.0
