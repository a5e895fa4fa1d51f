"""Final dose of a set of weighted spots: at sample points and on the voxel grid."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.anatomy.paint import BONE
from doseplan.biology.courses import course_dose
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose.channels import Channels, linear_and_root
from doseplan.dose.days import by_course
from doseplan.dose.point import point_dose
from doseplan.dose.rays import MODEL, Rays, trace_spots
from doseplan.dose.voxel_sums import ASSUMPTIONS, body_voxels, voxel_sums
from doseplan.messages import InputError, Progress, silent

Array = NDArray[np.float64]

Days = Sequence[tuple[int, Channels]]
"""Fractions of each course, and the channels of its fields, totals over its days."""


def sample_dose(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
    correction: Array | None = None,
) -> xr.Dataset:
    """Compute the final dose at the sample points in float64.

    Parameters
    ----------
    rays
        Of the spots in the phantom; None traces them.
    correction : (sample,), optional
        Multiplies all channels.

    Returns
    -------
    Dataset
        `sample_dose`, `sample_dose_z_star`, `sample_let_d`, `sample_dose_rbe` on the prescription's scale and
        `sample_dose_lem1` of LEM I beside it: totals over the course.
    """
    _check_weights(spots)
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    days = [
        (fractions, _times(point_dose(samples["sample_position"].values, rays, part, library), correction))
        for fractions, part in by_course(case, spots)
    ]
    channels = _together(days)
    data = {
        "sample_dose": schema.variable("sample_dose", channels.dose),
        "sample_dose_z_star": schema.variable("sample_dose_z_star", channels.dose_z_star),
        "sample_let_d": schema.variable("sample_let_d", _mean_let(channels.dose, channels.dose_let)),
        "sample_dose_rbe": _rbe_weighted("sample_dose_rbe", days, case.prescription.scale, case),
        "sample_dose_lem1": _rbe_weighted("sample_dose_lem1", days, "LEM1", case),
    }
    return schema.check(xr.Dataset(data, attrs={"assumptions": list(MODEL)}), *data)


def grid_dose(
    case: Case,
    phantom: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
    correction: Array | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute the final dose on the phantom's voxels, in float64 and stored as float32.

    Voxels of air around the patient get none. Fragments are computed in all voxels of structures and near
    them; elsewhere in every `EVERY`-th along each axis, with straight lines between.

    Parameters
    ----------
    rays
        Of the spots in the phantom; None traces them.
    correction : (z, y, x), optional
        Multiplies all channels.

    Returns
    -------
    Dataset
        `dose`, `dose_rbe`, `let_d`: totals over the course; `bone_dose_lem1` of LEM I where the phantom
        has bone, before surgery, if it knows `region`.
    """
    body = body_voxels(phantom)
    days = _grid_days(
        case, phantom, body, spots, library, rays=rays, correction=correction, progress=progress
    )
    summed = _together(days)
    dose_rbe = _rbe_weighted("sample_dose_rbe", days, case.prescription.scale, case)
    on_body = {
        "dose": summed.dose,
        "dose_rbe": dose_rbe.values,
        "let_d": _mean_let(summed.dose, summed.dose_let),
    }
    attributes = rbe_model(case.prescription.scale).attributes(case.prescription.fractions)
    data = {
        name: schema.variable(
            name, _on_grid(phantom, body, values), **(attributes if name == "dose_rbe" else {})
        )
        for name, values in on_body.items()
    }
    if "region" in phantom:
        bone = np.flatnonzero(phantom["region"].values.flat[body] == BONE)
        of_bone = [(fractions, Channels(*(each[bone] for each in channels))) for fractions, channels in days]
        weighted = _rbe_weighted("sample_dose_lem1", of_bone, "LEM1", case).values
        labels = rbe_model("LEM1").attributes(case.prescription.fractions)
        on_bone = _on_grid(phantom, body[bone], weighted)
        data["bone_dose_lem1"] = schema.variable("bone_dose_lem1", on_bone, **labels)
    coordinates = {name: schema.variable(name, phantom[name].values) for name in "zyx"}
    dataset = xr.Dataset(data, coords=coordinates, attrs={"assumptions": [*MODEL, *ASSUMPTIONS]})
    return schema.check(dataset, *data)


def grid_effect(
    case: Case,
    phantom: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
    progress: Progress = silent,
) -> tuple[Array, Array]:
    """Compute the linear and the root channel of the prescription's scale on voxels, (course, z, y, x) each.

    They add up over spots and over volumes, which the RBE-weighted dose does not.
    """
    body = body_voxels(phantom)
    days = _grid_days(case, phantom, body, spots, library, rays=rays, correction=None, progress=progress)
    found = [linear_and_root(case.prescription.scale, channels) for _, channels in days]
    linear, root = ([_on_grid(phantom, body, values) for values in each] for each in zip(*found, strict=True))
    return np.stack(linear), np.stack(root)


def _grid_days(
    case: Case,
    phantom: xr.Dataset,
    body: NDArray[np.int64],
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None,
    correction: Array | None,
    progress: Progress,
) -> Days:
    """Sum the channels of each course's spots in voxels of the body."""
    _check_weights(spots)
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    parts = by_course(case, spots)
    times = None if correction is None else correction.flat[body]

    def told(course: int) -> Progress:
        return lambda _, done: progress("dose grid", (course + done) / len(parts))

    return [
        (fractions, _times(voxel_sums(phantom, body, rays, part, library, told(course)), times))
        for course, (fractions, part) in enumerate(parts)
    ]


def _times(channels: Channels, correction: Array | None) -> Channels:
    return channels if correction is None else Channels(*(correction * values for values in channels))


def _on_grid(phantom: xr.Dataset, body: NDArray[np.int64], values: Array) -> Array:
    """Put values of the body's voxels on the grid, (z, y, x); 0 elsewhere."""
    grid = np.zeros(phantom["rsp"].shape)
    grid.flat[body] = values
    return grid


def _check_weights(spots: xr.Dataset) -> None:
    weight = spots["weight"].values
    if not np.isfinite(weight).all() or (weight < 0.0).any():
        raise InputError("weight: expected finite weights of at least 0, got NaN, infinity or less")
    if not (weight > 0.0).any():
        raise InputError("weight: expected a spot with ions, got weights that are all 0: no dose to compute")


def _together(days: Days) -> Channels:
    """Add up what is additive over the days."""
    if len(days) == 1:
        return days[0][1]
    return Channels(*np.sum([np.array(channels) for _, channels in days], axis=0))


def _rbe_weighted(name: str, days: Days, scale: str, case: Case) -> xr.Variable:
    """Take the one non-linear step, day by day: dose on a scale, never by a factor from another scale."""
    model = rbe_model(scale)
    linear, root = zip(*(linear_and_root(scale, channels) for _, channels in days), strict=True)
    dose = course_dose(model, np.stack(linear), np.stack(root), [fractions for fractions, _ in days])
    return schema.variable(name, dose, **model.attributes(case.prescription.fractions))


def _mean_let(dose: NDArray[np.float64], dose_let: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide dose LET by dose; 0 where there is no dose."""
    return np.divide(dose_let, dose, out=np.zeros_like(dose), where=dose > 0.0)
