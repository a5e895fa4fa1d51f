"""Weighted spots by the days on which their fields are given."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose.point import point_effect
from doseplan.dose.rays import Rays

Floats = NDArray[np.float64]


def spot_courses(case: Case, spots: xr.Dataset) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Find the course of each spot, (spot,), and the fractions of each course; one if none is stated."""
    if spots.sizes.get("course", 1) == 1:
        return np.zeros(spots.sizes["spot"], np.int64), (case.prescription.fractions,)
    course = spots["course_index"].values[spots["field_index"].values].astype(np.int64)
    return course, tuple(int(fractions) for fractions in spots["course_fractions"].values)


def by_course(case: Case, spots: xr.Dataset) -> list[tuple[int, xr.Dataset]]:
    """Take weighted spots apart by the days on which their fields are given.

    Returns
    -------
    list of (fractions, spots)
        All spots, those of other courses with weight 0.
    """
    course, fractions = spot_courses(case, spots)
    if len(fractions) == 1:
        return [(fractions[0], spots)]
    weight = spots["weight"].values
    return [
        (count, spots.assign(weight=schema.variable("weight", np.where(course == index, weight, 0.0))))
        for index, count in enumerate(fractions)
    ]


def course_channels(
    case: Case, points: Floats, rays: Rays, spots: xr.Dataset, library: xr.Dataset
) -> tuple[Floats, Floats]:
    """Compute the channels of the prescription's scale in points, (course, point) each, by `point_dose`."""
    scale = case.prescription.scale
    found = [point_effect(points, rays, part, library, scale=scale) for _, part in by_course(case, spots)]
    linear, root = zip(*found, strict=True)
    return np.stack(linear), np.stack(root)
