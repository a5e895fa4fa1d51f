"""Spot weights for a case: solve on a working set of samples, look at all of them, add what was missed."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose import Rays, influence_rows, point_dose, trace_spots
from doseplan.dose.channels import linear_and_root
from doseplan.messages import Progress, silent
from doseplan.planning.barrier import Raised, raise_minimum
from doseplan.planning.limits import ASSUMPTIONS, HOT_TISSUE_PERCENT, largest_scale, upper_limits
from doseplan.planning.problem import build_problem
from doseplan.planning.solver import Report, least_squares_start

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Newton steps on a working set; a look at all samples follows.

    steps
        Newton steps.
    held
        Keep the target minimum and fill up the rest of the target.
    """

    steps: int
    held: bool = False


STAGES = (
    Stage(steps=5),
    Stage(steps=8),
    Stage(steps=6),
    Stage(steps=5),
    Stage(steps=5, held=True),
    Stage(steps=4, held=True),
)
"""The first look comes early, before a plan makes use of samples that it does not see; in the end the target
minimum is held."""

LAST = Stage(steps=4, held=True)
"""Again and again while a sample is above its limit, at most `MOST_LAST` times."""

MOST_LAST = 3

ABOVE_GYE = 0.15
"""[Gy(RBE)] what is left above a limit is removed by scaling the whole plan down."""

ALL_STEPS = sum(stage.steps for stage in STAGES)

TOLERANCE_PERCENT = 1.0
"""[% of the prescription] the optimiser's own tolerance on the target minimum: longer runs gained less."""

CORD_EVERY, OTHER_EVERY = 2, 4
"""Of the planned samples of cord and other tissue, every so many-th starts in the working set."""

NEAR_LIMIT_GYE = 0.05
"""[Gy(RBE)] samples outside the working set that come this near to a bound join it."""

TARGET_AIM_GYE = 0.75
"""[Gy(RBE)] the working bound of the target lies this far below its limit: isolated peaks between working
samples then seldom break the limit, for which the whole plan would have to be scaled down."""

CELL_MM = 1.0
"""[mm] of the samples that join, one in each cubic cell: the worst."""


