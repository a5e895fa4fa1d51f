"""The proven maximum: no plan for these spots gives the whole target more while all limits hold."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from doseplan.biology.models import largest_factor, rbe_model
from doseplan.case.spec import Case
from doseplan.dose import water_equivalent_depth
from doseplan.messages import Progress, silent
from doseplan.planning.branching import TOLERANCE, search
from doseplan.planning.checker import all_mixtures, holds, margin
from doseplan.planning.evidence import Evidence
from doseplan.planning.limits import AIM_BELOW_GYE
from doseplan.planning.pool import Chosen, Pool, choose, make_pool, reduced, worst_of_cells
from doseplan.planning.programs import Bench, Outcome, largest_part, relaxed, unit_weights
from doseplan.planning.relaxation import Leaf, Proof, chord, heaviest, mixture_range

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SECONDS = 45.0
"""Time that the search may take after its rows are there."""

ROUNDS = 8
"""Looks at the samples after which no more rows join."""

FIRST_ROWS = 120
"""Rows of the target, and with a limit, to begin with."""

FIRST_COLUMNS = 1200
"""Spots in the first program."""

MISSED = 1e-3
"""[1] of level or limit: samples that are off by more join."""

USED = 1e-4
"""[1] of the sum: rows with smaller multipliers are left out of the search."""

STEP_GYE = 1e-3
"""[Gy(RBE)] resolution of the level that is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A proof with what it speaks of.

    Attributes
    ----------
    proof
        Its level is the bound.
    target, limited : (row,)
        Numbers, among all samples of the case, of the proof's rows.
    witness_gye
        Target minimum, over all samples, of a plan within the limits that was found on the way.
    witness : (spot,) [1e6 ions]
        Its weights.
    history : (step, 2) [s, Gy(RBE)]
        Time since the start, and bound that was within reach then (not yet checked).
    """

    proof: Proof
    target: Indices
    limited: Indices
    witness_gye: float
    witness: Array
    history: Array

    @property
    def upper_gye(self) -> float:
        """Target minimum that no plan reaches [Gy(RBE)]."""
        return self.proof.level_gye


def prove(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    planned: xr.Dataset,
    library: xr.Dataset,
    *,
    seconds: float = SECONDS,
    progress: Progress = silent,
) -> Bound:
    """Bound the target minimum of every plan that keeps the case's limits, from above.

    Parameters
    ----------
    planned
        Spots with the weights of a plan: where the search starts, no part of the proof.
    seconds
        For the search; the bound falls with time.

    Returns
    -------
    Bound
        Checked; of the samples, the spots and the dose model of the case, and of its limits at samples.
    """
    started = time.monotonic()
    wepl = water_equivalent_depth(phantom, planned, samples["sample_position"].values)
    pool = make_pool(case, samples, wepl, planned, library)
    with threadpool_limits(1, user_api="blas"):
        return _prove(pool, planned["weight"].values, started, seconds, progress)


def _prove(pool: Pool, weight: Array, started: float, seconds: float, progress: Progress) -> Bound:
    progress("proof: the plan's tightest samples", 0.0)
    look, chosen = _first_rows(pool, weight)
    chosen, weight, columns = _improved(pool, look, chosen, weight, progress)
    witness, witness_gye = _within_limits(pool, weight)
    bench, chosen, root = _root(pool, look, chosen, weight, columns, witness_gye)
    history: list[tuple[float, float]] = []
    begun = time.monotonic()

    def more(programs: int, part: float) -> bool:
        now = time.monotonic()
        level = dose_of_effect(chosen.evidence, part * bench.effect)
        history.append((now - started, level))
        progress(f"proof: below {level:.2f} GyE", min(1.0, (now - begun) / seconds))
        return now - begun < seconds

    found = search(bench, root, more=more)
    chosen, leaves = _used(chosen, found.leaves)
    proof = Proof(level_gye=_least_level(leaves, chosen.evidence, witness_gye), leaves=leaves)
    assert holds(proof, chosen.evidence), "a proof is only handed out after its check"
    return Bound(
        proof=proof,
        target=pool.number[chosen.target],
        limited=pool.number[chosen.limited],
        witness_gye=witness_gye,
        witness=witness,
        history=np.array(history),
    )


def dose_of_effect(evidence: Evidence, effect: float) -> float:
    """Compute the dose [Gy(RBE)] of an effect per fraction."""
    model = rbe_model(evidence.scale)
    return float(model.dose(effect * evidence.fractions, 0.0, fractions=evidence.fractions))


def _first_rows(pool: Pool, weight: Array) -> tuple[Indices, Chosen]:
    """Choose the plan's coldest target samples and those nearest to a limit, and the samples to look at."""
    effect = _effect(pool.channels(weight))
    share = effect / _most(pool)
    target = np.flatnonzero(pool.is_target)
    limited = np.flatnonzero(np.isfinite(pool.most_gye))
    coldest = worst_of_cells(pool.points, target, -effect[target], count=FIRST_ROWS)
    hottest = worst_of_cells(pool.points, limited, share[limited], count=FIRST_ROWS)
    near = np.union1d(target[np.argsort(effect[target])[:3000]], limited[np.argsort(-share[limited])[:3000]])
    look = np.union1d(np.flatnonzero(pool.planned), near)
    return look, choose(pool, coldest, hottest)


