"""Dose of a finished plan when the patient lies elsewhere every day."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case, Robustness
from doseplan.dose.days import course_channels, spot_courses
from doseplan.dose.rays import Rays, trace_spots
from doseplan.dose.scenario import Scenario
from doseplan.messages import Progress, silent

Floats = NDArray[np.float64]


def daily_shifts(robustness: Robustness) -> Floats:
    """Draw the places that the patient lies at from day to day, (shift, axis) [mm].

    Half of them are normal, the others are the same the other way round. All are stretched so that their
    mean is 0 and their covariance is that of `daily_mm` along each axis, independent of the others: what
    fractions do on average does not depend on the draw.
    """
    half = _stream(robustness, 0).normal(size=(robustness.daily_shifts // 2, 3))
    spread = np.linalg.cholesky(np.mean(half[:, :, np.newaxis] * half[:, np.newaxis, :], axis=0))
    even = np.linalg.solve(spread, half.T).T
    return robustness.daily_mm * np.concatenate([even, -even])


def daily_counts(robustness: Robustness, fractions: Sequence[int]) -> NDArray[np.int64]:
    """Draw how many fractions of each simulated course take each shift, (drawn, course, shift).

    Every fraction takes any of them, each as likely. The first of more courses are the same.

    Parameters
    ----------
    fractions : (course,)
        Of fields that are given on the same days.
    """
    chance = np.full(robustness.daily_shifts, 1.0 / robustness.daily_shifts)
    stream = _stream(robustness, 1)
    return np.array(
        [[stream.multinomial(each, chance) for each in fractions] for _ in range(robustness.daily_courses)]
    )


def daily_dose(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute what one fraction gives to cord and target with each daily shift; stored as float32.

    The RBE step is that of the fraction alone; fractions are added after it, so a course is the sum of its
    fractions' doses.

    Parameters
    ----------
    samples
        They stay with the patient.
    spots
        With weights.

    Returns
    -------
    Dataset
        `daily_shift` [mm], `daily_count` of each simulated course and `daily_dose_rbe` [Gy(RBE)] on the
        prescription's scale; empty if the case names no such errors.
    """
    if case.robustness is None or case.robustness.daily_mm == 0.0:
        return xr.Dataset()
    model = rbe_model(case.prescription.scale)
    fractions = spot_courses(case, spots)[1]
    judged = samples["sample_structure"].values != schema.STRUCTURES["other"]
    points = np.ascontiguousarray(samples["sample_position"].values[judged])
    shifts = daily_shifts(case.robustness)
    dose = np.zeros((len(fractions), len(shifts), judged.size), np.float32)
    known: tuple[xr.Dataset, Rays] | None = None
    for number, shift in enumerate(shifts):
        progress("dose of single days", number / len(shifts))
        x, y, z = shift.tolist()
        there = Scenario(shift_mm=(x, y, z))
        rays = trace_spots(phantom, spots, library, scenario=there, before=known)
        known = (phantom, rays)
        linear, root = course_channels(case, points, rays, spots, library)
        for course, count in enumerate(fractions):
            dose[course, number, judged] = model.dose(linear[course], root[course], fractions=count) / count
    data = {
        "daily_shift": schema.variable("daily_shift", shifts),
        "daily_count": schema.variable("daily_count", daily_counts(case.robustness, fractions)),
        "daily_dose_rbe": schema.variable("daily_dose_rbe", dose, **model.attributes(1)),
    }
    return schema.check(xr.Dataset(data), *data)


def _stream(robustness: Robustness, number: int) -> np.random.Generator:
    """Start a stream of random numbers that is not that of errors of whole courses."""
    return np.random.default_rng((robustness.seed, 1 + number))
