"""Which samples hold the best plan down: a plan's tightest, and those that programs around it miss."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doseplan.messages import Progress
from doseplan.planning.branching import TOLERANCE
from doseplan.planning.core import worst_and_spread
from doseplan.planning.evidence import Evidence
from doseplan.planning.pool import Chosen, Pool, choose, reduced, worst_of_cells
from doseplan.planning.programs import (
    Bench,
    Outcome,
    heavy_columns,
    largest_part,
    make_bench,
    part_of,
    unit_weights,
)
from doseplan.planning.proof import dose_of_effect
from doseplan.planning.relaxation import row_effects

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Active = tuple[Indices, Indices]
"""Target rows and limited rows that a program uses."""

LOOKS = 1
"""Looks at all samples for those that programs miss: another raised no bound by more than 0.1 %."""

ROUNDS = 8
"""Most programs between two looks."""

ROUGH, ROUGHER, ROUGHER_ROUNDS = 1e-3, 5e-3, 4
"""[1] tolerance of programs that choose rows, that of the first programs, and how many these are."""

AGAIN = 3
"""Programs that follow the parabola once more when the samples are chosen."""

FIRST_ROWS, NEAREST = 200, 3000
"""Rows of the target, and with a limit, to begin with; and so many of the tightest are looked at later."""

NEAR_MM, FAR_MM = 2.0, 9.0
"""[mm] cells of which one sample each is taken: of the tightest, and everywhere."""

JOINING = 100
"""Samples that join at a time, of the target and of those with a limit."""

TIGHT, TIGHTEST, EVERY = 0.05, 60, 8
"""Rows of the first program: those this near to level or limit [1], so many of the tightest, and every so
many-th."""

FIRST_COLUMNS, MOST_COLUMNS = 1200, 2000
"""Spots in the first program, and those that go on from program to program."""

MISSED = 3e-3
"""[1] of level or limit: samples that are off by more join."""

FEW = 5
"""Rows that may be missed when a look at all samples follows."""

PRICED = 0.1
"""[1] what is proven may lie this far above what the program reaches when a look follows."""

TRUSTED = 0.08
"""[1] a parabola is followed at the next plan if no row is off by more there."""

USED = 1e-4
"""[1] of the sum: rows with smaller multipliers are left out of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    """Where the programs have come.

    at : (spot,) [1e6 ions]
        Plan whose tangents stand for the parabolas.
    columns
        Spots that go on.
    active
        Rows that go on.
    """

    at: Array
    columns: Indices
    active: Active


def rows_that_bind(
    pool: Pool, witness: Array, effect: Array, progress: Progress, *, looks: int = LOOKS
) -> tuple[Chosen, Array, Indices, float]:
    """Find the samples that hold the best plan down, by programs that follow the parabola from a plan on.

    Parameters
    ----------
    witness : (spot,) [1e6 ions]
        A plan that keeps the limits: the nearer to the best, the better the choice.
    effect : (sample,)
        Per fraction, which it gives the pool's samples.
    looks
        At all samples, for those that programs miss.

    Returns
    -------
    Chosen
    (spot,) [1e6 ions]
        A plan for these samples; others may be cold or hot.
    (column,)
        Its spots.
    float
        What it gives the coldest of these samples [Gy(RBE)]: no bound.
    """
    progress("proof: the plan's tightest samples", 0.0)
    look, chosen = _first_rows(pool, effect)
    level = dose_of_effect(chosen.evidence, float(np.median(chosen.evidence.most)))
    amount = witness / unit_weights(chosen.evidence)
    path = _Path(
        at=witness,
        columns=worst_and_spread(np.maximum(amount, 1e-300), FIRST_COLUMNS),
        active=_tightest(chosen.evidence, witness),
    )
    for number in range(looks + 1):
        progress("proof: the samples that bind", (number + 1.0) / (looks + 2.0))
        bench = make_bench(chosen.evidence, level)
        out, reached, path = _followed(bench, path, rough=number == 0)
        grown = _with_missed(pool, look, chosen, out.weight, reached) if number < looks else None
        if grown is None:
            break
        path = replace(path, active=_renumbered(path.active, chosen, grown))
        chosen = grown
    # some everywhere, for they bound the weights of single spots
    spread = _cells(pool, chosen.limited, np.zeros(pool.points.shape[0]), 2.0 * FAR_MM, chosen.limited.size)
    target, limit = path.active[0][_used(out.leaf.target)], path.active[1][_used(out.leaf.limit)]
    chosen = reduced(chosen, target, np.union1d(limit, np.flatnonzero(np.isin(chosen.limited, spread))))
    bench = make_bench(chosen.evidence, level)
    weight, columns = out.weight, heavy_columns(bench, out)
    for _ in range(AGAIN):
        lines, tangent = _at_plan(chosen.evidence, weight)
        out = largest_part(bench, (), lines, tangent, columns, tolerance=TOLERANCE)
        weight, columns = out.weight, out.columns
    return chosen, weight, columns, dose_of_effect(chosen.evidence, out.part * bench.effect)


