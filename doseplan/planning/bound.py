"""The proven maximum: no plan for these spots gives the whole target more while all limits hold."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from doseplan.biology.models import largest_factor, rbe_model
from doseplan.case.spec import Case
from doseplan.dose import Rays, error_rays, trace_spots
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.branching import TOLERANCE
from doseplan.planning.evidence import Evidence
from doseplan.planning.limits import AIM_BELOW_GYE
from doseplan.planning.pool import Chosen, Pool, choose, make_pool, reduced, worst_of_cells
from doseplan.planning.programs import largest_part, make_bench, unit_weights, with_rows
from doseplan.planning.proof import dose_of_effect, limited_root, proven
from doseplan.planning.relaxation import Proof, row_effects
from doseplan.planning.seen import planned_errors

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

PROGRAMS = 60
"""Most linear programs that the search solves after its rows are there: work is counted, not time, so that
the same case gives the same bound."""

LOOKS = 3
"""Most looks at the samples that programs miss."""

ROUGH = 1e-3
"""[1] tolerance of programs that choose rows."""

ABOVE = 5e-4
"""[1] the search tries to refute what lies this far above the best plan for the samples of the proof."""

AGAIN = 5
"""Programs that follow the parabola once more when the samples are chosen."""

FIRST_ROWS = 200
"""Rows of the target, and with a limit, to begin with."""

NEAR_MM, FAR_MM = 2.0, 9.0
"""[mm] cells of which one sample each is taken: of the tightest, and everywhere."""

JOINING = 100
"""Samples that join at a time, of the target and of those with a limit."""

TIGHTEST, EVERY = 60, 8
"""Rows of the first program: so many of the tightest, and every so many-th."""

Active = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Target rows and limited rows that a program uses."""

FIRST_COLUMNS = 800
"""Spots in the first program."""

MISSED = 3e-3
"""[1] of level or limit: samples that are off by more join."""

USED = 1e-4
"""[1] of the sum: rows with smaller multipliers are left out of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A proof with what it speaks of.

    Attributes
    ----------
    proof
        Its level is the bound.
    target, limited : (row, 2)
        Of the proof's rows: number among all samples of the case, and number of the scenario, 0 as planned.
    scenarios
        In which target minimum and limits are looked at, the nominal one included.
    witness_gye
        Target minimum, over all samples, of the plan, scaled down to the limits if need be.
    witness : (spot,) [1e6 ions]
        Its weights.
    history : (step, 2) [s, Gy(RBE)]
        Time since the start, and bound that was within reach then (not yet checked).
    """

    proof: Proof
    target: Indices
    limited: Indices
    scenarios: int
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
    rays: Sequence[Rays] | None = None,
    programs: int = PROGRAMS,
    progress: Progress = silent,
) -> Bound:
    """Bound the target minimum of every plan that keeps the case's limits, from above.

    For a case that is planned for errors: the lowest target minimum in any of them, while organs keep their
    limits in each.

    Parameters
    ----------
    planned
        Spots with the weights of a plan: where the search starts, no part of the proof.
    rays
        Of the spots as planned, and in each of `planned_errors`; None traces them.
    programs
        Most linear programs of the search; the bound falls with them.

    Returns
    -------
    Bound
        Checked; of the samples, the spots and the dose model of the case, and of its maxima at samples.
        Limits at a volume and of means are left out: the bound holds with them too.

    Raises
    ------
    InputError
        See `require_provable`.
    """
    started = time.monotonic()
    require_provable(case)
    rays = traced(case, phantom, planned, library, progress=progress) if rays is None else rays
    pool = make_pool(case, samples, rays, planned, library)
    with threadpool_limits(1, user_api="blas"):
        return _prove(pool, planned["weight"].values, started, programs, progress)


def traced(
    case: Case, phantom: xr.Dataset, spots: xr.Dataset, library: xr.Dataset, *, progress: Progress = silent
) -> list[Rays]:
    """Trace the rays of spots as planned, and in each error that a case is planned for."""
    rays = trace_spots(phantom, spots, library)
    return [rays, *error_rays(phantom, spots, library, rays, planned_errors(case), progress=progress)]


def require_provable(case: Case) -> None:
    """Refuse a case for which there is no proof.

    Raises
    ------
    InputError
        The case limits no maximum, so that there is none to prove, or fields are given on different days: the
        bound adds up the effects of all fields in every fraction.
    """
    if not any(limit.kind == "max" for limit in case.constraint):
        raise InputError("proof: expected a case with a maximum of a structure, got none")
    if len(case.course) > 1:
        raise InputError(
            f"proof: expected all fields on the same days, got {len(case.course)} courses: "
            "there is no proof for this metric"
        )


def _prove(pool: Pool, weight: Array, started: float, most_programs: int, progress: Progress) -> Bound:
    progress("proof: the plan's tightest samples", 0.0)
    witness, witness_gye = _scaled_down(pool, weight)
    chosen, weight, columns, level_gye = _rows_that_bind(pool, witness, progress)
    level_gye = (1.0 + ABOVE) * max(level_gye, witness_gye)
    bench = make_bench(chosen.evidence, level_gye)
    history: list[tuple[float, float]] = []

    def watch(programs: int, part: float) -> None:
        within = dose_of_effect(chosen.evidence, max(part, 1.0) * bench.effect)
        history.append((time.monotonic() - started, within))
        progress(f"proof: below {within:.2f} GyE", min(1.0, programs / max(most_programs, 1)))

    tangent = limited_root(chosen.evidence, weight)
    # what lies above the prescription needs no sharp bound: no plan is asked for more
    within = level_gye < pool.seen.case.prescription.total_gy_rbe
    proof = proven(bench, tangent, columns, programs=most_programs if within else 1, watch=watch)
    return Bound(
        proof=proof,
        target=pool.names(chosen.target),
        limited=pool.names(chosen.limited),
        scenarios=len(pool.seen.rays),
        witness_gye=witness_gye,
        witness=witness,
        history=np.array(history),
    )


