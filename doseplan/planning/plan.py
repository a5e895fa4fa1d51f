"""Spot weights for a case: the best plan inside all limits, of all samples and in all errors it is for."""

from collections.abc import Sequence
from dataclasses import replace

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
from doseplan.planning.solver import least_squares_start
from doseplan.planning.watch import watch, worst_of_cells
from doseplan.planning.whole import (
    has_volume_limits,
    largest_part,
    require_volumes,
    whole_limits_kept,
    with_hottest_left_out,
)

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_STEPS = 45
"""Newton steps at most."""

STEPS_FIRST = 22
"""Newton steps of a plan for errors before all rows are looked at: by then it shows which will decide."""

STEPS_AGAIN, MOST_AGAIN = 20, 3
"""Newton steps with rows of errors that were not watched before, and how often."""

WATCHED_GYE = 2.0
"""[Gy(RBE)] rows that are as near to a bound when they are looked at are watched from then on."""

TOLERANCE_PERCENT = 1.0
"""[% of the prescription] the optimiser's own tolerance on the target minimum: longer runs gained less."""

MISSED_GYE = 0.05
"""[Gy(RBE)] rows that were not watched and are beyond a bound by less are left to the last scaling, which
takes about as much from the target minimum."""

CORD_EVERY, OTHER_EVERY = 2, 4
"""Of the planned samples of cord and other tissue, every so many-th starts in the working set."""

SLACK_GYE = 1e-6
"""[Gy(RBE)] rounding of the scaled dose, far below what planning aims below each limit."""

SCENARIO_EVERY = 12
"""Of those of target and cord, every so many-th in each other scenario."""


def optimise(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
    errors: Sequence[Rays] = (),
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
        A target sample is out of reach of every spot, or a limit asks for the dose at more volume than its
        structure has.
    """
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    seen = seen_samples(case, samples, spots, library, [rays, *errors])
    if correction is not None:
        seen = corrected(seen, correction)
    require_volumes(seen)
    told = _Told(progress, MOST_STEPS if not errors else STEPS_FIRST + MOST_AGAIN * STEPS_AGAIN)
    raised, channels = _planned(seen, told)
    if has_volume_limits(seen) and not whole_limits_kept(seen, seen.gye(channels)):
        # choosing the part again in the plan that comes out gained nothing
        seen = with_hottest_left_out(seen, seen.gye(channels))
        raised, channels = _planned(seen, told)
    return _finished(seen, raised, channels)


def _planned(seen: Seen, told: "_Told") -> tuple[Raised, Channels]:
    """Plan for what is bound, and give the channels of all rows."""
    every, rows = np.arange(seen.scenario.size), np.flatnonzero(seen.nominal | seen.planned)
    watched = watch(seen, rows)
    chosen = np.searchsorted(rows, _first_working_set(seen))
    weight = least_squares_start(watched.part(chosen))
    all_watched = rows.size == every.size
    steps = MOST_STEPS if all_watched else STEPS_FIRST
    raised = raise_minimum(watched, chosen, weight, steps=steps, report=told.report)
    channels = seen.exact(raised.weight, every)
    for again in range(0 if all_watched else MOST_AGAIN):
        near, missed = _missed(seen, channels, raised.level * seen.case.prescription.total_gy_rbe, rows)
        if missed.size == 0 and again > 0:
            break
        raised, rows = _with_more(raised, rows, near)
        watched = watch(seen, rows)
        chosen = np.union1d(raised.chosen, np.searchsorted(rows, missed))
        raised = raise_minimum(
            watched, chosen, raised.weight, steps=STEPS_AGAIN, before=raised, report=told.report
        )
        channels = seen.exact(raised.weight, every)
    return raised, channels


def _missed(seen: Seen, channels: Channels, level_gye: float, rows: Indices) -> tuple[Indices, Indices]:
    """Find rows that were not watched: those near a limit or the level, and of these those beyond it.

    The worst of each cell.
    """
    gye = seen.gye(channels)
    excess = gye - seen.bound
    excess[seen.is_target] = np.maximum(excess, level_gye - gye)[seen.is_target]
    excess[rows] = -np.inf
    found = np.flatnonzero(excess > -WATCHED_GYE)
    near = worst_of_cells(seen, found, excess[found])
    return near, near[excess[near] > MISSED_GYE]


def _with_more(raised: Raised, rows: Indices, missed: Indices) -> tuple[Raised, Indices]:
    """Watch more rows; their multipliers are zero."""
    every = np.union1d(rows, missed)
    below, above = np.zeros((2, every.size))
    place = np.searchsorted(every, rows)
    below[place], above[place] = raised.below, raised.above
    return replace(raised, below=below, above=above), every


def _finished(seen: Seen, state: Raised, channels: Channels) -> xr.Dataset:
    """Scale a plan down to its limits, from the channels that it gives to all samples."""
    linear, root = channels
    fractions = spot_courses(seen.case, seen.spots)[1]
    factor = largest_scale(linear, root, seen.upper, scale=seen.case.prescription.scale, fractions=fractions)

    def gye_of(part: float) -> Array:
        return seen.gye((part * linear, part * root))

    factor = largest_part(seen, gye_of, factor)
    gye = gye_of(factor)
    cord = seen.structure == schema.STRUCTURES["cord"]
    planned = seen.spots.assign(weight=schema.variable("weight", factor * state.weight))
    planned.attrs = {
        **seen.spots.attrs,
        "limits_met": bool(np.all(gye <= seen.upper + SLACK_GYE))
        and whole_limits_kept(seen, gye, slack_gye=SLACK_GYE),
        "target_minimum_gye": float(gye[seen.is_target & seen.nominal].min()),
        "cord_maximum_gye": float(gye[cord & seen.nominal].max(initial=0.0)),
        "tolerance_gye": 0.01 * TOLERANCE_PERCENT * seen.case.prescription.total_gy_rbe,
        "scale_down": factor,
        "products": state.products,
        "assumptions": list(dict.fromkeys([*seen.spots.attrs.get("assumptions", []), *ASSUMPTIONS])),
    }
    if len(seen.rays) > 1:
        planned.attrs["worst_target_minimum_gye"] = float(gye[seen.is_target].min())
        planned.attrs["worst_cord_maximum_gye"] = float(gye[cord].max(initial=0.0))
    return schema.check(planned, "weight")


def _first_working_set(seen: Seen) -> Indices:
    """Take all planned target samples and parts of the others and of each scenario's, in rising order."""
    parts = [
        np.flatnonzero(seen.planned & (seen.structure == schema.STRUCTURES[name]) & chosen)[::every]
        for chosen, sparse in ((seen.nominal, 1), (~seen.nominal, SCENARIO_EVERY))
        for name, every in (("target", sparse), ("cord", CORD_EVERY * sparse), ("other", OTHER_EVERY))
    ]
    return np.sort(np.concatenate(parts))


class _Told:
    """Counts steps and tells the target minimum that they hold on to."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self.progress, self.count, self.steps = progress, 0, steps
        progress("planning", 0.0)

    def report(self, level_gye: float) -> None:
        """Report a step."""
        self.count += 1
        self.progress(f"planning, target minimum {level_gye:.1f} GyE", min(1.0, self.count / self.steps))
