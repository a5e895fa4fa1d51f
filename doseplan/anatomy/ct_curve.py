"""CT numbers to density and stopping power relative to water."""

import csv
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.shapes import Array
from doseplan.case.scan_spec import CurvePoint

HIGHEST_HU = 3071.0
"""Largest CT number of a 12-bit scanner; curves go on with their last slope up to here, then stay."""


@cache
def named_curve(name: str) -> tuple[CurvePoint, ...]:
    """Read a curve of data/hu_curves.csv: points of CT number, density and stopping power ratio."""
    text = (resources.files("doseplan.data") / "hu_curves.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        (float(row["hu"]), float(row["density"]), float(row["rsp"])) for row in rows if row["curve"] == name
    )


def density_and_rsp(
    hu: NDArray[np.floating], curve: str | tuple[CurvePoint, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read density [g/cm3] and stopping power relative to water of CT numbers off a curve.

    Parameters
    ----------
    curve : a name of data/hu_curves.csv, or points of (CT number, density, ratio) with rising CT numbers
    """
    points = np.array(named_curve(curve) if isinstance(curve, str) else curve)
    numbers = points[:, 0]
    density, rsp = (_read(hu, numbers, points[:, column]) for column in (1, 2))
    return density, rsp


def _read(hu: NDArray[np.floating], numbers: Array, values: Array) -> NDArray[np.float32]:
    if numbers[-1] < HIGHEST_HU:
        slope = max((values[-1] - values[-2]) / (numbers[-1] - numbers[-2]), 0.0)
        values = np.append(values, values[-1] + slope * (HIGHEST_HU - numbers[-1]))
        numbers = np.append(numbers, HIGHEST_HU)
    return np.asarray(np.interp(hu, numbers, values), dtype=np.float32)
