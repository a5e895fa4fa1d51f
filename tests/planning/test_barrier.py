"""Newton steps on the barrier: inside all limits at every step, near an independent optimum."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from doseplan.planning import point
from doseplan.planning.barrier import raise_minimum
from doseplan.planning.limits import largest_scale
from doseplan.planning.plan import MOST_STEPS
from doseplan.planning.point import Mean, Watched
from doseplan.planning.problem import influence_channels, rbe_dose, rbe_slopes
from doseplan.planning.solver import least_squares_start


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


def _part(problem, chosen):
    """The problem of some samples, its operator by the written-out rows."""
    linear, root = _written(problem)
    course = np.arange(len(problem.fractions))[:, np.newaxis] == problem.course

    class Rows:
        spots, samples = problem.spots, chosen.size

        def forward(self, weight):
            return linear.T[chosen] @ weight, root.T[chosen] @ weight

        def adjoint(self, by_linear, by_root, *, of=None):
            return linear[:, chosen] @ by_linear + root[:, chosen] @ by_root

    assert course.any(axis=0).all()
    target = np.flatnonzero(np.isin(chosen, problem.target))
    return replace(problem, operators=[Rows()], upper=problem.upper[chosen], target=target)


def _watched(problem):
    linear, root = _written(problem)
    return Watched(
        problem=problem,
        part=lambda chosen: _part(problem, chosen),
        rows=lambda chosen: (linear.T[chosen], root.T[chosen]),
        worst=lambda found, badness: found,
    )


def _raised(problem, weight=None, chosen=None, **changes):
    weight = least_squares_start(problem) if weight is None else weight
    chosen = np.arange(problem.upper.size) if chosen is None else chosen
    options = {"steps": MOST_STEPS, "report": _silent, **changes}
    return raise_minimum(_watched(problem), chosen, weight, **options)


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


@pytest.mark.parametrize("seed", [11, 13, 16])
def test_a_small_working_set_grows_to_the_same_plan(problem_of, seed):
    """Samples join before a step would take them over a bound, so that no step breaks a limit unseen."""
    problem, levels = problem_of(seed), []
    whole = _raised(problem)
    first = np.union1d(problem.target[::6], np.arange(0, problem.upper.size, 15))
    for steps in (1, 4, MOST_STEPS):
        raised = _raised(problem, chosen=first, steps=steps, report=levels.append)
        gye = _gye(problem, raised.weight)
        assert np.all(gye < problem.upper)
        assert gye[problem.target].min() > raised.level * problem.prescription_gye
    assert set(first) < set(raised.chosen)
    # both stop when what the barrier still weighs is one hundredth of the prescription
    assert raised.level == pytest.approx(whole.level, abs=0.01)


def test_the_shortfall_gets_what_it_may_cost_the_minimum(problem_of, monkeypatch):
    problem, short, lowest = problem_of(12), [], []
    for part in (0.0, 0.01, 0.1):
        monkeypatch.setattr(point, "FOR_SHORTFALL", part)
        raised = _raised(problem)
        gye = _gye(problem, raised.weight)[problem.target] / problem.prescription_gye
        short.append(np.mean(np.maximum(1.0 - gye, 0.0) ** 2))
        lowest.append(gye.min())
        # what the definition allows, and what the barrier still weighs
        assert lowest[-1] > lowest[0] - part - 0.01
    assert short[0] > short[1] > short[2]
    assert short[2] < 0.95 * short[0]


def test_a_plan_goes_on_with_samples_that_nobody_watched(problem_of):
    problem = problem_of(13)
    # the sample of the cord that holds the level down most
    hard = np.arange(120) == np.argmax(np.where(problem.upper == 50.0, _raised(problem).above, 0.0))
    before = _raised(replace(problem, upper=np.where(hard, np.inf, problem.upper)))
    assert _gye(problem, before.weight)[hard] > 50.1
    joined = replace(before, above=np.where(hard, 0.0, before.above))
    after = _raised(problem, before.weight, steps=15, before=joined)
    assert np.all(_gye(problem, after.weight) < problem.upper)
    assert after.level == pytest.approx(_raised(problem).level, abs=0.01)


def test_a_mean_is_held_down_and_the_rest_stays_near_the_optimum(problem_of):
    """With the cord's maximum out of the way, against sequential linear programs that know the mean."""
    problem = problem_of(12)
    cord = problem.upper == 50.0
    free = replace(problem, upper=np.where(cord, 200.0, problem.upper))
    share = cord / cord.sum()
    mean = Mean(share=share, upper=0.8 * float(share @ _gye(free, _raised(free).weight)))
    held = raise_minimum(
        replace(_watched(free), means=(mean,)),
        np.arange(120),
        least_squares_start(free),
        steps=MOST_STEPS,
        report=_silent,
    )
    gye = _gye(free, held.weight)
    assert share @ gye < mean.upper
    assert np.all(gye < free.upper)
    # the limit is what holds the plan down: it is used up, and what it took can be had without it
    assert share @ gye > 0.99 * mean.upper
    assert held.level < _raised(free).level - 0.01
    best, trust, weight = 0.0, 0.3, 0.9 * held.weight
    for _ in range(40):
        dose, jacobian = _jacobian(free, weight)
        span = trust * weight.max()
        limited = np.isfinite(free.upper)
        rows = [
            np.column_stack([-jacobian[free.target], np.ones(free.target.size)]),
            np.column_stack([jacobian[limited], np.zeros(limited.sum())]),
            np.append(share @ jacobian, 0.0)[np.newaxis],
        ]
        room = np.concatenate([dose[free.target], (free.upper - dose)[limited], [mean.upper - share @ dose]])
        bounds = [(-min(w, span), span) for w in weight] + [(0.0, 64.0)]
        found = linprog(-np.eye(weight.size + 1)[-1], np.vstack(rows), room, bounds=bounds, method="highs")
        tried = np.maximum(weight + found.x[:-1], 0.0)
        while share @ _gye(free, tried) > mean.upper or np.any(_gye(free, tried) > free.upper):
            tried = 0.999 * tried
        better = _minimum(free, tried) > best + 1e-6
        best, weight, trust = (_minimum(free, tried), tried, trust) if better else (best, weight, 0.5 * trust)
    # what the barrier still weighs when it stops is a hundredth of the prescription at most
    assert gye[free.target].min() > best - 0.64


def test_a_level_beyond_the_prescription_is_not_sought(problem_of):
    problem = problem_of(14)
    free = replace(problem, upper=np.where(problem.upper == 50.0, np.inf, 1.5 * 64.0))
    assert _raised(free).level < 1.0
