"""Sample points that limits and goals act on, placed from the distances in the voxels alone.

Nothing here knows how the phantom was made, so that a CT with contours takes the same way.
"""

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter
from scipy.spatial import cKDTree

from doseplan.anatomy.grid import Box
from doseplan.anatomy.shapes import Array, Shape
from doseplan.anatomy.surface import slope, surface_points
from doseplan.case.spec import Case
from doseplan.messages import InputError
from doseplan.schema import STRUCTURES, check, variable

FINE_MM = 0.5
"""Largest distance between neighbours where a limit or the dura-facing goal acts."""

SURFACE_CELL_MM = 0.4
"""One surface point is kept in each cubic cell of this size, which keeps neighbours within `FINE_MM`."""

FACING_MM = 1.0
"""A target surface further from the dura than the separation and this does not face it."""

NEAR_MM = 2.0
"""Depth of the finely sampled target layer at the dura-facing surface."""

SHELL_MM = 20.0
"""Thickness of the sampled tissue around the unoperated target."""

OTHER_MM = 4.0
"""Spacing of the samples of other tissue."""

NEAR_OTHER_MM = 6.0
"""Other tissue this near to the target is all planned with, beyond it every eighth point."""

PLANNED_Z_MM = 15.0
"""Cord this far beyond the target belongs to the optimiser's first working set."""


def place_samples(phantom: xr.Dataset, case: Case) -> xr.Dataset:
    """Place sample points on and in the cord, on and in the target, and in the tissue around.

    Parameters
    ----------
    phantom : Dataset of `build_phantom`

    Returns
    -------
    samples : Dataset over sample
        sample_position (x, y, z) [mm], sample_structure, sample_volume [cm3], sample_dura_distance [mm],
        dura_facing, planned. Sorted by structure, then surface before inside, then z, y, x.
    """
    if not float(phantom["target"].max()) > 0.0:
        raise InputError(f"{case.name}: target: expected in the voxels, got none")
    shapes = {name: voxel_shape(phantom, f"distance_{name}") for name in ("cord", "dura", "target")}
    low, high = _extent(phantom, "spot_target")
    groups = [
        *_cord(phantom, shapes, (low[0] - PLANNED_Z_MM, high[0] + PLANNED_Z_MM)),
        *_target(phantom, shapes),
        _other(phantom, shapes, (low, high)),
    ]
    points, structure, volume, facing, planned = (
        np.concatenate([np.asarray(group[part]) for group in groups]) for part in range(5)
    )
    data = {
        "sample_position": variable("sample_position", points[:, ::-1]),
        "sample_structure": variable(
            "sample_structure", structure, flag_values=[0, 1, 2], flag_meanings="other cord target"
        ),
        "sample_volume": variable("sample_volume", volume),
        "sample_dura_distance": variable("sample_dura_distance", shapes["dura"](*points.T)),
        "dura_facing": variable("dura_facing", facing),
        "planned": variable("planned", planned),
    }
    attributes = {name: phantom.attrs[name] for name in ("arm", "separation_mm") if name in phantom.attrs}
    return check(xr.Dataset(data, coords={"axis": ["x", "y", "z"]}, attrs=attributes), *data)


Group = tuple[Array, NDArray[np.uint8], Array, NDArray[np.bool_], NDArray[np.bool_]]
"""Points (z, y, x), structure, volume [cm3], facing the dura, planned."""


