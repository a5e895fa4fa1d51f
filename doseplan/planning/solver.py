"""Weights to begin with: least squares by L-BFGS on weights that are squares, so that none is negative."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from doseplan.planning.problem import (
    Problem,
    column_scale,
    gather,
    influence_channels,
    rbe_dose,
    rbe_slopes,
    root_totals,
)

Array = NDArray[np.float64]

BURDEN_SHARE = 1e-3
"""[1] weight of the mean root channel outside the target: it decides only between otherwise equal plans."""

MEMORY = 30
"""Pairs of steps that L-BFGS remembers."""

FIRST_ITERATIONS = 60
"""Steps of the least-squares start."""


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


def _parts(problem: Problem, root: Array, scale: Array) -> tuple[Array, Array, Array]:
    """GyE and its slopes in parts of the prescription, for weights scale * root^2."""
    channels = influence_channels(problem, root * root * scale)
    by_linear, by_root = rbe_slopes(problem, channels)
    total = problem.prescription_gye
    return rbe_dose(problem, channels) / total, by_linear / total, by_root / total


def burden_of(problem: Problem, scale: Array) -> Array:
    """Find the mean root channel of each spot outside the target, largest spot 1 per number of spots."""
    outside = np.ones(problem.upper.size)
    outside[problem.target] = 0.0
    burden = scale * root_totals(problem, outside)
    return burden / (problem.spots * max(float(burden.max()), 1e-12))


def _even_level(problem: Problem, scale: Array) -> float:
    """Find by bisection the equal (scaled) weight that gives the target 90 % on average."""
    low, high = 0.0, 1e6
    for _ in range(50):
        middle = 0.5 * (low + high)
        gye = rbe_dose(problem, influence_channels(problem, middle * scale))[problem.target]
        low, high = (low, middle) if gye.mean() > 0.9 * problem.prescription_gye else (middle, high)
    return low
