"""Narrow the mixtures that target samples can have in plans of a level: one side of a cut is refuted at once.

The chord of a target row gives away the more, the wider its mixture a / b may range. Among all weights that
the relaxation allows for a level, the largest a / b of one row is the optimum of a linear program (weights
and level are scaled together, so that b is at most 1), and its multipliers refute all mixtures beyond.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from doseplan.planning.interior import solve_program
from doseplan.planning.programs import Bench, priced, program_rows, settled_with, strengthened
from doseplan.planning.relaxation import Cut, Leaf, chord, narrowed, other_side, root_on_arc

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Rows = tuple[Array, Array]

TOLERANCE = 3e-3
"""[1] of the programs."""

BELOW = 5e-4
"""[1] programs allow plans this far below the level, so that what they refute is refuted strictly."""

BEYOND = 1e-2
"""[1] a cut lies this far beyond the mixture that was found: programs are solved roughly."""

WORTH = 0.02
"""[1] of the chord: cuts that take less are left out."""

PRICINGS = 6
"""Times that columns which the multipliers misprice join and the program is solved again."""

JOINING = 300
"""Columns that join at a time."""

USED = 1e-2
"""[1] of the largest scaled weight: spots with less are left out of the programs of other rows."""

BATCH = 8
"""Rows whose programs are solved with the same mixtures, whatever the number of threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What a program says of one end of a row's mixtures.

    leaf
        Refutes what lies beyond; None where hardly anything could be taken.
    columns
        Spots that the program used.
    """

    leaf: Leaf | None
    columns: Indices


def narrow(
    bench: Bench, rows: Iterable[int], tangent: Array, weight: Array
) -> tuple[Bench, tuple[Leaf, ...]]:
    """Narrow the mixtures of some target rows, from both ends.

    Parameters
    ----------
    rows
        In the order in which they are narrowed: each batch knows what those before have shown.
    tangent : (limited row,)
    weight : (spot,) [1e6 ions]
        Of a point that the relaxation allows for the level: its spots are in all programs.

    Returns
    -------
    Bench
        With narrower mixtures.
    Leaves
        Steps of a proof.
    """
    steps: list[Leaf] = []
    waiting = [int(row) for row in rows]
    amount = weight / bench.unit
    base = np.flatnonzero(amount > USED * amount.max())
    used = {True: base, False: base}
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        for first in range(0, len(waiting), BATCH):
            ends = [(row, side) for row in waiting[first : first + BATCH] for side in (True, False)]
            refuted = partial(_refuted_end, bench, _table(bench, tangent), tangent, base, dict(used))
            found = list(pool.map(refuted, ends))
            leaves = [end.leaf for end in found if end.leaf is not None]
            steps.extend(leaves)
            bench = settled_with(bench, tuple(other_side(leaf.path[-1]) for leaf in leaves))
            for side in used:
                of_side = [end.columns for end, (_, other) in zip(found, ends, strict=True) if other == side]
                used[side] = np.unique(np.concatenate([base, *of_side]))
    return bench, tuple(steps)


def _table(bench: Bench, tangent: Array) -> Rows:
    return program_rows(bench, (), chord(bench.mixture, bench.effect), tangent)


def _refuted_end(
    bench: Bench,
    table: Rows,
    tangent: Array,
    base: Indices,
    begin: dict[bool, Indices],
    end: tuple[int, bool],
) -> _End:
    """Refute the largest, or the least, mixtures of a row."""
    row, at_least = end
    full, limit = table
    evidence = bench.evidence
    of_row = (evidence.linear[row] * bench.unit, evidence.root[row] * bench.unit)
    counted, held = of_row if at_least else of_row[::-1]
    columns = begin[at_least]
    for _ in range(PRICINGS):
        # the last column is the level's own scale
        matrix = np.zeros((limit.size + 1, columns.size + 1))
        matrix[:-1, :-1] = full[:, columns]
        matrix[:-1, -1] = -limit
        matrix[: evidence.targets, -1] += 1.0 - BELOW
        matrix[-1, :-1] = held[columns]
        right = np.zeros(limit.size + 1)
        right[-1] = 1.0
        solution = solve_program(matrix, right, np.append(counted[columns], 0.0), tolerance=TOLERANCE)
        weight, dual = solution.primal[:-1], solution.dual
        most = dual[-1] * (1.0 + BEYOND)
        used = np.union1d(base, columns[weight > USED * weight.max()])
        none = _End(leaf=None, columns=used)
        if not (np.isfinite(dual).all() and most > 0.0 and dual[: evidence.targets].sum() > 0.0):
            return none
        cut = Cut(row=row, ratio=float(most if at_least else 1.0 / most), at_least=at_least)
        if not _worth(bench, cut):
            return none
        behind = most * held - counted
        taken, limits_held = priced(full, dual[:-1], evidence.targets, tangent.size)
        # the cut of a least mixture speaks of a - ratio b
        multiplier = bench.effect * (1.0 if at_least else most)
        part, leaf = strengthened(
            bench, (cut,), limit, tangent, np.append(dual[:-1], multiplier), taken + behind, limits_held
        )
        if part < 1.0:
            # the program knew the chords of the whole range
            return replace(none, leaf=replace(leaf, chords=len(bench.settled)))
        mispriced = -(taken + behind)
        mispriced[columns] = 0.0
        bad = np.flatnonzero(mispriced > 0.0)
        if bad.size == 0:
            return none
        columns = np.union1d(columns, bad[np.argsort(-mispriced[bad], kind="stable")[:JOINING]])
    return none


def _worth(bench: Bench, cut: Cut) -> bool:
    """Tell whether the other side of a cut is a shorter chord."""
    before = np.array([ends[cut.row] for ends in bench.mixture])
    after = np.array([ends[cut.row] for ends in narrowed(bench.mixture, (other_side(cut),))])
    chords = [float(np.ptp(root_on_arc(ends, bench.effect))) for ends in (before, after)]
    return after[0] < after[1] and chords[1] < (1.0 - WORTH) * chords[0]
