"""Surfaces of implicit shapes as dense points with normals, and true distances to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from doseplan.anatomy.grid import Box
from doseplan.anatomy.shapes import Array, Shape
from doseplan.kernels.distance import nearest_points, surface_distance

LATTICE_MM = 1.0
"""Spacing of the lattice that finds surfaces, whatever the voxel size."""

NODE_MM = 3.0
"""Spacing of the nodes that a search for the nearest surface point starts from."""

_NEIGHBOURS = 12

REACH_MM = 40.0
"""Distances beyond this are cut to it."""

_STEP_MM = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Points on a surface, with what finds the nearest of them.

    `points` and `normals` (point, 3) are (z, y, x) [mm]; `neighbours` are the points around
    each; `nearest` (z, y, x) is a near point of each node of the lattice that starts at `origin`.
    """

    shape: Shape
    box: Box
    points: Array
    normals: Array
    neighbours: NDArray[np.int32]
    nearest: NDArray[np.int32]
    origin: Array
    reach_mm: float
    spacing_mm: float


def find_surface(
    shape: Shape, box: Box, limits: Box, *, reach_mm: float = REACH_MM, splits: int = 2
) -> Surface | None:
    """Cover the surface of a shape inside a box with points, `splits` in a millimetre.

    Parameters
    ----------
    shape : implicit function, near its surface about the distance to it
    box : where the surface lies
    limits : where distances will be asked for; kept to `reach_mm` around the box
    reach_mm : distances beyond this are cut to it
    splits : points in a mm, along a line in the surface

    Returns
    -------
    surface : None if there is no surface in the box
    """
    points, normals = surface_points(shape, box, splits=splits)
    if len(points) == 0:
        return None
    return surface_of(
        shape, (points, normals), box, limits, reach_mm=reach_mm, spacing_mm=LATTICE_MM / splits
    )


def surface_of(
    shape: Shape,
    points_normals: tuple[Array, Array],
    box: Box,
    limits: Box,
    *,
    reach_mm: float,
    spacing_mm: float,
) -> Surface:
    """Make a surface of points on it with normals, both (point, 3) as (z, y, x), `spacing_mm` apart."""
    points, normals = points_normals
    low = np.array([max(b[0] - reach_mm, e[0] - NODE_MM) for b, e in zip(box, limits, strict=True)])
    high = np.array([min(b[1] + reach_mm, e[1] + NODE_MM) for b, e in zip(box, limits, strict=True)])
    size = np.ceil((high - low) / NODE_MM).astype(int) + 1
    nearest = np.empty(tuple(size), np.int32)
    nearest_points((points - low) / NODE_MM, nearest, np.empty(tuple(size)))
    _, around = cKDTree(points).query(points, k=min(_NEIGHBOURS, len(points)), workers=-1)
    neighbours = np.ascontiguousarray(around.reshape(len(points), -1), dtype=np.int32)
    return Surface(
        shape=shape,
        box=box,
        points=points,
        normals=normals,
        neighbours=neighbours,
        nearest=nearest,
        origin=low,
        reach_mm=reach_mm,
        spacing_mm=spacing_mm,
    )


def surface_points(shape: Shape, box: Box, *, splits: int = 3) -> tuple[Array, Array]:
    """Find points on a surface and its outward unit normals, both (point, 3) as (z, y, x) [mm].

    A lattice of `LATTICE_MM` / `splits` is laid next to the surface and moved onto it along the gradient.
    """
    axes = [np.arange(np.floor(low), np.ceil(high) + LATTICE_MM / 2, LATTICE_MM) for low, high in box]
    single = [axis.astype(np.float32) for axis in axes]  # enough to find the nodes near the surface
    value = shape(single[0][:, None, None], single[1][None, :, None], single[2][None, None, :])
    near = np.argwhere(np.abs(value) < 0.9 * LATTICE_MM)
    nodes = np.column_stack([axis[index] for axis, index in zip(axes, near.T, strict=True)])
    value, gradient = slope(shape, nodes)
    parts = (np.arange(splits) - (splits - 1) / 2) * LATTICE_MM / splits
    offsets = np.stack(np.meshgrid(parts, parts, parts, indexing="ij"), axis=-1).reshape(-1, 3)
    linear = value[:, None] + gradient @ offsets.T
    node, part = np.nonzero(np.abs(linear) < 0.6 * LATTICE_MM / splits)
    points, normals = project(shape, nodes[node] + offsets[part], linear[node, part], gradient[node])
    inside = np.all([(points[:, i] >= box[i][0]) & (points[:, i] <= box[i][1]) for i in range(3)], axis=0)
    return points[inside], normals[inside]