def _improved(
    pool: Pool, look: Indices, chosen: Chosen, weight: Array, progress: Progress
) -> tuple[Chosen, Array, Indices]:
    """Raise the least effect of the target rows by programs that are stricter than the problem.

    The target's parabola is replaced by its tangent at the last plan, so that steps lead from plan to plan;
    rows that a step misses join.
    """
    columns = np.sort(np.argsort(-weight / unit_weights(chosen.evidence))[:FIRST_COLUMNS])
    for number in range(ROUNDS):
        evidence = chosen.evidence
        root = evidence.root @ weight
        effect = evidence.linear @ weight + root * root
        least = float(effect[: evidence.targets].min())
        bench = _bench(evidence, least)
        at = root[: evidence.targets]
        lines = (2.0 * at, at * at)
        out = largest_part(bench, (), lines, root[evidence.targets :], columns, tolerance=TOLERANCE)
        weight, columns = out.weight, out.columns
        found = _effect(pool.channels(weight, look))
        level = _rows_effect(evidence, weight)[: evidence.targets].min()
        grown = _with_missed(pool, look, chosen, found / level, found)
        progress(f"proof: a plan near {dose_of_effect(evidence, float(level)):.1f} GyE", number / ROUNDS)
        if grown is None and number > 2:
            break
        chosen = chosen if grown is None else grown
    return chosen, weight, columns


def _root(
    pool: Pool, look: Indices, chosen: Chosen, weight: Array, columns: Indices, level_gye: float
) -> tuple[Bench, Chosen, Outcome]:
    """Solve the relaxation without splits; rows that it misses join, rows that it does not need leave."""
    for _ in range(ROUNDS):
        evidence = chosen.evidence
        bench = _bench(evidence, evidence.effect(level_gye))
        tangent = evidence.root[evidence.targets :] @ weight
        out = relaxed(bench, (), tangent, columns, tolerance=TOLERANCE)
        weight, columns = out.weight, out.columns
        linear, root = pool.channels(weight, look)
        slope, offset = chord(bench.mixture, bench.effect)
        slope, offset = np.median(slope), np.median(offset)
        reached = (linear + slope * root) / (bench.effect + offset) / out.part
        grown = _with_missed(pool, look, chosen, reached, linear + root * root)
        if grown is None:
            break
        chosen = grown
    evidence = chosen.evidence
    target, limit = out.leaf.target, out.leaf.limit
    used = np.flatnonzero(target > USED * target.sum())
    chosen = reduced(chosen, used, np.flatnonzero(limit[: evidence.most.size] > USED * limit.sum()))
    bench = _bench(chosen.evidence, bench.effect)
    tangent = chosen.evidence.root[chosen.evidence.targets :] @ weight
    return bench, chosen, relaxed(bench, (), tangent, columns, tolerance=TOLERANCE)


