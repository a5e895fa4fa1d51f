"""Final dose of a set of weighted spots: at sample points and on the voxel grid."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose.channels import Channels, linear_and_root
from doseplan.dose.point import point_dose
from doseplan.dose.rays import MODEL, Rays, trace_spots
from doseplan.messages import InputError, Progress, silent

BODY_RSP = 0.05
"""[1] voxels of a lower stopping power ratio are air around the patient."""

BRICK = 4
"""Voxels along the edge of the bricks in which the grid is walked through."""

ASSUMPTIONS = (f"on the grid there is no dose where rsp < {BODY_RSP:g}",)


def sample_dose(
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
) -> xr.Dataset:
    """Compute the final dose at the sample points in float64.

    Parameters
    ----------
    rays
        Of the spots in the phantom; None traces them.

    Returns
    -------
    Dataset
        `sample_dose`, `sample_dose_z_star`, `sample_let_d`, `sample_dose_rbe` on the prescription's scale and
        `sample_dose_lem1` of LEM I beside it: totals over the course.
    """
    _check_weights(spots)
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    channels = point_dose(samples["sample_position"].values, rays, spots, library)
    data = {
        "sample_dose": schema.variable("sample_dose", channels.dose),
        "sample_dose_z_star": schema.variable("sample_dose_z_star", channels.dose_z_star),
        "sample_let_d": schema.variable("sample_let_d", _mean_let(channels.dose, channels.dose_let)),
        "sample_dose_rbe": _rbe_weighted("sample_dose_rbe", channels, case.prescription.scale, case),
        "sample_dose_lem1": _rbe_weighted("sample_dose_lem1", channels, "LEM1", case),
    }
    return schema.check(xr.Dataset(data, attrs={"assumptions": list(MODEL)}), *data)


def grid_dose(
    case: Case,
    phantom: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    rays: Rays | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute the final dose on the phantom's voxels, in float64 and stored as float32.

    Voxels of air around the patient get none.

    Parameters
    ----------
    rays
        Of the spots in the phantom; None traces them.

    Returns
    -------
    Dataset
        `dose`, `dose_rbe`, `let_d`: totals over the course.
    """
    _check_weights(spots)
    body = _body(phantom)
    rays = trace_spots(phantom, spots, library) if rays is None else rays
    summed = point_dose(
        _centres(phantom, body),
        rays,
        spots,
        library,
        progress=lambda _, done: progress("dose grid", done),
    )
    dose_rbe = _rbe_weighted("sample_dose_rbe", summed, case.prescription.scale, case)
    on_body = {
        "dose": summed.dose,
        "dose_rbe": dose_rbe.values,
        "let_d": _mean_let(summed.dose, summed.dose_let),
    }
    channels = {name: np.zeros(phantom["rsp"].shape, np.float32) for name in on_body}
    for name, values in on_body.items():
        channels[name].flat[body] = values
    attributes = rbe_model(case.prescription.scale).attributes(case.prescription.fractions)
    data = {
        name: schema.variable(name, values, **(attributes if name == "dose_rbe" else {}))
        for name, values in channels.items()
    }
    coordinates = {name: schema.variable(name, phantom[name].values) for name in "zyx"}
    dataset = xr.Dataset(data, coords=coordinates, attrs={"assumptions": [*MODEL, *ASSUMPTIONS]})
    return schema.check(dataset, *channels)


def _check_weights(spots: xr.Dataset) -> None:
    weight = spots["weight"].values
    if not np.isfinite(weight).all() or (weight < 0.0).any():
        raise InputError("weight: expected finite weights of at least 0, got NaN, infinity or less")
    if not (weight > 0.0).any():
        raise InputError("weight: expected a spot with ions, got weights that are all 0: no dose to compute")


def _rbe_weighted(name: str, channels: Channels, scale: str, case: Case) -> xr.Variable:
    """Take the one non-linear step: dose at the samples on a scale, never by a factor from another scale."""
    model, fractions = rbe_model(scale), case.prescription.fractions
    dose = model.dose(*linear_and_root(scale, channels), fractions=fractions)
    return schema.variable(name, dose, **model.attributes(fractions))


def _mean_let(dose: NDArray[np.float64], dose_let: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide dose LET by dose; 0 where there is no dose."""
    return np.divide(dose_let, dose, out=np.zeros_like(dose), where=dose > 0.0)


def _centres(phantom: xr.Dataset, voxels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the centres (x, y, z) [mm] of flat voxel indices."""
    z, y, x = np.unravel_index(voxels, phantom["rsp"].shape)
    centres = (phantom["x"].values[x], phantom["y"].values[y], phantom["z"].values[z])
    return np.column_stack(centres)


def _body(phantom: xr.Dataset) -> NDArray[np.int64]:
    """List the body's voxels (flat), brick after brick, so that neighbours stand together."""
    voxels = np.flatnonzero(phantom["rsp"].values >= BODY_RSP)
    shape = phantom["rsp"].shape
    bricks = [-(-size // BRICK) for size in shape]
    brick = np.ravel_multi_index([index // BRICK for index in np.unravel_index(voxels, shape)], bricks)
    return voxels[np.argsort(brick, kind="stable")].astype(np.int64)
