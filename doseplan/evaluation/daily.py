"""What is left of a plan when the patient lies elsewhere every day: whole courses, fraction by fraction."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.evaluation.goals import verdicts
from doseplan.evaluation.robust import band_dataset, checked_dose
from doseplan.evaluation.volume import Array, volume_percent_at
from doseplan.schema import STRUCTURES

Metrics = dict[str, Any]

PERCENTILES = {"p5": 5.0, "median": 50.0, "p95": 95.0}

OF_COURSE = ("target_dmin_gye", "target_v95_percent", "cord_max_gye")
"""What is told of every simulated course."""


def daily_metrics(case: Case, samples: xr.Dataset) -> Metrics | None:
    """Judge simulated courses whose fractions are shifted, each on its own.

    Parameters
    ----------
    samples
        With `daily_dose_rbe` of single fractions and `daily_count` of each course.

    Returns
    -------
    dict, or None without such errors
        `daily_mm`, `courses` and `shifts`: how many of each. For target minimum, V95 and cord maximum `p5`,
        `median` and `p95` of the courses (a course's own value, nothing is interpolated), and `expected`:
        that of a course of so many fractions that every shift is taken alike. `goals`: for each limit and
        goal the `kept_percent` of the courses. `limits_percent`: courses that keep those of organs,
        `goals_percent`: all goals, `pass_percent`: both. `each`: a row for each course.

    Raises
    ------
    InputError
        Doses that are NaN, negative or on another scale.
    """
    if "daily_dose_rbe" not in samples or case.robustness is None:
        return None
    volume = samples["sample_volume"].values
    structure = samples["sample_structure"].values
    rows = [_row(case, dose, volume, structure, shift) for dose, shift in _courses(case, samples)]
    expected = _row(case, expected_dose(case, samples), volume, structure, np.zeros(3))
    return {
        "daily_mm": case.robustness.daily_mm,
        "courses": len(rows),
        "shifts": int(samples.sizes["shift"]),
        **{name: {**_spread([row[name] for row in rows]), "expected": expected[name]} for name in OF_COURSE},
        "goals": [
            {
                **{key: goal[key] for key in ("name", "structure", "comparator", "limit", "unit", "hard")},
                "kept_percent": _percent([row["met"][number] for row in rows]),
            }
            for number, goal in enumerate(expected["judged"])
        ],
        "limits_percent": _percent([row["limits_met"] for row in rows]),
        "goals_percent": _percent([row["goals_met"] for row in rows]),
        "pass_percent": _percent([row["limits_met"] and row["goals_met"] for row in rows]),
        "each": [{name: value for name, value in row.items() if name != "judged"} for row in rows],
    }


def expected_dose(case: Case, samples: xr.Dataset) -> Array:
    """Add up a course that takes every shift alike, (sample,) [Gy(RBE)]: the mean of what may be drawn."""
    dose = _checked(case, samples)
    fractions = samples["daily_count"].values[0].sum(axis=1)
    return np.asarray((fractions[:, np.newaxis] * dose.mean(axis=1, dtype=np.float64)).sum(axis=0))


def daily_bands(case: Case, samples: xr.Dataset, *, separation_mm: float | None) -> xr.Dataset:
    """Compute the cumulative dose-volume histograms as planned, and their 5th and 95th percentile.

    Returns
    -------
    Dataset over (band, structure, dose_bin)
        As `histogram_bands`; lowest and highest are the percentiles of the courses at each dose.
    """

    def ends(curves: Array) -> tuple[Array, Array]:
        low, high = np.percentile(curves[1:], (5.0, 95.0), axis=0, method="inverted_cdf")
        return low, high

    courses = (dose for dose, _ in _courses(case, samples))
    return band_dataset(samples, courses, separation_mm=separation_mm, ends=ends)


def _courses(case: Case, samples: xr.Dataset) -> Iterator[tuple[Array, Array]]:
    """Add up the fractions of each simulated course, (sample,) [Gy(RBE)]; its mean shift, (axis,) [mm]."""
    dose, count = _checked(case, samples), samples["daily_count"].values
    shift = samples["daily_shift"].values
    for drawn in count:
        total = np.zeros(dose.shape[2])
        for course, place in zip(*np.nonzero(drawn), strict=True):
            total += drawn[course, place] * dose[course, place].astype(np.float64)
        share = drawn.sum(axis=0) / drawn.sum()
        yield total, (share[:, np.newaxis] * shift).sum(axis=0)


def _row(case: Case, dose: Array, volume: Array, structure: NDArray[np.integer], shift: Array) -> Metrics:
    judged = verdicts(case, dose, volume, structure)
    target, cord = structure == STRUCTURES["target"], structure == STRUCTURES["cord"]
    level = 0.95 * case.prescription.total_gy_rbe
    return {
        "mean_shift_mm": [float(each) for each in shift],
        "target_dmin_gye": float(dose[target].min()),
        "target_v95_percent": volume_percent_at(dose[target], volume[target], level),
        "cord_max_gye": float(dose[cord].max()),
        "met": [bool(goal["met"]) for goal in judged],
        "limits_met": all(goal["met"] for goal in judged if goal["hard"] and goal["structure"] == "cord"),
        "goals_met": all(goal["met"] for goal in judged if not goal["hard"]),
        "judged": judged,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        name: float(np.percentile(values, percent, method="inverted_cdf"))
        for name, percent in PERCENTILES.items()
    }


def _percent(truths: list[bool]) -> float:
    return 100.0 * float(np.mean(truths))


def _checked(case: Case, samples: xr.Dataset) -> NDArray[np.floating]:
    return checked_dose(samples["daily_dose_rbe"], rbe_model(case.prescription.scale).attributes(1))