def _with_missed(
    pool: Pool, look: Indices, chosen: Chosen, reached: Array, effect: Array
) -> Chosen | None:
    """Add samples below the level or above their limit, the worst of each cell; None if there is none."""
    cold = pool.is_target[look] & (reached < 1.0 - MISSED)
    share = effect / _most(pool)[look]
    hot = share > 1.0 + MISSED
    if not cold.any() and not hot.any():
        return None
    target = worst_of_cells(pool.points, look[cold], -reached[cold])
    limited = worst_of_cells(pool.points, look[hot], share[hot])
    return choose(pool, target, limited, chosen)


def _within_limits(pool: Pool, weight: Array) -> tuple[Array, float]:
    """Scale a plan down until all samples keep their limits, and find its target minimum."""
    linear, root = pool.channels(weight)
    fractions = pool.fractions
    limited = np.isfinite(pool.most_gye)
    factor = largest_factor(
        rbe_model(pool.scale),
        fractions * linear[limited],
        fractions * root[limited],
        pool.most_gye[limited] - AIM_BELOW_GYE,
        fractions=fractions,
    )
    scaled = min(1.0, float(factor.min())) * fractions
    target = pool.is_target
    gye = rbe_model(pool.scale).dose(scaled * linear[target], scaled * root[target], fractions=fractions)
    return weight * (scaled / fractions), float(gye.min())


def _used(chosen: Chosen, leaves: tuple[Leaf, ...]) -> tuple[Chosen, tuple[Leaf, ...]]:
    """Leave out the rows that no leaf has a multiplier for, or splits."""
    # all rows with a limit stay: they bound the weights of single spots
    needed = np.zeros(chosen.target.size, dtype=bool)
    for leaf in leaves:
        needed |= leaf.target > 0.0
        needed[[cut.row for cut in leaf.path]] = True
    kept = np.flatnonzero(needed)
    place = np.cumsum(needed) - 1
    moved = tuple(
        replace(
            leaf,
            path=tuple(replace(cut, row=int(place[cut.row])) for cut in leaf.path),
            target=leaf.target[kept],
        )
        for leaf in leaves
    )
    return reduced(chosen, kept, np.arange(chosen.limited.size)), moved


def _least_level(leaves: tuple[Leaf, ...], evidence: Evidence, start_gye: float) -> float:
    """Find the least level, in steps, that every leaf refutes."""
    assert all_mixtures(tuple(leaf.path for leaf in leaves)), "splits make a tree"
    level = start_gye
    for leaf in leaves:
        level = _raised(lambda gye, one=leaf: margin(Proof(level_gye=gye, leaves=(one,)), evidence), level)
    return level


def _raised(margin_at: Callable[[float], float], level: float) -> float:
    """Raise the level until the margin is below zero: by steps that double, then by bisection."""
    if margin_at(level) < 0.0:
        return level
    step = 16.0 * STEP_GYE
    while margin_at(level + step) >= 0.0:
        level, step = level + step, 2.0 * step
        if step > 1e4:
            return np.inf
    low, high = level, level + step
    while high - low > STEP_GYE:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if margin_at(middle) < 0.0 else (middle, high)
    return high


def _bench(evidence: Evidence, effect: float) -> Bench:
    return Bench(
        evidence=evidence,
        mixture=mixture_range(evidence),
        effect=effect,
        unit=unit_weights(evidence),
        heaviest=heaviest(evidence),
    )


def _most(pool: Pool) -> Array:
    """Effect per fraction at each sample's limit, infinite where there is none."""
    some = np.isfinite(pool.most_gye)
    at_limit = rbe_model(pool.scale).effect_limit(
        np.where(some, pool.most_gye, 0.0), fractions=pool.fractions
    )
    return np.where(some, at_limit, np.inf)


def _rows_effect(evidence: Evidence, weight: Array) -> Array:
    root = evidence.root @ weight
    return np.asarray(evidence.linear @ weight + root * root)


def _effect(channels: tuple[Array, Array]) -> Array:
    return channels[0] + channels[1] * channels[1]
