"""Treatment fields in the patient's frame."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from doseplan import schema
from doseplan.case.courses import field_courses, field_names
from doseplan.case.spec import Case
from doseplan.dose.air import air_assumption
from doseplan.messages import InputError

ASSUMPTIONS = (
    "head first supine, collimator at 0 degrees",
    "parallel beams: the source is taken to be infinitely far away",
    "the isocentre is the centroid of the unoperated target",
)
"""Stated with every set of fields."""


def place_fields(case: Case, phantom: xr.Dataset) -> xr.Dataset:
    """Place the case's fields around the centroid of the unoperated target.

    Notes
    -----
    IEC 61217: the gantry at angle g carries the source to (sin g, 0, cos g) of the fixed frame (x right
    and y towards the gantry as one faces it, z up); the couch turns by c about z, anticlockwise from above.
    The table top rolls by r about its own y, clockwise as seen from the feet towards the gantry, as DICOM
    defines it (PS3.3, C.8.8.25.6.2): the patient's left goes down, and at couch 0 the gantry seems to stand
    at g - r. Head first supine: x, y, z of the table top are left, head, anterior. u and v are the gantry's
    x and y axes.

    Returns
    -------
    Dataset
        `gantry`, `couch`, `roll`, `part`, `course_index`, `course_fractions`, `direction`, `u_axis`,
        `v_axis`, `isocentre`; attrs tell the fields' names, the way
        from the nozzle and the assumptions.
    """
    gantry = np.array([field.gantry_deg for field in case.fields])
    couch = np.array([field.couch_deg for field in case.fields])
    roll = np.array([field.roll_deg for field in case.fields])
    direction, u_axis, v_axis = beam_axes(gantry, couch, roll)
    course_index, course_fractions = field_courses(case)
    data: dict[str, ArrayLike] = {
        "gantry": gantry,
        "couch": couch,
        "roll": roll,
        "part": [0 if field.part is None else schema.PARTS[field.part] for field in case.fields],
        "course_index": course_index,
        "course_fractions": course_fractions,
        "direction": direction,
        "u_axis": u_axis,
        "v_axis": v_axis,
        "isocentre": _centroid(phantom, "spot_target"),
    }
    variables = {name: schema.variable(name, values) for name, values in data.items()}
    attributes = {
        "assumptions": [*ASSUMPTIONS, air_assumption(case.delivery.nozzle_mm)],
        "field_names": list(field_names(case.fields)),
        "nozzle_mm": case.delivery.nozzle_mm,
    }
    return schema.check(xr.Dataset(variables, attrs=attributes), *data)


def beam_axes(
    gantry_deg: NDArray[np.float64], couch_deg: NDArray[np.float64], roll_deg: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Turn gantry, couch and roll angles into direction, u and v, (field, 3) each, in patient LPS."""
    g, c = np.radians(gantry_deg), np.radians(couch_deg)
    direction = np.stack([-np.sin(g) * np.cos(c), np.cos(g), np.sin(g) * np.sin(c)], axis=1)
    u_axis = np.stack([np.cos(g) * np.cos(c), np.sin(g), -np.cos(g) * np.sin(c)], axis=1)
    v_axis = np.stack([np.sin(c), np.zeros_like(c), np.cos(c)], axis=1)
    return _rolled(direction, roll_deg), _rolled(u_axis, roll_deg), _rolled(v_axis, roll_deg)


def _rolled(axis: NDArray[np.float64], roll_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn axes, (field, 3), the other way than the table top rolls the patient."""
    r = np.radians(roll_deg)
    x, y, z = axis.T
    turned = np.stack([np.cos(r) * x + np.sin(r) * y, np.cos(r) * y - np.sin(r) * x, z], axis=1)
    # a flat table gives the very bits of a case without roll, signs of zero included
    return np.where(roll_deg[:, np.newaxis] == 0.0, axis, turned)


def _centroid(phantom: xr.Dataset, name: str) -> NDArray[np.float64]:
    volume = phantom[name].values.astype(np.float64)
    total = volume.sum()
    if total <= 0.0:
        raise InputError(f"{name}: expected a target of some volume, got 0 cm3")
    centroid = np.empty(3)
    for place, axis in enumerate("xyz"):
        others = tuple(other for other in range(3) if "zyx"[other] != axis)
        centroid[place] = np.dot(volume.sum(axis=others), phantom[axis].values) / total
    return centroid
