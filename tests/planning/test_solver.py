"""The solver on small random problems: its slopes, its limits, and an independent optimum."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linprog

from doseplan.planning import solver
from doseplan.planning.limits import largest_scale
from doseplan.planning.plan import FIRST_PENALTY, ITERATIONS, ROUNDS, TOLERANCE_PERCENT
from doseplan.planning.problem import (
    ROOT_UNIT,
    column_scale,
    gather,
    influence_channels,
    rbe_dose_and_slopes,
    with_exact_dose,
)
from doseplan.planning.solver import fresh_state, improve, least_squares_start


def _silent(level_gye):
    assert np.isfinite(level_gye)


def _solved(problem):
    state = fresh_state(problem, least_squares_start(problem), penalty=FIRST_PENALTY)
    for _ in range(ROUNDS):
        state = improve(problem, state, iterations=ITERATIONS, report=_silent)
    return state


def _kept(problem, weight):
    """The weights scaled down to the limits."""
    scale = largest_scale(
        *influence_channels(problem, weight), problem.upper, scale="NIRS", fractions=problem.fractions
    )
    return weight * scale


def _minimum(problem, weight):
    return min(problem.prescription_gye, rbe_dose_and_slopes(problem, weight)[0][problem.target].min())


def _jacobian(problem, weight):
    """GyE of every sample, and its derivatives by the weights: (sample, spot)."""
    gye, by_linear, by_root = rbe_dose_and_slopes(problem, weight)
    columns = [influence_channels(problem, unit) for unit in np.eye(problem.spots)]
    dose, root = (np.array(channel).T for channel in zip(*columns, strict=True))
    return gye, by_linear[:, None] * dose + by_root[:, None] * root


def _linear_step(problem, weight, trust):
    """Raise the lowest target sample as far as linearised doses, limits and the trust region allow."""
    gye, jacobian = _jacobian(problem, weight)
    limited = np.isfinite(problem.upper)
    rows = np.vstack(
        [
            np.column_stack([-jacobian[problem.target], np.ones(problem.target.size)]),
            np.column_stack([jacobian[limited], np.zeros(limited.sum())]),
        ]
    )
    room = np.concatenate([gye[problem.target], (problem.upper - gye)[limited]])
    span = trust * max(weight.max(), 1e-9)
    bounds = [(-min(w, span), span) for w in weight] + [(0.0, problem.prescription_gye)]
    cost = np.append(np.zeros(problem.spots), -1.0)
    found = linprog(cost, A_ub=rows, b_ub=room, bounds=bounds, method="highs")
    assert found.status == 0, found.message
    return np.maximum(weight + found.x[:-1], 0.0)


def _oracle(problem, weight):
    """Sequential linear programs, each step kept only if the scaled plan is better."""
    weight, trust = _kept(problem, weight), 0.5
    for _ in range(60):
        tried = _kept(problem, _linear_step(problem, weight, trust))
        if _minimum(problem, tried) > _minimum(problem, weight) + 1e-9:
            weight, trust = tried, min(1.0, 1.5 * trust)
        else:
            trust *= 0.4
        if trust < 1e-4:
            break
    return _minimum(problem, weight)


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
    assert _solved(lonely).weight[-1] == 0.0


def test_exact_dose_is_met_by_an_offset(problem_of):
    problem, weight = problem_of(3), np.full(40, 2.0)
    exact = tuple(1.01 * channel for channel in influence_channels(problem, weight))
    shifted = with_exact_dose(problem, weight, exact)
    stored = influence_channels(problem, weight)
    found = [channel + added for channel, added in zip(stored, shifted.offset, strict=True)]
    np.testing.assert_allclose(found, exact, rtol=1e-14)


@pytest.mark.parametrize("over", [0.7, 1.6])
def test_slopes_of_the_augmented_lagrangian(problem_of, monkeypatch, over):
    """Central differences of the very function that `improve` minimises, below and above the limits."""
    problem, rng = problem_of(4, offset=0.2), np.random.default_rng(5)
    seen = {}

    def check(function, start, **_):
        directions = np.vstack([rng.normal(size=(6, start.size)), np.eye(start.size)[-1:]])
        gradient = function(start)[1]
        step = 1e-5
        up, down = (
            np.array([function(start + sign * step * way)[0] for way in directions]) for sign in (1, -1)
        )
        seen["found"], seen["expected"] = directions @ gradient, (up - down) / (2.0 * step)
        return SimpleNamespace(x=start)

    weight = over * least_squares_start(problem)
    state = fresh_state(problem, weight, penalty=FIRST_PENALTY)
    state = replace(state, upper=rng.random(120), lower=rng.random(60), level=0.8)
    monkeypatch.setattr(solver, "minimize", check)
    improve(problem, state, iterations=1, report=_silent)
    # step 1e-5: cut-off errors of 1e-10 of curvatures up to 100, rounding 1e-16 * 100 / 1e-5
    size = np.abs(seen["expected"]).max()
    assert size > 0.1
    np.testing.assert_allclose(seen["found"], seen["expected"], rtol=1e-5, atol=1e-6 * size)


@pytest.mark.parametrize("seed", [11, 12, 13, 16, 18])
def test_target_minimum_reaches_an_independent_optimum(problem_of, seed):
    problem = problem_of(seed)
    state = _solved(problem)
    weight = _kept(problem, state.weight)
    gye = rbe_dose_and_slopes(problem, weight)[0]
    # the scaling is exact but for rounding
    assert np.all(gye <= problem.upper + 1e-9)
    assert weight.min() >= 0.0
    reached = gye[problem.target].min()
    best = max(_oracle(problem, least_squares_start(problem)), _oracle(problem, state.weight))
    # a conflict, else there is nothing to optimise
    assert best < 0.97 * problem.prescription_gye
    # the tolerance that every plan states: five steps of 100 iterations do not converge further
    assert reached >= best - 0.01 * TOLERANCE_PERCENT * problem.prescription_gye


def test_violations_shrink_from_step_to_step(problem_of):
    problem = problem_of(14)
    state, worst = fresh_state(problem, least_squares_start(problem), penalty=FIRST_PENALTY), []
    for _ in range(ROUNDS):
        state = improve(problem, state, iterations=ITERATIONS, report=_silent)
        gye = rbe_dose_and_slopes(problem, state.weight)[0]
        worst.append(np.max(gye - problem.upper))
    assert worst[-1] < 0.1 * worst[0]
    # what `optimise` then removes by scaling: far less than its tolerance of 0.64 GyE
    assert worst[-1] < 0.1


def test_counts_its_products_and_doubles_its_penalty(problem_of):
    problem, told = problem_of(15), []
    state = fresh_state(problem, least_squares_start(problem), penalty=FIRST_PENALTY)
    after = improve(problem, state, iterations=5, report=told.append)
    assert after.products == len(told) + 1
    assert after.penalty == 2.0 * FIRST_PENALTY
    assert np.all(after.upper[~np.isfinite(problem.upper)] == 0.0)