def voxel_shape(phantom: xr.Dataset, name: str) -> Shape:
    """Turn a distance variable into an implicit shape by cubic splines; far away it is where it was cut."""
    values = phantom[name].values
    voxel = _voxel_mm(phantom)
    near = np.abs(values) < float(values.max()) - 1e-3
    bounds = [_ends(near.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    part = tuple(slice(first, last + 1) for first, last in bounds)
    coefficients = spline_filter(values[part].astype(np.float64), order=3, mode="nearest")
    start = [float(phantom[axis].values[first]) for axis, (first, _) in zip("zyx", bounds, strict=True)]

    def shape(z: Array, y: Array, x: Array) -> Array:
        z, y, x = np.broadcast_arrays(z, y, x)
        index = [(axis.ravel() - first) / voxel for axis, first in zip((z, y, x), start, strict=True)]
        found = map_coordinates(coefficients, index, order=3, prefilter=False, mode="nearest")
        return np.asarray(found).reshape(z.shape)

    return shape


def _cord(phantom: xr.Dataset, shapes: dict[str, Shape], planned_z: tuple[float, float]) -> list[Group]:
    """Cord: its surface, and a lattice inside; a coarser choice near the target is planned with."""
    surface, _ = surface_points(shapes["cord"], _box(phantom, "cord", 2.0))
    surface = _thin(surface, SURFACE_CELL_MM)
    inner = _lattice(phantom, "cord", FINE_MM, 1.0)
    inner = inner[shapes["cord"](*inner.T) < 0.0]
    groups = []
    for points, volume, coarse in (
        (surface, 0.0, _first_of_cells(surface, 1.0)),
        (inner, FINE_MM**3 / 1000.0, _on_lattice(inner, 1.0)),
    ):
        near = (points[:, 0] >= planned_z[0]) & (points[:, 0] <= planned_z[1])
        groups.append(_group(points, "cord", volume, np.zeros(len(points), bool), coarse & near))
    return groups


def _target(phantom: xr.Dataset, shapes: dict[str, Shape]) -> list[Group]:
    """Target: the surface that faces the dura, a fine layer behind it, a coarse lattice inside."""
    target, dura = shapes["target"], shapes["dura"]
    surface, normals = surface_points(target, _box(phantom, "target", 2.0))
    separation = phantom.attrs["separation_mm"]
    away, direction = slope(dura, surface)
    length = np.maximum(np.linalg.norm(direction, axis=1), 1e-9)
    facing = np.sum(normals * direction, axis=1) / length < -0.5
    gap = float(phantom.attrs.get("gap_target_dura_mm", 0.0))
    facing &= (away > gap - 0.05) & (away <= (0.0 if math.isnan(separation) else separation) + FACING_MM)
    front = _thin(surface[facing], SURFACE_CELL_MM)
    fine, coarse = _inside(phantom, shapes, front)
    depth = target(*coarse.T)
    planned = _on_lattice(coarse, 3.0) | ((depth > -1.0) & _on_lattice(coarse, 2.0))
    return [
        _group(front, "target", 0.0, np.ones(len(front), bool), _first_of_cells(front, 1.0)),
        _group(fine, "target", FINE_MM**3 / 1000.0, np.zeros(len(fine), bool), _on_lattice(fine, 3.0)),
        _group(coarse, "target", 1e-3, np.zeros(len(coarse), bool), planned),
    ]


def _inside(phantom: xr.Dataset, shapes: dict[str, Shape], front: Array) -> tuple[Array, Array]:
    """Target lattices: cells of 1 mm, those within `NEAR_MM` of the dura-facing surface split in eight."""
    gap = max(float(phantom.attrs.get("gap_target_dura_mm", 0.0)), 0.0)
    nodes = _lattice(phantom, "target", 1.0, 2.0)
    near = _within(nodes, front, NEAR_MM)
    split = (nodes[near][:, None, :] + _EIGHTHS[None]).reshape(-1, 3)
    coarse = nodes[~near]
    return tuple(  # type: ignore[return-value]
        points[(shapes["target"](*points.T) < 0.0) & (shapes["dura"](*points.T) > gap)]
        for points in (split, coarse)
    )


_EIGHTHS = np.array([[z, y, x] for z in (-0.25, 0.25) for y in (-0.25, 0.25) for x in (-0.25, 0.25)])


def _other(phantom: xr.Dataset, shapes: dict[str, Shape], extent: tuple[Array, Array]) -> Group:
    """Tissue around the unoperated target, every `OTHER_MM`; neither cord nor target nor air."""
    low, high = extent
    first, last = np.ceil((low - SHELL_MM) / OTHER_MM), np.floor((high + SHELL_MM) / OTHER_MM)
    axes = [np.arange(a, b + 1) * OTHER_MM for a, b in zip(first, last, strict=True)]
    mesh = np.meshgrid(*axes, indexing="ij")
    points = np.column_stack([axis.ravel() for axis in mesh])
    points = points[_covered(phantom, points)]
    inside = _sampled(phantom, "spot_target") > 0.5
    z, y, x = (phantom[axis].values for axis in "zyx")
    where = np.argwhere(inside)
    cloud = np.column_stack([z[where[:, 0]], y[where[:, 1]], x[where[:, 2]]])
    points = points[_within(points, cloud, SHELL_MM)]
    index = _nearest_voxels(phantom, points)
    tissue = phantom["density"].values[index] > 0.2
    free = (_cut(phantom, "distance_cord", index) > 1.0) & (_cut(phantom, "distance_target", index) > 1.0)
    points = points[tissue & free]
    close = _cut(phantom, "distance_target", _nearest_voxels(phantom, points)) < NEAR_OTHER_MM
    planned = close | _on_lattice(points, 2.0 * OTHER_MM)
    return _group(points, "other", OTHER_MM**3 / 1000.0, np.zeros(len(points), bool), planned)


def _group(
    points: Array, name: str, volume: float, facing: NDArray[np.bool_], planned: NDArray[np.bool_]
) -> Group:
    order = np.lexsort(np.round(points, 6).T[::-1])
    size = len(points)
    structure = np.full(size, STRUCTURES[name], np.uint8)
    return points[order], structure, np.full(size, volume), facing[order], planned[order]


def _voxel_mm(phantom: xr.Dataset) -> float:
    z = phantom["z"].values
    return float(z[1] - z[0]) if len(z) > 1 else float(phantom.attrs["voxel_mm"])


def _ends(mask: NDArray[np.bool_] | np.bool_) -> tuple[int, int]:
    found = np.flatnonzero(mask)
    return int(found[0]), int(found[-1])


def _extent(phantom: xr.Dataset, name: str) -> tuple[Array, Array]:
    """First and last voxel centre (z, y, x) of what a fraction fills by more than a trace."""
    filled = phantom[name].values > 0.01
    bounds = [_ends(filled.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    low = np.array([phantom[axis].values[first] for axis, (first, _) in zip("zyx", bounds, strict=True)])
    high = np.array([phantom[axis].values[last] for axis, (_, last) in zip("zyx", bounds, strict=True)])
    return low, high


def _box(phantom: xr.Dataset, name: str, margin: float) -> Box:
    """Box of a structure with a margin, kept to the grid."""
    half = _voxel_mm(phantom) / 2
    low, high = _extent(phantom, name)
    ends = []
    for axis, a, b in zip("zyx", low, high, strict=True):
        values = phantom[axis].values
        ends.append(
            (
                max(float(a) - margin, float(values[0]) - half),
                min(float(b) + margin, float(values[-1]) + half),
            )
        )
    return ends[0], ends[1], ends[2]


def _lattice(phantom: xr.Dataset, name: str, spacing: float, margin: float) -> Array:
    """Points (z, y, x) in the middle of lattice cells in the box of a structure, the same for every arm."""
    axes = []
    for low, high in _box(phantom, name, margin):
        first, last = math.ceil(low / spacing - 0.5), math.floor(high / spacing - 0.5)
        axes.append((np.arange(first, last + 1) + 0.5) * spacing)
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.column_stack([axis.ravel() for axis in mesh])


def _on_lattice(points: Array, spacing: float) -> NDArray[np.bool_]:
    """Choose one point in each cell of a coarser lattice: the one nearest to its middle."""
    cell = np.floor(points / spacing)
    away = np.sum((points - (cell + 0.5) * spacing) ** 2, axis=1)
    return _first_of_cells(points, spacing, np.round(away, 6))


def _first_of_cells(points: Array, spacing: float, rank: Array | None = None) -> NDArray[np.bool_]:
    """Choose the lowest-ranked point of each cubic cell; ties by z, y, x."""
    chosen = np.zeros(len(points), bool)
    if len(points) == 0:
        return chosen
    cell = np.floor(points / spacing).astype(np.int64)
    if rank is None:
        rank = np.round(np.sum((points - (cell + 0.5) * spacing) ** 2, axis=1), 6)
    order = np.lexsort((*np.round(points, 6).T[::-1], rank, *cell.T[::-1]))
    new = np.ones(len(points), bool)
    new[1:] = np.any(cell[order][1:] != cell[order][:-1], axis=1)
    chosen[order[new]] = True
    return chosen


def _thin(points: Array, spacing: float) -> Array:
    return points[_first_of_cells(points, spacing)]


def _within(points: Array, cloud: Array, reach: float) -> NDArray[np.bool_]:
    """Tell which points have a point of the cloud within reach."""
    if len(cloud) == 0 or len(points) == 0:
        return np.zeros(len(points), bool)
    distance, _ = cKDTree(cloud).query(points, distance_upper_bound=reach, workers=-1)
    return np.isfinite(distance)


def _covered(phantom: xr.Dataset, points: Array) -> NDArray[np.bool_]:
    ends = [(phantom[axis].values[0], phantom[axis].values[-1]) for axis in "zyx"]
    return np.asarray(
        np.all([(points[:, i] >= a) & (points[:, i] <= b) for i, (a, b) in enumerate(ends)], axis=0)
    )


def _sampled(phantom: xr.Dataset, name: str) -> NDArray[np.float32]:
    return np.asarray(phantom[name].values)


def _nearest_voxels(phantom: xr.Dataset, points: Array) -> tuple[NDArray[np.int64], ...]:
    voxel = _voxel_mm(phantom)
    starts = [phantom[axis].values[0] for axis in "zyx"]
    return tuple(np.rint((points[:, i] - start) / voxel).astype(np.int64) for i, start in enumerate(starts))


def _cut(phantom: xr.Dataset, name: str, index: tuple[NDArray[np.int64], ...]) -> NDArray[np.float32]:
    return np.asarray(phantom[name].values[index])
