"""The solver on small random problems: its slopes, its limits, and an independent optimum."""

from dataclasses import replace

import numpy as np
import pytest

from doseplan.planning.problem import (
    ROOT_UNIT,
    column_scale,
    gather,
    influence_channels,
)
from doseplan.planning.solver import least_squares_start


def _silent(level_gye):
    assert np.isfinite(level_gye)


@pytest.mark.parametrize("fractions", [(16,), (9, 7)])
def test_gather_is_the_adjoint_of_the_dose(problem_of, fractions):
    problem, rng = problem_of(1, fractions=fractions), np.random.default_rng(2)
    weight = rng.random(40)
    first, second = rng.normal(size=(2, len(fractions), 120))
    dose, root = influence_channels(problem, weight)
    there = np.sum(first * dose) + np.sum(second * root)
    size = np.sum(np.abs(first) * dose) + np.sum(np.abs(second) * root)
    # float64 sums over the same float32 entries, of 1440 terms of either sign
    assert abs(there - np.dot(weight, gather(problem, first, second))) < 1e-13 * size


def test_columns_are_scaled_to_about_one_gray(problem_of):
    problem = problem_of(3)
    root = np.array([influence_channels(problem, unit)[1][0] for unit in np.diag(column_scale(problem))])
    # half the sum times the peak stands for the sum of squares; even random entries are within 30 % of that
    np.testing.assert_allclose(np.linalg.norm(root, axis=1), ROOT_UNIT, rtol=0.3)


def test_a_spot_that_reaches_nothing_gets_no_scale_and_no_weight(problem_of):
    problem = problem_of(3)
    (operator,) = problem.operators
    start, *rest = operator.spot_major
    operator = replace(operator, spot_major=(np.append(start, start[-1]), *rest))
    lonely = replace(
        problem, operators=[operator], peak=np.append(problem.peak, 0.1), course=np.append(problem.course, 0)
    )
    assert column_scale(lonely)[-1] == 0.0
    assert least_squares_start(lonely)[-1] == 0.0
