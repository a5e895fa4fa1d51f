"""Spot weights for a case: solve on a working set of samples, look at all of them, add what was missed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose import Rays, spot_courses, trace_spots
from doseplan.messages import Progress, silent
from doseplan.planning.barrier import Raised, raise_minimum
from doseplan.planning.limits import ASSUMPTIONS, largest_scale
from doseplan.planning.problem import Channels
from doseplan.planning.seen import Seen, corrected, seen_samples
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
"""The first look comes early, before a plan makes use of samples that it does not see; the last, from which
the finished plan is scaled, is at all of them. In the end the target minimum is held."""

LAST = Stage(steps=4, held=True)
"""Again and again while a sample is above its limit, at most `MOST_LAST` times."""

MOST_LAST = 6

ABOVE_GYE = 0.15
"""[Gy(RBE)] what is left above a limit is removed by scaling the whole plan down."""

ALL_STEPS = sum(stage.steps for stage in STAGES)

TOLERANCE_PERCENT = 1.0
"""[% of the prescription] the optimiser's own tolerance on the target minimum: longer runs gained less."""

CORD_EVERY, OTHER_EVERY = 2, 4
"""Of the planned samples of cord and other tissue, every so many-th starts in the working set."""

SCENARIO_EVERY = 12
"""Of those of target and cord, every so many-th in each other scenario."""

NEAR_LIMIT_GYE = 0.05
"""[Gy(RBE)] samples outside the working set that come this near to a bound join it."""

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
    errors: Sequence[Rays] = (),
    start: xr.Dataset | None = None,
    correction: xr.Dataset | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Raise the target's minimum towards the prescription under the case's hard limits.

    First the target minimum, then the mean squared shortfall, then the dose around. In the end all weights
    are scaled down, if need be, so that every limit holds at every sample in the full float64 dose.

    Parameters
    ----------
    rays
        Of the spots in the phantom; None traces them.
    errors
        Rays of the same spots in error scenarios. The limits of organs hold in each of them too, and the
        target minimum that is raised is the lowest of all.
    start
        Spots with the weights of a plan for the same spots (another arm): saves work, changes the result
        within the tolerance.
    correction
        From `correction_field`: multiplies the channels of every sample, and by `STAY_BELOW` of its standard
        deviations limits are lowered.

    Returns
    -------
    Dataset
        The spots with `weight` [1e6 ions, whole course]; attrs `limits_met`, `target_minimum_gye`,
        `cord_maximum_gye` (as planned; with `errors` also `worst_target_minimum_gye` and
        `worst_cord_maximum_gye`), `tolerance_gye`, `scale_down`, `products`, `assumptions`.

    Raises
    ------
    InputError
        A target sample is out of reach of every spot.
    """
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    seen = seen_samples(case, samples, spots, library, [rays, *errors])
    if correction is not None:
        seen = corrected(seen, correction)
    chosen = _first_working_set(seen)
    every = np.arange(seen.scenario.size)
    weight = None if start is None else start["weight"].values
    before: Raised | None = None
    above_gye = 0.0
    for number, stage in enumerate((*STAGES, *(LAST,) * MOST_LAST)):
        if number >= len(STAGES) and above_gye < ABOVE_GYE:
            break
        told = _Told(progress, number, stage)
        before = _staged(seen, chosen, stage=stage, weight=weight, before=before, report=told.report)
        channels = seen.exact(before.weight, every)
        gye = seen.gye(channels)
        above_gye = float(np.max(gye - seen.upper))
        excess = _excess(seen, gye, before.level * case.prescription.total_gy_rbe)
        before, chosen = _with_more(before, chosen, _missed(seen, excess, chosen), seen.is_target)
    assert before is not None, "there is at least one stage"
    return _finished(seen, before, channels)


def _staged(
    seen: Seen,
    chosen: NDArray[np.int64],
    *,
    stage: Stage,
    weight: Array | None,
    before: Raised | None,
    report: Report,
) -> Raised:
    """Improve on the working set.

    A function of its own, so that the influence of one stage is gone before that of the next is built.
    """
    problem = seen.problem(chosen)
    if before is not None:
        weight = before.weight
    elif weight is None:
        weight = least_squares_start(problem)
    return raise_minimum(
        problem,
        weight,
        lambda numbers: seen.written_out(chosen[numbers]),
        steps=stage.steps,
        before=before,
        held=stage.held,
        report=report,
    )


def _finished(seen: Seen, state: Raised, channels: Channels) -> xr.Dataset:
    """Scale a plan down to its limits, from the channels that it gives to all samples."""
    linear, root = channels
    fractions = spot_courses(seen.case, seen.spots)[1]
    factor = largest_scale(linear, root, seen.upper, scale=seen.case.prescription.scale, fractions=fractions)
    gye = seen.gye((factor * linear, factor * root))
    cord = seen.structure == schema.STRUCTURES["cord"]
    planned = seen.spots.assign(weight=schema.variable("weight", factor * state.weight))
    planned.attrs = {
        **seen.spots.attrs,
        "limits_met": bool(np.all(gye <= seen.upper + 1e-6)),
        "target_minimum_gye": float(gye[seen.is_target & seen.nominal].min()),
        "cord_maximum_gye": float(gye[cord & seen.nominal].max(initial=0.0)),
        "tolerance_gye": 0.01 * TOLERANCE_PERCENT * seen.case.prescription.total_gy_rbe,
        "scale_down": factor,
        "products": state.products,
        "assumptions": [*seen.spots.attrs.get("assumptions", []), *ASSUMPTIONS],
    }
    if len(seen.rays) > 1:
        planned.attrs["worst_target_minimum_gye"] = float(gye[seen.is_target].min())
        planned.attrs["worst_cord_maximum_gye"] = float(gye[cord].max(initial=0.0))
    return schema.check(planned, "weight")


def _first_working_set(seen: Seen) -> NDArray[np.int64]:
    """Take all planned target samples and parts of the others and of each scenario's, in rising order."""
    parts = [
        np.flatnonzero(seen.planned & (seen.structure == schema.STRUCTURES[name]) & chosen)[::every]
        for chosen, sparse in ((seen.nominal, 1), (~seen.nominal, SCENARIO_EVERY))
        for name, every in (("target", sparse), ("cord", CORD_EVERY * sparse), ("other", OTHER_EVERY))
    ]
    return np.sort(np.concatenate(parts))


def _excess(seen: Seen, gye: Array, level_gye: float) -> Array:
    """Compute how far [Gy(RBE)] rows are beyond their bound, or the target's below the level."""
    excess = gye - seen.bound
    is_target = seen.is_target
    excess[is_target] = np.maximum(excess[is_target], level_gye - gye[is_target])
    return excess


def _missed(seen: Seen, excess: Array, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find rows outside the working set that come near a bound: the worst of each small cell."""
    new = excess > -NEAR_LIMIT_GYE
    new[chosen] = False
    found = np.flatnonzero(new)
    worst_first = found[np.argsort(-excess[found], kind="stable")]
    cell = np.floor(seen.points[worst_first] / CELL_MM).astype(np.int64)
    _, first = np.unique(np.column_stack([seen.scenario[worst_first], cell]), axis=0, return_index=True)
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