def project(shape: Shape, start: Array, value: Array, gradient: Array) -> tuple[Array, Array]:
    """Move points onto the surface f = 0 along the gradient; those that don't arrive are left out.

    Parameters
    ----------
    start : (point, 3) [mm], (z, y, x)
    value : (point,)
        About the value of the shape at the start.
    gradient : (point, 3)
        Gradient of the shape near the start.
    """
    points = _stepped(start, value, gradient)
    points = _stepped(points, shape(*points.T), gradient)
    value, gradient = slope(shape, points)
    length = np.linalg.norm(gradient, axis=1)
    # the last step takes what is left, which is far less than the value there
    points = _stepped(points, value, gradient)
    arrived = (np.abs(value) < 0.03) & (length > 0.2) & (np.linalg.norm(points - start, axis=1) < 1.0)
    return points[arrived], gradient[arrived] / length[arrived, None]


def _stepped(points: Array, value: Array, gradient: Array) -> Array:
    """Take one of Newton's steps along the gradient, at most 1 mm for a gradient of 1."""
    squared = np.maximum(np.sum(gradient**2, axis=1), 0.04)
    return np.asarray(points - np.clip(value / squared, -1.0, 1.0)[:, None] * gradient)


def slope(shape: Shape, points: Array) -> tuple[Array, Array]:
    """Evaluate a shape and its gradient by differences at points (point, 3) as (z, y, x) [mm]."""
    value = shape(*points.T)
    gradient = np.empty_like(points)
    for axis in range(3):
        ahead = points.copy()
        ahead[:, axis] += _STEP_MM
        gradient[:, axis] = (shape(*ahead.T) - value) / _STEP_MM
    return value, gradient


def distance(surface: Surface, points: Array, *, sign: Array | None = None) -> Array:
    """Measure signed distances to a surface, negative inside, cut at +- its reach.

    Where the normals don't tell the sign, the shape is asked; outside the box all is outside.

    Parameters
    ----------
    points : (point, 3) [mm], (z, y, x)
    sign : (point,)
        Values of the shape at the points, if they are known.
    """
    out, unclear = measured(surface, points)
    asked = surface.shape(*points[unclear].T) if sign is None else sign[unclear]
    out[unclear] = np.copysign(out[unclear], asked)
    return out


def measured(surface: Surface, points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Measure distances as `distance`, and tell for which points the sign is not known."""
    out, clear = np.empty(len(points)), np.empty(len(points), bool)
    surface_distance(
        np.ascontiguousarray(points, dtype=np.float64),
        surface.points,
        surface.normals,
        surface.neighbours,
        surface.nearest,
        surface.origin,
        NODE_MM,
        surface.spacing_mm,
        clear,
        out,
    )
    inside = np.all(
        [(points[:, i] > surface.box[i][0]) & (points[:, i] < surface.box[i][1]) for i in range(3)], axis=0
    )
    out[~inside] = np.abs(out[~inside])
    return np.clip(out, -surface.reach_mm, surface.reach_mm), inside & ~clear


def distance_shape(surface: Surface, *, offset_mm: float) -> Shape:
    """Turn the distance to a surface into a shape that can be cut at `offset_mm` from it.

    Where the implicit function is far from the offset its own value stands, as only the sign matters there.
    """
    far = 2.0 * offset_mm + 4.0

    def shape(z: Array, y: Array, x: Array) -> Array:
        value = np.array(surface.shape(z, y, x), dtype=np.float64)
        near = np.abs(value) < far
        points = np.column_stack([np.broadcast_to(axis, value.shape)[near] for axis in (z, y, x)])
        value[near] = distance(surface, points, sign=value[near])
        return value

    return shape


def where(chosen: NDArray[np.bool_], otherwise: Array, shape: Shape, z: Array, y: Array, x: Array) -> Array:
    """Evaluate a shape at the chosen points only; elsewhere another value stands."""
    value = np.array(otherwise, dtype=np.float64)
    at = [np.broadcast_to(axis, value.shape)[chosen] for axis in (z, y, x)]
    value[chosen] = shape(*at)
    return value
