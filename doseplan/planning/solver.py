"""Best weights under limits: an augmented Lagrangian with the target minimum as a variable.

Minimise -t + s mean((1 - D)+^2) + r burden, with D in parts of the prescription, so that D >= t in the
target and D <= upper where there is a limit. Weights are squares, so that none is negative and L-BFGS needs
no bounds on them: on problems of this kind that took half the products that bounded variables took.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from threadpoolctl import threadpool_limits

from doseplan.planning.problem import Problem, column_scale, gather, rbe_dose_and_slopes

Array = NDArray[np.float64]

SHORTFALL_SHARE = 2.0
"""[1] weight of the mean squared shortfall below the prescription, beside the target minimum."""

SHORTFALL_PULL = 0.2
"""[1] the shortfall may pull at most this hard at the whole target, where the target minimum pulls with 1: in
a case of deep conflict its square would otherwise outweigh the minimum."""

BURDEN_SHARE = 1e-3
"""[1] weight of the mean root channel outside the target: it decides only between otherwise equal plans."""

MEMORY = 30
"""Pairs of steps that L-BFGS remembers."""

FIRST_ITERATIONS = 60
"""Steps of the least-squares start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where the solver stands.

    weight : (spot,) [1e6 ions]
    level : target minimum [parts of the prescription] that it holds on to
    lower, upper : multipliers of the target's and of the limited samples
    penalty : weight of the squared violations
    products : pairs of products used so far
    """

    weight: Array
    level: float
    lower: Array
    upper: Array
    penalty: float
    products: int


Report = Callable[[float], None]


def least_squares_start(problem: Problem) -> Array:
    """Find weights that bring the target near the prescription without going far above limits."""
    scale = column_scale(problem)
    limited = np.isfinite(problem.upper)
    limit = np.where(limited, problem.upper, 0.0) / problem.prescription_gye
    in_target = np.zeros(limited.size)
    in_target[problem.target] = 1.0 / problem.target.size

    def value(root: Array) -> tuple[float, Array]:
        gye, by_linear, by_root = _parts(problem, root, scale)
        miss = gye - 1.0
        over = np.where(limited, np.maximum(gye - 0.98 * limit, 0.0), 0.0)
        slope = 2.0 * in_target * miss + 0.01 * over
        found = float(np.sum(in_target * miss * miss) + 0.005 * np.sum(over * over))
        return found, 2.0 * root * scale * gather(problem, slope * by_linear, slope * by_root)

    root = np.sqrt(_even_level(problem, scale)) * np.ones(problem.spots)
    with threadpool_limits(1, user_api="blas"):
        result = minimize(
            value, root, jac=True, method="L-BFGS-B", options={"maxiter": FIRST_ITERATIONS, "maxcor": MEMORY}
        )
    return np.square(result.x) * scale


def fresh_state(problem: Problem, weight: Array, *, penalty: float) -> State:
    """Start at given weights; every target sample counts the same."""
    gye = rbe_dose_and_slopes(problem, weight)[0] / problem.prescription_gye
    return State(
        weight=weight,
        level=min(1.0, float(gye[problem.target].min())),
        lower=np.full(problem.target.size, 1.0 / problem.target.size),
        upper=np.zeros(problem.upper.size),
        penalty=penalty,
        products=0,
    )


def improve(problem: Problem, state: State, *, iterations: int, report: Report) -> State:
    """Minimise the augmented Lagrangian once, then update the multipliers.

    Sums are numpy's own and BLAS runs on one thread, so that results do not depend on the number of threads.
    """
    scale = column_scale(problem)
    limited = np.isfinite(problem.upper)
    limit = np.where(limited, problem.upper, np.inf) / problem.prescription_gye
    burden = _burden(problem, scale)
    share = _shortfall_share(problem, state.weight)
    penalty = state.penalty
    used = 0

    def pull(level: float, gye: Array) -> tuple[Array, Array]:
        lower = np.maximum(0.0, state.lower + penalty * (level - gye[problem.target]))
        upper = np.where(limited, np.maximum(0.0, state.upper + penalty * (gye - limit)), 0.0)
        return lower, upper

    def value(variables: Array) -> tuple[float, Array]:
        nonlocal used
        used += 1
        root, level = variables[:-1], float(variables[-1])
        gye, by_linear, by_root = _parts(problem, root, scale)
        lower, upper = pull(level, gye)
        short = np.maximum(0.0, 1.0 - gye[problem.target])
        found = -level + share * np.sum(short * short) + BURDEN_SHARE * np.sum(burden * root * root)
        found += (np.sum(lower * lower) + np.sum(upper * upper)) / (2.0 * penalty)
        slope = upper
        slope[problem.target] -= lower + 2.0 * share * short
        gradient = np.empty(variables.size)
        by_weight = scale * gather(problem, slope * by_linear, slope * by_root) + BURDEN_SHARE * burden
        gradient[:-1] = 2.0 * root * by_weight
        gradient[-1] = np.sum(lower) - 1.0
        report(level * problem.prescription_gye)
        return float(found), gradient

    positive = np.where(scale > 0.0, scale, 1.0)
    start = np.append(np.sqrt(state.weight / positive), state.level)
    lowest = np.append(np.full(problem.spots, -np.inf), 0.0)
    highest = np.append(np.full(problem.spots, np.inf), 1.0)
    bounds = Bounds(lowest, highest)
    with threadpool_limits(1, user_api="blas"):
        result = minimize(
            value,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": MEMORY, "ftol": 1e-12},
        )
    root, level = result.x[:-1], float(result.x[-1])
    lower, upper = pull(level, _parts(problem, root, scale)[0])
    return State(
        weight=np.square(root) * scale,
        level=level,
        lower=lower,
        upper=upper,
        penalty=2.0 * penalty,
        products=state.products + used + 1,
    )


def _parts(problem: Problem, root: Array, scale: Array) -> tuple[Array, Array, Array]:
    """GyE and its slopes in parts of the prescription, for weights scale * root^2."""
    gye, by_linear, by_root = rbe_dose_and_slopes(problem, root * root * scale)
    total = problem.prescription_gye
    return gye / total, by_linear / total, by_root / total


def _shortfall_share(problem: Problem, weight: Array) -> float:
    """Weight of each squared shortfall: that of the mean, or less where it would pull too hard."""
    gye = rbe_dose_and_slopes(problem, weight)[0][problem.target] / problem.prescription_gye
    mean = float(np.mean(np.maximum(0.0, 1.0 - gye)))
    return min(SHORTFALL_SHARE, 0.5 * SHORTFALL_PULL / max(mean, 1e-9)) / problem.target.size


def _burden(problem: Problem, scale: Array) -> Array:
    """Mean root channel of each spot outside the target, largest spot 1 per number of spots."""
    outside = np.ones(problem.upper.size)
    outside[problem.target] = 0.0
    burden = scale * gather(problem, np.zeros(outside.size), outside)
    return burden / (problem.spots * max(float(burden.max()), 1e-12))


def _even_level(problem: Problem, scale: Array) -> float:
    """Find by bisection the equal (scaled) weight that gives the target 90 % on average."""
    low, high = 0.0, 1e6
    for _ in range(50):
        middle = 0.5 * (low + high)
        gye = rbe_dose_and_slopes(problem, middle * scale)[0][problem.target]
        low, high = (low, middle) if gye.mean() > 0.9 * problem.prescription_gye else (middle, high)
    return low