def _first_rows(pool: Pool, weight: Array) -> tuple[Indices, Chosen]:
    """Choose the plan's coldest target samples, those nearest to a limit, and some everywhere.

    Returns
    -------
    (look,)
        Samples to look at later.
    Chosen
    """
    effect = _effect(pool.channels(weight))
    share = effect / _most(pool)
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
    near = [target[np.argsort(effect[target])[:3000]], limited[np.argsort(-share[limited])[:3000]]]
    look = np.unique(np.concatenate([np.flatnonzero(pool.planned), *near]))
    return look, choose(pool, np.unique(np.concatenate(cells[:2])), np.unique(np.concatenate(cells[2:])))


def _cells(pool: Pool, among: Indices, badness: Array, cell_mm: float, count: int) -> Indices:
    return worst_of_cells(pool.points, among, badness[among], cell_mm=cell_mm, count=count)


def _tightest(evidence: Evidence, weight: Array) -> Active:
    """Rows that a plan brings nearest to level and limit."""
    effect = row_effects(evidence, weight)
    share = effect[evidence.targets :] / evidence.most
    cold, hot = np.argsort(effect[: evidence.targets]), np.argsort(-share)
    return (
        np.union1d(cold[:TIGHTEST], cold[::EVERY]),
        np.union1d(hot[:TIGHTEST], hot[::EVERY]),
    )


def _renumbered(active: Active, before: Chosen, after: Chosen) -> Active:
    """All rows that joined are active."""
    return (
        np.union1d(active[0], np.arange(before.target.size, after.target.size)),
        np.union1d(active[1], np.arange(before.limited.size, after.limited.size)),
    )


def _rows_that_bind(pool: Pool, witness: Array, progress: Progress) -> tuple[Chosen, Array, Indices, float]:
    """Find the samples that hold the best plan down, by programs that follow the parabola at the plan before.

    Samples that a program misses join.

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
    look, chosen = _first_rows(pool, witness)
    weight = witness
    columns = np.sort(np.argsort(-weight / unit_weights(chosen.evidence))[:FIRST_COLUMNS])
    active = _tightest(chosen.evidence, weight)
    any_level = dose_of_effect(chosen.evidence, float(np.median(chosen.evidence.most)))
    for number in range(LOOKS + 1):
        progress("proof: the samples that bind", number / (LOOKS + 1))
        bench = make_bench(chosen.evidence, any_level)
        lines, tangent = _at_plan(chosen.evidence, weight)
        out, active = with_rows(bench, lines, tangent, active, columns, tolerance=ROUGH)
        weight, columns = out.weight, out.columns
        if number == LOOKS:
            break
        linear, root = pool.channels(weight, look)
        effect = linear + root * root
        grown = _with_missed(pool, look, chosen, effect / (bench.effect * out.part), effect)
        if grown is None:
            break
        active = _renumbered(active, chosen, grown)
        chosen = grown
    target, limit = out.leaf.target, out.leaf.limit
    # some everywhere, for they bound the weights of single spots
    spread = _cells(pool, chosen.limited, np.zeros(pool.points.shape[0]), 2.0 * FAR_MM, chosen.limited.size)
    kept = np.union1d(
        np.flatnonzero(limit > USED * limit.sum()), np.flatnonzero(np.isin(chosen.limited, spread))
    )
    chosen = reduced(chosen, np.flatnonzero(target > USED * target.sum()), kept)
    bench = make_bench(chosen.evidence, any_level)
    for _ in range(AGAIN):
        lines, tangent = _at_plan(chosen.evidence, weight)
        out = largest_part(bench, (), lines, tangent, columns, tolerance=TOLERANCE)
        weight, columns = out.weight, out.columns
    return chosen, weight, columns, dose_of_effect(chosen.evidence, out.part * bench.effect)


def _at_plan(evidence: Evidence, weight: Array) -> tuple[tuple[Array, Array], Array]:
    """Replace the parabolas of target and limits by their tangents at a plan."""
    root = evidence.root @ weight
    at = root[: evidence.targets]
    return (2.0 * at, at * at), root[evidence.targets :]


def _with_missed(pool: Pool, look: Indices, chosen: Chosen, reached: Array, effect: Array) -> Chosen | None:
    """Add samples below the level or above their limit, the worst of each cell; None if there is none."""
    cold = pool.is_target[look] & (reached < 1.0 - MISSED)
    share = effect / _most(pool)[look]
    hot = share > 1.0 + MISSED
    target = worst_of_cells(pool.points, look[cold], -reached[cold], cell_mm=NEAR_MM, count=JOINING)
    limited = worst_of_cells(pool.points, look[hot], share[hot], cell_mm=NEAR_MM, count=JOINING)
    target, limited = np.setdiff1d(target, chosen.target), np.setdiff1d(limited, chosen.limited)
    if target.size == 0 and limited.size == 0:
        return None
    return choose(pool, target, limited, chosen)


def _scaled_down(pool: Pool, weight: Array) -> tuple[Array, float]:
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


def _most(pool: Pool) -> Array:
    """Effect per fraction at each sample's limit, infinite where there is none."""
    some = np.isfinite(pool.most_gye)
    at_limit = rbe_model(pool.scale).effect_limit(
        np.where(some, pool.most_gye, 0.0), fractions=pool.fractions
    )
    return np.where(some, at_limit, np.inf)


def _effect(channels: tuple[Array, Array]) -> Array:
    return channels[0] + channels[1] * channels[1]
