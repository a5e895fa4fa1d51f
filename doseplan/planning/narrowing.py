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

from doseplan.planning.core import (
    COLUMNS_JOINING,
    HOLDING,
    ROWS_JOINING,
    WEIGHTY,
    Core,
    Solved,
    Table,
    essence,
    solve_core,
    used,
    worst,
    worst_and_spread,
)
from doseplan.planning.programs import Bench, Outcome, priced, program_rows, settled_with, strengthened
from doseplan.planning.relaxation import Cut, Leaf, chord, narrowed, other_side, root_on_arc

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TOLERANCE, ROUGH, FINER = 3e-3, 0.03, 0.7
"""[1] of the programs: in the end, of the first, and by what it falls from one to the next."""

BELOW = 5e-4
"""[1] programs allow plans this far below the level, so that what they refute is refuted strictly."""

BEYOND = 1e-2
"""[1] a cut lies this far beyond the mixture that was found: programs are solved roughly."""

WORTH = 0.02
"""[1] of the chord: cuts that take less are left out."""

PRICINGS = 10
"""Times that rows and columns join the core of a program at most, and it is solved again."""

MISSED, MISSED_AT_LAST = 3e-3, 0.1
"""[1] of level or limit: rows that the solution misses by more join; by how much they may be missed in the
end, which only makes the cut weaker."""

BATCH = 8
"""Rows whose programs are solved with the same mixtures, whatever the number of threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What a program says of one end of a row's mixtures.

    leaf
        Refutes what lies beyond; None where hardly anything could be taken.
    core
        What the program used.
    """

    leaf: Leaf | None
    core: Core


def narrow(
    bench: Bench, rows: Iterable[int], tangent: Array, root: Outcome
) -> tuple[Bench, tuple[Leaf, ...]]:
    """Narrow the mixtures of some target rows, from both ends.

    Parameters
    ----------
    rows
        In the order in which they are narrowed: each batch knows what those before have shown.
    tangent : (limited row,)
    root
        Of the relaxation: its rows and spots are in all programs.

    Returns
    -------
    Bench
        With narrower mixtures.
    Leaves
        Steps of a proof.
    """
    steps: list[Leaf] = []
    waiting = [int(row) for row in rows]
    base = _core_of(bench, root)
    cores = {True: base, False: base}
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        for first in range(0, len(waiting), BATCH):
            ends = [(row, side) for row in waiting[first : first + BATCH] for side in cores]
            refuted = partial(_refuted_end, bench, _table(bench, tangent), tangent)
            found = list(pool.map(refuted, [cores[side] for _, side in ends], ends))
            leaves = [end.leaf for end in found if end.leaf is not None]
            steps.extend(leaves)
            bench = settled_with(bench, tuple(other_side(leaf.path[-1]) for leaf in leaves))
            cores = {True: base, False: base}
            for (_, side), end in zip(ends, found, strict=True):
                cores[side] = cores[side].joined(end.core)
    return bench, tuple(steps)


def _core_of(bench: Bench, root: Outcome) -> Core:
    """Take the rows and spots that a relaxation uses."""
    right = bench.evidence.most + root.leaf.tangent**2  # units of the rows, see `strengthened`
    dual = np.concatenate([root.leaf.target * bench.effect, root.leaf.limit * right])
    return Core(rows=used(dual, HOLDING), columns=used(root.weight / bench.unit, WEIGHTY))


def _table(bench: Bench, tangent: Array) -> tuple[Table, Array]:
    """Write the rows of all programs; the last column is the level's own scale. And what limits them."""
    full, limit = program_rows(bench, (), chord(bench.mixture, bench.effect), tangent)
    level = -limit
    level[: bench.evidence.targets] += 1.0 - BELOW
    return Table(full=full, level=level), limit


def _refuted_end(
    bench: Bench, known: tuple[Table, Array], tangent: Array, core: Core, end: tuple[int, bool]
) -> _End:
    """Refute the largest, or the least, mixtures of a row."""
    row, at_least = end
    table, limit = known
    evidence = bench.evidence
    of_row = (evidence.linear[row] * bench.unit, evidence.root[row] * bench.unit)
    counted, held = of_row if at_least else of_row[::-1]
    tolerance = ROUGH
    for number in range(PRICINGS):
        solved = solve_core(table, core, counted, held, tolerance=tolerance)
        none = _End(leaf=None, core=essence(core, solved))
        if not _proper(solved, evidence.targets):
            return none
        over = solved.over / max(solved.level, 1e-30)
        missed = worst(over - MISSED, ROWS_JOINING)
        most = solved.last * (1.0 + BEYOND)
        cut = Cut(row=row, ratio=float(most if at_least else 1.0 / most), at_least=at_least)
        # the cut of a least mixture speaks of a - ratio b
        dual = np.append(solved.dual, bench.effect * (1.0 if at_least else most))
        taken, limits_held = priced(table.full, solved.dual, evidence.targets, tangent.size)
        taken += most * held - counted
        part, leaf = strengthened(bench, (cut,), limit, tangent, dual, taken, limits_held)
        worth = _worth(bench, cut)
        settled = missed.size == 0 and tolerance == TOLERANCE
        if settled and not worth:
            return none
        if part < 1.0 and worth and (over.max() < MISSED_AT_LAST or number == PRICINGS - 1):
            # the program knew the chords of the whole range
            return replace(none, leaf=replace(leaf, chords=len(bench.settled)))
        mispriced = -taken
        mispriced[core.columns] = 0.0
        more = Core(rows=missed, columns=worst_and_spread(mispriced, COLUMNS_JOINING))
        nothing = more.rows.size == more.columns.size == 0
        if settled and nothing:
            return none
        tolerance = TOLERANCE if nothing else max(TOLERANCE, FINER * tolerance)
        core = core.joined(more)
    return none


def _proper(solved: Solved, targets: int) -> bool:
    dual = solved.dual
    return bool(np.isfinite(dual).all() and 0.0 < solved.last < np.inf and dual[:targets].sum() > 0.0)


def _worth(bench: Bench, cut: Cut) -> bool:
    """Tell whether the other side of a cut is a shorter chord."""
    before = np.array([ends[cut.row] for ends in bench.mixture])
    after = np.array([ends[cut.row] for ends in narrowed(bench.mixture, (other_side(cut),))])
    chords = [float(np.ptp(root_on_arc(ends, bench.effect))) for ends in (before, after)]
    return after[0] < after[1] and chords[1] < (1.0 - WORTH) * chords[0]
