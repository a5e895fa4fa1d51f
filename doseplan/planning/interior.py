"""An interior-point method for linear programs of few rows and many dense columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]
Single = NDArray[np.float32]

ITERATIONS = 80
"""Steps after which a point is taken as it is: what is proven never rests on convergence."""

LOOSE, TIGHT = 0.9, 0.995
"""[1] part of the way to the boundary that a step goes: in the first `EARLY` steps, and later."""

EARLY = 6

SINGLE, ROUGH = 1e-2, 2e-3
"""[1] gap above which single precision is enough for the largest product, which takes half the time then; for
rough tolerances, it is enough to the end."""

INSIDE = 1e-6
"""[1] the first point is at least this far inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Primal point, multipliers of the rows, and how far it came.

    primal : (column,)
    dual : (row,)
        Of at least zero.
    gap : sum of products of both slacks
    """

    primal: Array
    dual: Array
    gap: float


def solve_program(matrix: Array, limit: Array, gain: Array, *, tolerance: float) -> Solution:
    """Maximise gain x under matrix x <= limit, x >= 0.

    Parameters
    ----------
    matrix : (row, column)
        Rows and columns should have norms near 1. A Cholesky factor of (row, row) is formed in every step.
    limit : (row,)
    gain : (column,)
    tolerance
        Of residuals, and of the gap relative to 1 plus the value.

    Notes
    -----
    Primal-dual predictor and corrector steps on the normal equations of the rows: Mehrotra 1992,
    doi:10.1137/0802028. Nothing is promised about the result; who needs certainty evaluates the multipliers.
    """
    rows, columns = matrix.shape
    single = matrix.astype(np.float32)
    narrow, wide = np.empty_like(single), np.empty_like(matrix)
    point = _start(matrix, single, limit, gain)
    double = False
    for number in range(ITERATIONS):
        x, slack, dual, price = point
        primal_miss = limit - matrix @ x - slack
        dual_miss = gain + price - matrix.T @ dual
        before = float(x @ price + slack @ dual)
        gap = before / (1.0 + abs(float(gain @ x)))
        small = max(float(np.abs(primal_miss).max()), float(np.abs(dual_miss).max())) < tolerance
        if small and gap < tolerance:
            break
        double = double or (gap < SINGLE and tolerance < ROUGH)
        factor = None if double else _factor(single, point, narrow)
        if factor is None:
            double, factor = True, _factor(matrix, point, wide)
        if factor is None:
            break
        misses = (primal_miss, dual_miss)
        step = _step(matrix, factor, point, misses, (-x * price, -slack * dual))
        primal_part, dual_part = _lengths(point, step, 1.0)
        after = (x + primal_part * step[0]) @ (price + dual_part * step[3])
        after += (slack + primal_part * step[1]) @ (dual + dual_part * step[2])
        centre = before / (rows + columns) * (after / before) ** 3
        aims = (centre - x * price - step[0] * step[3], centre - slack * dual - step[1] * step[2])
        step = _step(matrix, factor, point, misses, aims)
        primal_part, dual_part = _lengths(point, step, LOOSE if number < EARLY else TIGHT)
        parts = (primal_part, primal_part, dual_part, dual_part)
        moved = [old + part * move for old, part, move in zip(point, parts, step, strict=True)]
        if not all(np.isfinite(each).all() for each in moved):
            break
        point = (moved[0], moved[1], moved[2], moved[3])
    return Solution(primal=point[0], dual=point[2], gap=float(point[0] @ point[3] + point[1] @ point[2]))


Point = tuple[Array, Array, Array, Array]
"""Primal point, slack of the rows, multipliers of the rows, price (slack of the columns)."""


def _factor(matrix: Array | Single, point: Point, work: Array | Single) -> tuple[Array, bool] | None:
    """Factorise the normal equations of a step; None where rounding has made them indefinite."""
    x, slack, dual, price = point
    np.multiply(matrix, np.sqrt(x / price).astype(matrix.dtype), out=work)
    normal = (work @ work.T).astype(np.float64)
    normal[np.diag_indices(dual.size)] *= 1.0 + 1e-13
    return _cholesky(normal, slack / dual)


def _cholesky(normal: Array, diagonal: Array) -> tuple[Array, bool] | None:
    """Factorise a matrix, overwritten, with more on its diagonal; None if it is not positive definite."""
    normal[np.diag_indices(diagonal.size)] += diagonal
    try:
        return cho_factor(normal, lower=True, check_finite=False, overwrite_a=True)
    except np.linalg.LinAlgError:
        return None


def _start(matrix: Array, single: Single, limit: Array, gain: Array) -> Point:
    """Start at the shortest vectors that satisfy the equations, moved inside (Mehrotra 1992, section 7)."""
    one = np.ones(limit.size)
    factor = _cholesky((single @ single.T).astype(np.float64), one)
    if factor is None:
        factor = _cholesky(matrix @ matrix.T, one)
    assert factor is not None, "a Gram matrix and one on its diagonal"
    slack = cho_solve(factor, limit, check_finite=False)
    dual = cho_solve(factor, matrix @ gain, check_finite=False)
    x, slack = _moved_inside(matrix.T @ slack, slack)
    price, dual = _moved_inside(matrix.T @ dual - gain, dual)
    half = 0.5 * float(x @ price + slack @ dual)
    primal_more, dual_more = half / float(price.sum() + dual.sum()), half / float(x.sum() + slack.sum())
    return x + primal_more, slack + primal_more, dual + dual_more, price + dual_more


def _moved_inside(one: Array, other: Array) -> tuple[Array, Array]:
    more = max(0.0, -1.5 * min(float(one.min()), float(other.min()))) + INSIDE
    return one + more, other + more


def _step(
    matrix: Array,
    factor: tuple[Array, bool],
    point: Point,
    misses: tuple[Array, Array],
    aims: tuple[Array, Array],
) -> Point:
    """Solve Newton's equations for products of slacks that reach `aims`."""
    x, slack, dual, price = point
    primal_miss, dual_miss = misses
    right = aims[1] / dual - primal_miss + matrix @ ((aims[0] + x * dual_miss) / price)
    dual_move = cho_solve(factor, right, check_finite=False)
    price_move = matrix.T @ dual_move - dual_miss
    return (aims[0] - x * price_move) / price, (aims[1] - slack * dual_move) / dual, dual_move, price_move


def _lengths(point: Point, step: Point, part: float) -> tuple[float, float]:
    """Find how far primal and dual may go along a step, 1 at most."""
    primal = min(_reach(point[0], step[0]), _reach(point[1], step[1]))
    dual = min(_reach(point[2], step[2]), _reach(point[3], step[3]))
    return min(1.0, part * primal), min(1.0, part * dual)


def _reach(values: Array, move: Array) -> float:
    falling = move < 0.0
    return float(np.min(values[falling] / -move[falling])) if falling.any() else 2.0
