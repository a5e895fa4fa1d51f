"""Rows that planning watches at every step: their rays are found once, working sets are made of these."""

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.point import Watched
from doseplan.planning.problem import Problem
from doseplan.planning.seen import Seen
from doseplan.planning.whole import mean_limits

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

CELL_MM = 1.0
"""[mm] of the samples that join, one in each cubic cell: the worst."""


def watch(seen: Seen, rows: Indices) -> Watched:
    """Watch some rows, rising, in all that planning does; numbers are places among them.

    Raises
    ------
    InputError
        A target sample is out of reach of every spot, or pairs of rays and rows would not fit into memory.
    """
    pairs = seen.pairs(rows)
    scenario = seen.scenario[rows]
    there = np.unique(scenario)
    first = np.searchsorted(scenario, there)

    def part(chosen: Indices) -> Problem:
        own = [chosen[scenario[chosen] == each] - start for each, start in zip(there, first, strict=True)]
        operators = [found.operator(mine) for found, mine in zip(pairs, own, strict=True) if mine.size > 0]
        return seen.problem(operators, rows[chosen])

    problem = seen.problem([found.operator() for found in pairs], rows)
    seen.require_reach(problem, rows)
    return Watched(
        problem=problem,
        part=part,
        rows=lambda chosen: seen.written_out(rows[chosen]),
        means=mean_limits(seen, rows),
        worst=lambda found, badness: np.searchsorted(rows, worst_of_cells(seen, rows[found], badness)),
    )


def worst_of_cells(seen: Seen, found: Indices, badness: Array) -> Indices:
    """Choose the worst row of each small cell in each scenario, in rising order."""
    worst_first = found[np.argsort(-badness, kind="stable")]
    cell = np.floor(seen.points[worst_first] / CELL_MM).astype(np.int64)
    _, first = np.unique(np.column_stack([seen.scenario[worst_first], cell]), axis=0, return_index=True)
    return np.sort(worst_first[first])