def optimise(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
    start: xr.Dataset | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Raise the target's minimum towards the prescription under the case's hard limits.

    First the target minimum, then the mean squared shortfall, then the dose around. In the end all weights
    are scaled down, if need be, so that every limit holds at every sample in the full float64 dose.

    Parameters
    ----------
    rays
        Of the spots in the phantom; None traces them.
    start
        Spots with the weights of a plan for the same spots (another arm): saves work, changes the result
        within the tolerance.

    Returns
    -------
    Dataset
        The spots with `weight` [1e6 ions, whole course]; attrs `limits_met`, `target_minimum_gye`,
        `cord_maximum_gye`, `tolerance_gye`, `scale_down`, `products`, `assumptions`.

    Raises
    ------
    InputError
        A target sample is out of reach of every spot.
    """
    points = samples["sample_position"].values
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    is_target = samples["sample_structure"].values == schema.STRUCTURES["target"]
    upper = upper_limits(case, samples)
    # working bounds also hold back other tissue, which no case limit names
    bound = np.where(np.isfinite(upper) | is_target, upper, 0.01 * HOT_TISSUE_PERCENT * _total(case))
    bound[is_target] -= TARGET_AIM_GYE
    seen = _Seen(case=case, points=points, rays=rays, is_target=is_target, bound=bound, upper=upper)
    chosen = _first_working_set(samples)
    weight = None if start is None else start["weight"].values
    before: Raised | None = None
    above_gye = 0.0
    for number, stage in enumerate((*STAGES, *(LAST,) * MOST_LAST)):
        if number >= len(STAGES) and above_gye < ABOVE_GYE:
            break
        told = _Told(progress, number, stage)
        before, chosen, above_gye = _staged(
            seen, chosen, spots, library, stage=stage, weight=weight, before=before, report=told.report
        )
    assert before is not None, "there is at least one stage"
    exact = _exact(seen, spots, library, before.weight)
    factor = largest_scale(
        *exact, upper, scale=case.prescription.scale, fractions=case.prescription.fractions
    )
    return _finished(case, samples, spots, before, factor, exact, upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """All samples of the case: positions, depths, and what bounds them while planning."""

    case: Case
    points: Array
    rays: Rays
    is_target: NDArray[np.bool_]
    bound: Array
    upper: Array


def _staged(
    seen: _Seen,
    chosen: NDArray[np.int64],
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    stage: Stage,
    weight: Array | None,
    before: Raised | None,
    report: Report,
) -> tuple[Raised, NDArray[np.int64], float]:
    """Improve on the working set, then look at all samples and add those that were missed.

    Returns also how far [Gy(RBE)] the worst sample is above its limit.

    A function of its own, so that the influence of one stage is gone before that of the next is built.
    """
    scale = seen.case.prescription.scale
    problem = build_problem(
        seen.points[chosen],
        seen.rays,
        spots,
        library,
        upper=seen.bound[chosen],
        target=seen.is_target[chosen],
        prescription_gye=_total(seen.case),
        fractions=seen.case.prescription.fractions,
        scale=scale,
    )
    if before is not None:
        weight = before.weight
    elif weight is None:
        weight = least_squares_start(problem)

    def rows(numbers: NDArray[np.int64]) -> tuple[Array, Array]:
        points = seen.points[chosen[numbers]]
        return influence_rows(points, seen.rays, spots, library, scale=scale)

    raised = raise_minimum(
        problem, weight, rows, steps=stage.steps, before=before, held=stage.held, report=report
    )
    gye = rbe_model(scale).dose(
        *_exact(seen, spots, library, raised.weight), fractions=seen.case.prescription.fractions
    )
    added = _missed(gye, seen.points, chosen, seen.is_target, seen.bound, raised.level * _total(seen.case))
    return *_with_more(raised, chosen, added, seen.is_target), float(np.max(gye - seen.upper))


def _finished(
    case: Case,
    samples: xr.Dataset,
    spots: xr.Dataset,
    state: Raised,
    factor: float,
    exact: tuple[Array, Array],
    upper: Array,
) -> xr.Dataset:
    model = rbe_model(case.prescription.scale)
    gye = model.dose(factor * exact[0], factor * exact[1], fractions=case.prescription.fractions)
    structure = samples["sample_structure"].values
    cord = gye[structure == schema.STRUCTURES["cord"]]
    planned = spots.assign(weight=schema.variable("weight", factor * state.weight))
    planned.attrs = {
        **spots.attrs,
        "limits_met": bool(np.all(gye <= upper + 1e-6)),
        "target_minimum_gye": float(gye[structure == schema.STRUCTURES["target"]].min()),
        "cord_maximum_gye": float(cord.max(initial=0.0)),
        "tolerance_gye": 0.01 * TOLERANCE_PERCENT * _total(case),
        "scale_down": factor,
        "products": state.products,
        "assumptions": [*spots.attrs.get("assumptions", []), *ASSUMPTIONS],
    }
    return schema.check(planned, "weight")


def _first_working_set(samples: xr.Dataset) -> NDArray[np.int64]:
    """Take all planned target samples and a part of the others, in rising order."""
    structure, planned = samples["sample_structure"].values, samples["planned"].values
    parts = [
        np.flatnonzero(planned & (structure == schema.STRUCTURES[name]))[::every]
        for name, every in (("target", 1), ("cord", CORD_EVERY), ("other", OTHER_EVERY))
    ]
    return np.sort(np.concatenate(parts))


def _missed(
    gye: Array,
    points: Array,
    chosen: NDArray[np.int64],
    is_target: NDArray[np.bool_],
    bound: Array,
    level_gye: float,
) -> NDArray[np.int64]:
    """Find samples outside the working set that come near a bound: the worst of each small cell."""
    excess = gye - bound
    excess[is_target] = np.maximum(excess[is_target], level_gye - gye[is_target])
    excess[chosen] = -np.inf
    found = np.flatnonzero(excess > -NEAR_LIMIT_GYE)
    worst_first = found[np.argsort(-excess[found], kind="stable")]
    cell = np.floor(points[worst_first] / CELL_MM).astype(np.int64)
    _, first = np.unique(cell, axis=0, return_index=True)
    return np.sort(worst_first[first])


def _with_more(
    raised: Raised, chosen: NDArray[np.int64], added: NDArray[np.int64], is_target: NDArray[np.bool_]
) -> tuple[Raised, NDArray[np.int64]]:
    """Add samples to the working set; their multipliers are zero."""
    every = np.union1d(chosen, added)
    above, below = np.zeros(is_target.size), np.zeros(is_target.size)
    above[chosen] = raised.above
    below[chosen[is_target[chosen]]] = raised.below
    return replace(raised, above=above[every], below=below[every[is_target[every]]]), every


def _exact(seen: _Seen, spots: xr.Dataset, library: xr.Dataset, weight: Array) -> tuple[Array, Array]:
    """Linear and root channel of all samples in float64."""
    weighted = spots.assign(weight=schema.variable("weight", weight))
    channels = point_dose(seen.points, seen.rays, weighted, library)
    return linear_and_root(seen.case.prescription.scale, channels)


def _total(case: Case) -> float:
    return case.prescription.total_gy_rbe


class _Told:
    """Counts the steps of one stage and tells the target minimum that they hold on to."""

    def __init__(self, progress: Progress, number: int, stage: Stage) -> None:
        self.progress, self.steps, self.count = progress, stage.steps, 0
        self.begin = sum(each.steps for each in STAGES[:number]) + LAST.steps * max(0, number - len(STAGES))
        progress("planning", min(1.0, self.begin / ALL_STEPS))

    def report(self, level_gye: float) -> None:
        """Report a step."""
        self.count += 1
        done = min(1.0, (self.begin + self.count) / ALL_STEPS)
        self.progress(f"planning, target minimum {level_gye:.1f} GyE", done)
