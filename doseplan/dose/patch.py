"""Patch fields: which part of the target a field covers, and which spots belong to it."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose.depth import water_equivalent_depth
from doseplan.messages import InputError

BEHIND_MM = 0.5
"""[mm] a point with less cord upstream does not count as behind it."""

SAME_MM = 1e-6
"""[mm] distances that differ by less are equal, so that a target and its mirror image get the same spots."""

ACROSS = {"left": ("x", 1.0), "right": ("x", -1.0), "anterior": ("y", -1.0), "posterior": ("y", 1.0)}
"""Axis and sign of the way from the cord into each part."""


def part_of_target(
    case: Case, phantom: xr.Dataset, field: int, points: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Find the points of the target, (point, 3) [mm], that a field covers: all of them, or those of its part.

    A plane through the middle of the cord divides each axial slice; `patch_overlap_mm` lies half on either
    side of it. A point on the plane belongs to both parts.

    Raises
    ------
    InputError
        No cord, or no point in the part.
    """
    part = case.fields[field].part
    if part is None:
        return np.ones(points.shape[0], dtype=bool)
    axis, sign = ACROSS[part]
    place = "xyz".index(axis)
    beyond = sign * (points[:, place] - _cord_middle(phantom, axis, points[:, 2]))
    covered = beyond >= -0.5 * case.delivery.patch_overlap_mm
    if not covered.any():
        raise InputError(f"fields[{field}].part: expected target on the {part} of the cord, got none")
    return np.asarray(covered)


def of_part(
    covered: NDArray[np.bool_],
    uv: NDArray[np.float64],
    depths: tuple[NDArray[np.float64], NDArray[np.float64]],
    spots: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Choose the spots that lie nearer to the covered part of the target than to the rest of it.

    Spots that are the nearest of a covered point stay too, so that none is left without.

    Parameters
    ----------
    covered : (point,)
    uv : (point, 2) [mm]
        Points of the whole target in the beam's eye view.
    depths : two of (point,) [mm]
        Least and largest water-equivalent depth of the points in the arms.
    spots : (spot, 3) [mm]
        u, v and range of the spots of the whole target.

    Returns
    -------
    (spot,) bool
    """
    if covered.all():
        return np.ones(spots.shape[0], dtype=bool)
    points = np.concatenate([np.column_stack([uv, depth]) for depth in depths])
    inside = np.tile(covered, 2)
    keep = _distance(points[inside], spots) <= _distance(points[~inside], spots) + SAME_MM
    nearest = _distance(spots, points[inside]) + SAME_MM
    lacking = _distance(spots[keep], points[inside]) > nearest
    for near in cKDTree(spots).query_ball_point(points[inside][lacking], nearest[lacking]):
        keep[near] = True
    return keep


def behind_cord_note(
    phantom: xr.Dataset, fields: xr.Dataset, field: int, points: NDArray[np.float64]
) -> list[str]:
    """Say how much of its part a field reaches only through the cord; empty if nothing."""
    cord = phantom.assign(rsp=schema.variable("rsp", phantom["cord"].values))
    crossed = water_equivalent_depth(cord, fields.isel(field=[field]), points)[0]
    percent = 100.0 * float(np.mean(crossed > BEHIND_MM))
    if percent == 0.0:
        return []
    return [
        f"fields[{field}]: {percent:.1f} % of its part of the target lies behind the cord as the beam sees it"
    ]


def _distance(points: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure how far the nearest of the points is from each place [mm]; infinite without points."""
    if points.shape[0] == 0:
        return np.full(places.shape[0], np.inf)
    return np.asarray(cKDTree(points).query(places)[0], dtype=np.float64)


def _cord_middle(phantom: xr.Dataset, axis: str, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find x or y [mm] of the middle of the cord at heights z; beyond its ends, that of the end."""
    along = "yx"["xy".index(axis)]
    across = phantom["cord"].astype(np.float64).sum(along)
    area = across.sum(axis).values
    if not (area > 0.0).any():
        raise InputError(
            "cord: expected a cord or cauda equina to divide the target at, got none in the grid"
        )
    there = area > 0.0
    middle = (across.values @ phantom[axis].values)[there] / area[there]
    return np.asarray(np.interp(z, phantom["z"].values[there], middle))
