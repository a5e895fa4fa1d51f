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
from doseplan.planning.binding import LOOKS, rows_that_bind
from doseplan.planning.limits import AIM_BELOW_GYE
from doseplan.planning.pool import Pool, make_pool
from doseplan.planning.programs import make_bench
from doseplan.planning.proof import dose_of_effect, limited_root, proven
from doseplan.planning.relaxation import Proof
from doseplan.planning.seen import planned_errors

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

PROGRAMS = 60
"""Most linear programs that the search solves after its rows are there: work is counted, not time, so that
the same case gives the same bound."""

ABOVE = 5e-4
"""[1] the search tries to refute what lies this far above the best plan for the samples of the proof."""


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
        Time since the start, and bound that was within reach then; the last one is checked.
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
    witness, effect, witness_gye = _scaled_down(pool, weight)
    # a plan that gives all that is prescribed needs no sharp bound: none is asked for more
    within = witness_gye < pool.seen.case.prescription.total_gy_rbe
    looks = LOOKS if within else 0
    chosen, weight, columns, level_gye = rows_that_bind(pool, witness, effect, progress, looks=looks)
    level_gye = (1.0 + ABOVE) * max(level_gye, witness_gye)
    bench = make_bench(chosen.evidence, level_gye)
    history: list[tuple[float, float]] = []

    def watch(programs: int, part: float) -> None:
        within = dose_of_effect(chosen.evidence, max(part, 1.0) * bench.effect)
        history.append((time.monotonic() - started, within))
        progress(f"proof: below {within:.2f} GyE", min(1.0, programs / max(most_programs, 1)))

    tangent = limited_root(chosen.evidence, weight)
    proof = proven(bench, tangent, columns, programs=most_programs if within else 1, watch=watch)
    history.append((time.monotonic() - started, proof.level_gye))
    return Bound(
        proof=proof,
        target=pool.names(chosen.target),
        limited=pool.names(chosen.limited),
        scenarios=len(pool.seen.rays),
        witness_gye=witness_gye,
        witness=witness,
        history=np.array(history),
    )


def _scaled_down(pool: Pool, weight: Array) -> tuple[Array, Array, float]:
    """Scale a plan down until all samples keep their limits: weights, effects, and its target minimum."""
    linear, root = pool.channels(weight)
    fractions = pool.fractions
    limited = np.isfinite(pool.most_gye)
    model = rbe_model(pool.scale)
    factor = largest_factor(
        model,
        fractions * linear[limited],
        fractions * root[limited],
        pool.most_gye[limited] - AIM_BELOW_GYE,
        fractions=fractions,
    )
    scaled = min(1.0, float(factor.min()))
    linear, root = scaled * linear, scaled * root
    target = pool.is_target
    gye = model.dose(fractions * linear[target], fractions * root[target], fractions=fractions)
    return weight * scaled, linear + root * root, float(gye.min())
