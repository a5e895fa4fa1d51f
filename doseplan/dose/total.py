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

EVERY = 3
"""Away from structures fragments are computed in every third voxel along each axis."""

NEAR_MM = 5.0
"""[mm] from tumour, target and dura within which every voxel is computed."""

ASSUMPTIONS = (
    f"on the grid there is no dose where rsp < {BODY_RSP:g}; over {NEAR_MM:g} mm from tumour and dura "
    f"fragments are computed in every {EVERY}rd voxel, with straight lines between",
)


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

    Voxels of air around the patient get none. Fragments are computed in all voxels of structures and near
    them; elsewhere in every `EVERY`-th along each axis, with straight lines between.

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
    near = _near_structures(phantom).flat[body]
    summed = _sums_on(phantom, body, near, rays, spots, library, progress)
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


def _sums_on(
    phantom: xr.Dataset,
    body: NDArray[np.int64],
    near: NDArray[np.bool_],
    rays: Rays,
    spots: xr.Dataset,
    library: xr.Dataset,
    progress: Progress,
) -> Channels:
    """Sum the channels in the body's voxels: primary ions in all, fragments where it matters."""
    centres = _centres(phantom, body)

    def told(first: float, last: float) -> Progress:
        return lambda _, done: progress("dose grid", first + done * (last - first))

    sums = np.array(point_dose(centres, rays, spots, library, components=slice(1), progress=told(0.0, 0.5)))
    fragments = slice(1, None)
    if near.any():
        found = point_dose(centres[near], rays, spots, library, components=fragments, progress=told(0.5, 0.8))
        sums[:, near] += found
    if not near.all():
        lines = [np.unique(np.append(np.arange(0, size, EVERY), size - 1)) for size in phantom["rsp"].shape]
        z, y, x = np.meshgrid(*lines, indexing="ij")
        nodes = np.ravel_multi_index((z.ravel(), y.ravel(), x.ravel()), phantom["rsp"].shape)
        coarse = point_dose(
            _centres(phantom, nodes), rays, spots, library, components=fragments, progress=told(0.8, 1.0)
        )
        for channel, values in enumerate(coarse):
            full = _between(values.reshape(z.shape), lines, phantom["rsp"].shape)
            sums[channel, ~near] += full.flat[body[~near]]
    progress("dose grid", 1.0)
    return Channels(*sums)


def _near_structures(phantom: xr.Dataset) -> NDArray[np.bool_]:
    """Tell which voxels belong to a structure or lie near one; all of them where nothing tells distances."""
    names = [name for name in ("distance_target", "distance_gtv", "distance_dura") if name in phantom]
    near = np.full(phantom["rsp"].shape, not names)
    for name in names:
        near |= phantom[name].values < NEAR_MM
    return near


def _between(
    values: NDArray[np.float64], lines: list[NDArray[np.int64]], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Interpolate values on some lines of a grid to all of it, one axis after the other."""
    for axis, (line, size) in enumerate(zip(lines, shape, strict=True)):
        place = np.arange(size)
        low = np.clip(np.searchsorted(line, place, side="right") - 1, 0, max(line.size - 2, 0))
        high = np.minimum(low + 1, line.size - 1)
        part = (place - line[low]) / np.maximum(line[high] - line[low], 1)
        part = part.reshape([-1 if other == axis else 1 for other in range(3)])
        values = values.take(low, axis=axis) * (1.0 - part) + values.take(high, axis=axis) * part
    return values


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
