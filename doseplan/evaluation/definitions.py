"""The dose of the cord by other definitions: other structures around it, other parts of them."""

from math import ceil

import numpy as np
import xarray as xr
from scipy.ndimage import map_coordinates

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose import sample_dose, trace_spots
from doseplan.evaluation.volume import Array, dose_at_volume

STRUCTURES = ("cord", "dura", "prv")
"""What a limit may be meant for: the cord, all inside the dura, the cord with the margin of its PRV."""

METRICS: dict[str, float | None] = {"max": None, "d0_03cc": 0.03, "d1cc": 1.0}
"""[cm3] hottest part whose least dose counts; None for the highest dose."""

STEP_MM = 0.5
"""[mm] points inside dura and PRV are at most this far apart along each axis, as samples of the cord are."""

Doses = dict[str, dict[str, dict[str, float]]]


def doses_by_definition(
    case: Case, phantom: xr.Dataset, samples: xr.Dataset, spots: xr.Dataset, library: xr.Dataset
) -> Doses:
    """Compute what each definition of the cord's dose gives, in float64.

    Parameters
    ----------
    samples
        Sample points of the arm; those of the cord are taken.
    spots
        With weights.

    Returns
    -------
    dict
        By structure, metric and scale (that of the prescription, and "LEM1") [Gy(RBE)], total over the
        course. Doses of different scales are not to be compared.
    """
    own = samples["sample_structure"].values == schema.STRUCTURES["cord"]
    places = {
        "cord": (samples["sample_position"].values[own], samples["sample_volume"].values[own]),
        "dura": points_within(phantom, "distance_dura", 0.0),
        "prv": points_within(phantom, "distance_cord", case.prv_margin_mm),
    }
    rays = trace_spots(phantom, spots, library)
    found: Doses = {}
    for name, (position, volume) in places.items():
        points = xr.Dataset({"sample_position": schema.variable("sample_position", position)})
        dose = sample_dose(case, phantom, points, spots, library, rays=rays)
        scales = {
            case.prescription.scale: dose["sample_dose_rbe"].values,
            "LEM1": dose["sample_dose_lem1"].values,
        }
        found[name] = {
            metric: {
                scale: float(values.max()) if part is None else dose_at_volume(values, volume, part)
                for scale, values in scales.items()
            }
            for metric, part in METRICS.items()
        }
    return found


def points_within(phantom: xr.Dataset, distance: str, reach_mm: float) -> tuple[Array, Array]:
    """Place points in all that lies within a distance of a structure's surface, and on its own surface.

    Parameters
    ----------
    distance
        Name of the signed distance [mm], negative inside.

    Returns
    -------
    position, volume
        (point, 3) as x, y, z [mm] and (point,) [cm3]; points on the surface have none.

    Notes
    -----
    The distance is interpolated linearly between voxels; points near its zero are moved there along its
    gradient, so that a maximum at the surface is not missed by half a step.
    """
    values = phantom[distance].values.astype(np.float64) - reach_mm
    voxel = float(phantom.attrs["voxel_mm"])
    parts = ceil(voxel / STEP_MM - 1e-9)
    low, high = (ends(np.argwhere(values < voxel), axis=0) for ends in (np.min, np.max))
    box = [slice(max(int(first) - 1, 0), int(last) + 2) for first, last in zip(low, high, strict=True)]
    near: Array = np.ascontiguousarray(values[tuple(box)])
    axes = [(np.arange(size * parts) + 0.5) / parts - 0.5 for size in near.shape]
    axes = [axis[(axis >= 0.0) & (axis <= size - 1)] for axis, size in zip(axes, near.shape, strict=True)]
    index = np.stack([each.ravel() for each in np.meshgrid(*axes, indexing="ij")])
    away = map_coordinates(near, index, order=1)
    inside = index[:, away < 0.0]
    edge = np.abs(away) < 0.5 * np.sqrt(3.0) * voxel / parts
    slopes: list[Array] = [np.gradient(near, voxel, axis=axis) for axis in range(3)]
    slope = np.stack([map_coordinates(each, index[:, edge], order=1) for each in slopes])
    # creases have no gradient: points beside them are not moved far
    steep = np.maximum((slope**2).sum(axis=0), 0.25)
    moved = index[:, edge] - away[edge] * slope / steep / voxel
    first = [float(phantom[name].values[part.start]) for name, part in zip("zyx", box, strict=True)]
    position = (np.array(first)[:, np.newaxis] + voxel * np.concatenate([inside, moved], axis=1))[::-1].T
    volume = np.concatenate([np.full(inside.shape[1], (voxel / parts) ** 3 / 1000.0), np.zeros(edge.sum())])
    return np.ascontiguousarray(position), volume
