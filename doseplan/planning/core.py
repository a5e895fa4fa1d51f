"""Programs are solved on a core: a few of their rows and columns, which grows by those that it misses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.interior import solve_program

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

COLUMNS_JOINING, ROWS_JOINING = 150, 60
"""Columns that the multipliers misprice, and rows that the solution misses most, that join at a time."""

WORST = 1 / 6
"""[1] of columns that join are the most mispriced; the others lie evenly over the grid."""

WEIGHTY, HOLDING = 1e-2, 1e-3
"""[1] of the largest: columns of smaller weight, and rows of smaller multiplier, do not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Rows and columns of a program, rising."""

    rows: Indices
    columns: Indices

    def joined(self, other: "Core") -> "Core":
        """Take rows and columns of both."""
        return Core(rows=np.union1d(self.rows, other.rows), columns=np.union1d(self.columns, other.columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of a program: "full x + level p <= 0".

    full : (row, spot)
    level : (row,)
    """

    full: Array
    level: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What the program of a core says of the whole program.

    Attributes
    ----------
    weight : (column of the core,)
    level
        p.
    dual : (row,)
        Zero outside the core.
    last
        Multiplier of the row that is not in the table.
    over : (row,)
        How far rows outside the core are above zero.
    """

    weight: Array
    level: float
    dual: Array
    last: float
    over: Array


def solve_core(table: Table, core: Core, gain: Array, held: Array, *, tolerance: float) -> Solved:
    """Maximise gain x under held x <= 1 and the rows of a core, with its columns.

    Parameters
    ----------
    gain, held : (spot,)
    """
    columns = core.columns
    known = table.full[:, columns]
    matrix = np.zeros((core.rows.size + 1, columns.size + 1))
    matrix[:-1, :-1] = known[core.rows]
    matrix[:-1, -1] = table.level[core.rows]
    matrix[-1, :-1] = held[columns]
    limit = np.zeros(core.rows.size + 1)
    limit[-1] = 1.0
    solution = solve_program(matrix, limit, np.append(gain[columns], 0.0), tolerance=tolerance)
    weight, level = solution.primal[:-1], float(solution.primal[-1])
    dual = np.zeros(table.level.size)
    dual[core.rows] = solution.dual[:-1]
    over = known @ weight + level * table.level
    over[core.rows] = 0.0
    return Solved(weight=weight, level=level, dual=dual, last=float(solution.dual[-1]), over=over)


def worst(badness: Array, most: int) -> Indices:
    """Find the largest values above zero, so many at most."""
    bad = np.flatnonzero(badness > 0.0)
    return bad[np.argsort(-badness[bad], kind="stable")[:most]]


def worst_and_spread(badness: Array, most: int) -> Indices:
    """Find values above zero, so many at most: the largest, and others evenly over the grid; rising.

    Neighbours of the worst spot of a fine grid are all but the same: one of them mends the price of all.
    """
    bad = np.flatnonzero(badness > 0.0)
    if bad.size <= most:
        return bad
    first = round(WORST * most)
    order = np.argsort(-badness[bad], kind="stable")
    rest, others = np.sort(order[first:]), most - first
    return np.sort(bad[np.concatenate([order[:first], rest[np.arange(others) * rest.size // others]])])


def essence(core: Core, solved: Solved) -> Core:
    """Keep what a program has used."""
    return Core(rows=used(solved.dual, HOLDING), columns=core.columns[used(solved.weight, WEIGHTY)])


def used(values: Array, part: float) -> Indices:
    """Find values above a part of the largest."""
    return np.flatnonzero(values > part * values.max())
