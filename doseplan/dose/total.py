"""Final dose of a set of weighted spots: at sample points and on the voxel grid."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose.channels import Channels, linear_and_root
from doseplan.dose.curves import beams_eye_view, curve_table
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.point import add_field_dose, point_dose
from doseplan.messages import InputError, Progress, silent

REACH_MM = 35.0
"""[mm] distance from the rectangle around a field's spots beyond which the grid's dose is not computed."""

BODY_RSP = 0.05
"""[1] voxels of a lower stopping power ratio are air around the patient."""

CHUNK = 400_000
"""Voxels looked at at a time."""

BRICK = 4
"""Voxels along the edge of the bricks in which the grid is walked through."""

ASSUMPTIONS = (
    f"on the grid a field gives no dose where rsp < {BODY_RSP:g} or over {REACH_MM:g} mm beside its spots",
    "each point takes its own water-equivalent depth for all spots of a field (point-wise pencil beams)",
)


def sample_dose(
    case: Case, phantom: xr.Dataset, samples: xr.Dataset, spots: xr.Dataset, library: xr.Dataset
) -> xr.Dataset:
    """Compute the final dose at the sample points in float64.

    Returns
    -------
    Dataset
        `sample_dose`, `sample_dose_z_star`, `sample_let_d`, `sample_dose_rbe` on the prescription's scale and
        `sample_dose_lem1` of LEM I beside it: totals over the course.
    """
    _check_weights(spots)
    points = samples["sample_position"].values
    wepl = water_equivalent_depth(phantom, spots, points)
    channels = point_dose(points, wepl, spots, library)
    data = {
        "sample_dose": schema.variable("sample_dose", channels.dose),
        "sample_dose_z_star": schema.variable("sample_dose_z_star", channels.dose_z_star),
        "sample_let_d": schema.variable("sample_let_d", _mean_let(channels.dose, channels.dose_let)),
        "sample_dose_rbe": _rbe_weighted("sample_dose_rbe", channels, case.prescription.scale, case),
        "sample_dose_lem1": _rbe_weighted("sample_dose_lem1", channels, "LEM1", case),
    }
    return schema.check(xr.Dataset(data, attrs={"assumptions": [ASSUMPTIONS[1]]}), *data)


def grid_dose(
    case: Case, phantom: xr.Dataset, spots: xr.Dataset, library: xr.Dataset, *, progress: Progress = silent
) -> xr.Dataset:
    """Compute the final dose on the phantom's voxels, in float64 and stored as float32.

    A field gives its dose to the voxels of the body within `REACH_MM` of the rectangle around its spots,
    and none to the others.

    Returns
    -------
    Dataset
        `dose`, `dose_rbe`, `let_d`: totals over the course.
    """
    _check_weights(spots)
    body = _body(phantom)
    totals = np.zeros((len(Channels._fields), body.size))
    curves = curve_table(library)
    fields = spots.sizes["field"]
    for field in range(fields):
        for first in range(0, body.size, CHUNK):
            chunk = body[first : first + CHUNK]
            _add_chunk(field, phantom, chunk, spots, library, curves, totals[:, first : first + CHUNK])
            progress("dose grid", (field + min(first + CHUNK, body.size) / body.size) / fields)
    summed = Channels(*totals)
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
    dataset = xr.Dataset(data, coords=coordinates, attrs={"assumptions": list(ASSUMPTIONS)})
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


def _add_chunk(
    field: int,
    phantom: xr.Dataset,
    voxels: NDArray[np.int64],
    spots: xr.Dataset,
    library: xr.Dataset,
    curves: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Add one field's dose to those of the voxels that it reaches."""
    weighted = (spots["field_index"].values == field) & (spots["weight"].values > 0.0)
    if not weighted.any():
        return
    own = np.column_stack([spots["spot_u"].values, spots["spot_v"].values])[weighted]
    points = _centres(phantom, voxels)
    uv = beams_eye_view(spots.isel(field=[field]), points)[0]
    near = ((uv >= own.min(axis=0) - REACH_MM) & (uv <= own.max(axis=0) + REACH_MM)).all(axis=1)
    if not near.any():
        return
    wepl = water_equivalent_depth(phantom, spots.isel(field=[field]), points[near])[0]
    reached = np.zeros((len(Channels._fields), wepl.size))
    add_field_dose(field, points[near], wepl, spots, library, curves, reached)
    totals[:, near] += reached
