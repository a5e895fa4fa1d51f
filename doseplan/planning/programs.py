"""Linear programs of one path of mixtures: solved on the columns that matter, priced on all of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.evidence import Evidence
from doseplan.planning.interior import solve_program
from doseplan.planning.relaxation import Leaf, Path, chord, narrowed, tangent_rows

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

PRICINGS = 3
"""Times that columns which the multipliers misprice join and the program is solved again."""

JOINING = 300
"""Columns that join at a time."""

STRENGTHENINGS = np.concatenate([[0.0], np.geomspace(1e-7, 1e-1, 25)])
"""[1] parts by which the limits' multipliers may grow, so that fewer spots are mispriced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all programs of one search share.

    Attributes
    ----------
    mixture : two of (target row,)
        Least and largest a / b.
    effect
        Per fraction, of the level that is to be refuted.
    unit : (spot,) [1e6 ions]
        Weight that gives each column a norm near 1.
    heaviest : (spot,) [1e6 ions]
    """

    evidence: Evidence
    mixture: tuple[Array, Array]
    effect: float
    unit: Array
    heaviest: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Solution of a program.

    Attributes
    ----------
    weight : (spot,) [1e6 ions]
        Primal point, of limited precision.
    part
        Part of the level that its rows reach, as far as is proven; below 1 refutes the level on this path.
    leaf
        The multipliers that prove it.
    columns
        Spots that mattered.
    """

    weight: Array
    part: float
    leaf: Leaf
    columns: Indices


def unit_weights(evidence: Evidence) -> Array:
    """Give each spot the weight that makes its root-sum-square root channel 1."""
    return np.asarray(1.0 / np.maximum(np.sqrt(np.sum(np.square(evidence.root), axis=0)), 1e-30))


def relaxed(bench: Bench, path: Path, tangent: Array, columns: Indices, *, tolerance: float) -> Outcome:
    """Find the largest part of the level that the relaxation of a path allows."""
    slope, offset = chord(narrowed(bench.mixture, path), bench.effect)
    return largest_part(bench, path, (slope, offset), tangent, columns, tolerance=tolerance)


def largest_part(
    bench: Bench,
    path: Path,
    lines: tuple[Array, Array],
    tangent: Array,
    columns: Indices,
    *,
    tolerance: float,
) -> Outcome:
    """Maximise the part p in a + slope b >= p (effect + offset) under limits and cuts.

    Parameters
    ----------
    lines : two of (target row,)
        Slope and offset.
    tangent : (limited row,)
    columns
        Spots to begin with.
    """
    full, limit = _rows(bench, path, lines, tangent)
    count = bench.evidence.targets
    for _ in range(PRICINGS):
        chosen = np.empty((limit.size, columns.size + 1))
        chosen[:, :-1] = full[:, columns]
        chosen[:, -1] = np.arange(limit.size) < count
        gain = np.zeros(columns.size + 1)
        gain[-1] = 1.0
        solution = solve_program(chosen, limit, gain, tolerance=tolerance)
        excess = -(full.T @ solution.dual)
        held = full[count : count + tangent.size].T @ solution.dual[count : count + tangent.size]
        mispriced = excess - tolerance * held
        mispriced[columns] = 0.0
        bad = np.flatnonzero(mispriced > 0.0)
        if bad.size == 0:
            break
        joining = bad[np.argsort(-mispriced[bad], kind="stable")[:JOINING]]
        columns = np.sort(np.concatenate([columns, joining]))
    # the last columns to join were not solved for
    solved = solution.primal.size - 1
    weight = np.zeros(bench.unit.size)
    if solved == columns.size:
        weight[columns] = solution.primal[:-1] * bench.unit[columns]
    else:
        before = np.setdiff1d(columns, joining, assume_unique=True)
        weight[before] = solution.primal[:-1] * bench.unit[before]
    part, leaf = _strengthened(bench, path, (full, limit), lines, tangent, solution.dual)
    return Outcome(weight=weight, part=part, leaf=leaf, columns=columns)


def _rows(bench: Bench, path: Path, lines: tuple[Array, Array], tangent: Array) -> tuple[Array, Array]:
    """Build the rows for scaled weights, in units of the level or the limit: targets, limits, cuts."""
    evidence = bench.evidence
    count = evidence.targets
    left, right = tangent_rows(evidence, tangent)
    rows = np.empty((count + right.size + len(path), bench.unit.size))
    rows[:count] = evidence.linear[:count] + lines[0][:, np.newaxis] * evidence.root[:count]
    rows[:count] /= -(bench.effect + lines[1])[:, np.newaxis]
    rows[count : count + right.size] = left / right[:, np.newaxis]
    for row, cut in enumerate(path, start=count + right.size):
        sign = -1.0 if cut.at_least else 1.0
        rows[row] = sign * (evidence.linear[cut.row] - cut.ratio * evidence.root[cut.row]) / bench.effect
    rows *= bench.unit
    return rows, np.concatenate([np.zeros(count), np.ones(right.size), np.zeros(len(path))])


def _strengthened(
    bench: Bench,
    path: Path,
    rows: tuple[Array, Array],
    lines: tuple[Array, Array],
    tangent: Array,
    dual: Array,
) -> tuple[float, Leaf]:
    """Strengthen the limits' multipliers as far as it lowers the bound, and undo the units."""
    count, limits = bench.evidence.targets, tangent.size
    full = rows[0]
    dual = dual / max(float(dual[:count].sum()), 1e-30)
    held = full[count : count + limits].T @ dual[count : count + limits]
    excess = -(full.T @ dual)
    most = bench.heaviest / bench.unit
    base = float(dual[count : count + limits].sum())
    parts = [
        (1.0 + more) * base + float(np.sum(np.maximum(excess - more * held, 0.0) * most))
        for more in STRENGTHENINGS
    ]
    best = int(np.argmin(parts))
    leaf = Leaf(
        path=path,
        target=dual[:count] / (bench.effect + lines[1]),
        limit=(1.0 + STRENGTHENINGS[best])
        * dual[count : count + limits]
        / (bench.evidence.most + tangent * tangent),
        cut=dual[count + limits :] / bench.effect,
        tangent=tangent,
    )
    return parts[best], leaf
