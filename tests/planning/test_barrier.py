"""Newton steps on the barrier: inside all limits, near an independent optimum, the minimum held."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from doseplan.planning.barrier import raise_minimum
from doseplan.planning.limits import largest_scale
from doseplan.planning.plan import STAGES
from doseplan.planning.problem import influence_channels, rbe_dose, rbe_slopes
from doseplan.planning.solver import least_squares_start

STEPS = sum(stage.steps for stage in STAGES if not stage.held)


def _kept(problem, weight):
    """The weights scaled down to the limits."""
    scale = largest_scale(
        *influence_channels(problem, weight), problem.upper, scale="NIRS", fractions=problem.fractions
    )
    return weight * scale


def _gye(problem, weight):
    return rbe_dose(problem, influence_channels(problem, weight))


def _minimum(problem, weight):
    return min(problem.prescription_gye, _gye(problem, weight)[problem.target].min())


def _jacobian(problem, weight):
    """GyE of every sample, and its derivatives by the weights: (sample, spot)."""
    by_linear, by_root = rbe_slopes(problem, influence_channels(problem, weight))
    linear, root = (rows.T for rows in _written(problem))
    slopes = by_linear[problem.course].T * linear + by_root[problem.course].T * root
    return _gye(problem, weight), slopes


def _written(problem):
    """Both channels of every spot in every sample, (spot, sample) each."""
    found = [influence_channels(problem, unit) for unit in np.eye(problem.spots)]
    return tuple(np.sum(channel, axis=1) for channel in zip(*found, strict=True))


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


def _rows(problem):
    """Write out rows of the stored influence."""
    linear, root = _written(problem)
    return lambda chosen: (linear.T[chosen], root.T[chosen])


def _raised(problem, weight=None, **changes):
    weight = least_squares_start(problem) if weight is None else weight
    return raise_minimum(problem, weight, _rows(problem), **{"steps": STEPS, "report": _silent, **changes})


def _silent(level_gye):
    assert np.isfinite(level_gye)


@pytest.mark.parametrize(
    ("seed", "fractions"),
    [(11, (16,)), (12, (16,)), (13, (16,)), (16, (16,)), (18, (16,)), (11, (8, 8)), (12, (10, 6))],
)
def test_target_minimum_reaches_an_independent_optimum(problem_of, seed, fractions):
    problem = problem_of(seed, fractions=fractions)
    raised = _raised(problem)
    gye = _gye(problem, raised.weight)
    assert np.all(gye < problem.upper)
    assert np.all(raised.weight >= 0.0)
    best = _oracle(problem, least_squares_start(problem))
    assert best < 0.97 * problem.prescription_gye
    # Newton steps end on the central path, whose distance from the optimum is what the barrier still weighs
    assert gye[problem.target].min() >= best - 0.005 * problem.prescription_gye
    assert gye[problem.target].min() >= raised.level * problem.prescription_gye


def test_every_step_keeps_the_limits(problem_of):
    problem, levels = problem_of(11), []
    for steps in (1, 3, 9):
        raised = _raised(problem, steps=steps, report=levels.append)
        assert np.all(_gye(problem, raised.weight) < problem.upper)
    assert len(levels) == 13


def test_a_held_minimum_stays_and_the_rest_fills_up(problem_of):
    problem = problem_of(12)
    before = _raised(problem)
    after = raise_minimum(
        problem, before.weight, _rows(problem), steps=6, before=before, held=True, report=_silent
    )
    first, second = (
        _gye(problem, each.weight)[problem.target] / problem.prescription_gye for each in (before, after)
    )
    assert after.level == before.level
    assert second.min() >= before.level
    assert np.mean(np.maximum(1.0 - second, 0.0) ** 2) < np.mean(np.maximum(1.0 - first, 0.0) ** 2)


def test_samples_that_join_are_led_to_level_and_limit(problem_of):
    problem = problem_of(13)
    # the sample of the cord that holds the level down most
    hard = np.arange(120) == np.argmax(np.where(problem.upper == 50.0, _raised(problem).above, 0.0))
    before = _raised(replace(problem, upper=np.where(hard, np.inf, problem.upper)))
    assert _gye(problem, before.weight)[hard] > 50.1
    joined = replace(before, above=np.where(hard, 0.0, before.above))
    after = raise_minimum(problem, before.weight, _rows(problem), steps=15, before=joined, report=_silent)
    assert _gye(problem, after.weight)[hard] < 50.0 + 1e-3


def test_a_level_beyond_the_prescription_is_not_sought(problem_of):
    problem = problem_of(14)
    free = replace(problem, upper=np.where(problem.upper == 50.0, np.inf, 1.5 * 64.0))
    assert _raised(free).level < 1.0