def _first_rows(pool: Pool, effect: Array) -> tuple[Indices, Chosen]:
    """Choose the plan's coldest target samples, those nearest to a limit, and some everywhere.

    Returns
    -------
    (look,)
        Samples to look at later.
    Chosen
    """
    share = effect / pool.most_effect
    target, limited = np.flatnonzero(pool.is_target), np.flatnonzero(np.isfinite(pool.most_gye))
    cord = limited[~pool.is_target[limited]]
    hot = limited[pool.is_target[limited]]
    cells = [
        _cells(pool, target, -effect, NEAR_MM, FIRST_ROWS),
        _cells(pool, target, -effect, FAR_MM, target.size),
        _cells(pool, cord, share, NEAR_MM, FIRST_ROWS // 2),
        _cells(pool, hot, share, NEAR_MM, FIRST_ROWS // 2),
        _cells(pool, limited, share, FAR_MM, limited.size),
    ]
    near = [target[np.argsort(effect[target])[:NEAREST]], limited[np.argsort(-share[limited])[:NEAREST]]]
    look = np.unique(np.concatenate([np.flatnonzero(pool.planned), *near]))
    return look, choose(pool, np.unique(np.concatenate(cells[:2])), np.unique(np.concatenate(cells[2:])))


def _cells(pool: Pool, among: Indices, badness: Array, cell_mm: float, count: int) -> Indices:
    return worst_of_cells(pool.points, among, badness[among], cell_mm=cell_mm, count=count)


def _tightest(evidence: Evidence, weight: Array) -> Active:
    """Rows that a plan brings nearest to level and limit."""
    effect = row_effects(evidence, weight)
    reached = effect[: evidence.targets] / effect[: evidence.targets].min()
    share = effect[evidence.targets :] / evidence.most
    return _nearest(reached - 1.0), _nearest(1.0 - share)


def _nearest(distance: Array) -> Indices:
    order = np.argsort(distance, kind="stable")
    chosen = np.concatenate([order[:TIGHTEST], order[::EVERY], np.flatnonzero(distance < TIGHT)])
    return np.unique(chosen)


def _followed(bench: Bench, path: _Path, *, rough: bool) -> tuple[Outcome, float, _Path]:
    """Solve programs, each at the plan of the one before as soon as that is near, with rows that it missed.

    Returns
    -------
    Outcome
        Of the last program, on its rows.
    float
        Effect per fraction that its plan reaches there, as far as the tangents say.
    _Path
        With the rows of the last program.
    """
    evidence = bench.evidence
    count = evidence.targets
    for number in range(ROUNDS):
        lines, tangent = _at_plan(evidence, path.at)
        target, limited = path.active
        few = (lines[0][target], lines[1][target])
        tolerance = ROUGHER if rough and number < ROUGHER_ROUNDS else ROUGH
        small = part_of(bench, target, limited)
        out = largest_part(small, (), few, tangent[limited], path.columns, tolerance=tolerance, pricings=1)
        linear, root = evidence.linear @ out.weight, evidence.root @ out.weight
        relaxed = (linear[:count] + lines[0] * root[:count] - lines[1]) / bench.effect
        part = max(float(relaxed[target].min()), 1e-3)
        effect = linear + root * root
        short = 1.0 - effect[:count] / (part * bench.effect)
        over = effect[count:] / evidence.most - 1.0
        cold = np.setdiff1d(np.flatnonzero(short > MISSED), target)
        hot = np.setdiff1d(np.flatnonzero(over > MISSED), limited)
        near = max(float(short.max()), float(over.max())) < TRUSTED
        heavy = heavy_columns(bench, out, most=MOST_COLUMNS)
        path = _Path(
            at=out.weight if near else path.at,
            columns=np.union1d(heavy, np.setdiff1d(out.columns, path.columns)),
            active=path.active,
        )
        settled = near and max(cold.size, hot.size) <= FEW and out.part < (1.0 + PRICED) * part
        if settled or number == ROUNDS - 1:
            break
        cold = cold[np.argsort(-short[cold], kind="stable")[:JOINING]]
        hot = hot[np.argsort(-over[hot], kind="stable")[:JOINING]]
        path = replace(path, active=(np.union1d(target, cold), np.union1d(limited, hot)))
    return out, part * bench.effect, path


def _with_missed(pool: Pool, look: Indices, chosen: Chosen, weight: Array, level: float) -> Chosen | None:
    """Add samples below the level or above their limit, the worst of each cell; None if there is none."""
    linear, root = pool.channels(weight, look)
    effect = linear + root * root
    reached, share = effect / level, effect / pool.most_effect[look]
    cold, hot = pool.is_target[look] & (reached < 1.0 - MISSED), share > 1.0 + MISSED
    target = worst_of_cells(pool.points, look[cold], -reached[cold], cell_mm=NEAR_MM, count=JOINING)
    limited = worst_of_cells(pool.points, look[hot], share[hot], cell_mm=NEAR_MM, count=JOINING)
    target, limited = np.setdiff1d(target, chosen.target), np.setdiff1d(limited, chosen.limited)
    if target.size == 0 and limited.size == 0:
        return None
    return choose(pool, target, limited, chosen)


def _renumbered(active: Active, before: Chosen, after: Chosen) -> Active:
    """All rows that joined are active."""
    return (
        np.union1d(active[0], np.arange(before.target.size, after.target.size)),
        np.union1d(active[1], np.arange(before.limited.size, after.limited.size)),
    )


def _at_plan(evidence: Evidence, weight: Array) -> tuple[tuple[Array, Array], Array]:
    """Replace the parabolas of target and limits by their tangents at a plan."""
    root = evidence.root @ weight
    at = root[: evidence.targets]
    return (2.0 * at, at * at), root[evidence.targets :]


def _used(dual: Array) -> Indices:
    return np.flatnonzero(dual > USED * dual.sum())
