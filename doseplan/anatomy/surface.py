"""Surfaces of implicit shapes as dense points with normals, and true distances to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.shapes import Array, Shape
from doseplan.kernels.distance import nearest_points, surface_distance

LATTICE_MM = 1.0
"""Spacing of the lattice that finds surfaces and keeps nearest points, whatever the voxel size."""

REACH_MM = 40.0
"""Distances beyond this are cut to it."""

_CORNERS = np.array([[z, y, x] for z in (-0.25, 0.25) for y in (-0.25, 0.25) for x in (-0.25, 0.25)])
_STEP_MM = 0.02
_POINT_SPACING_MM = 0.4

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Ends along z, y, x [mm]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Points on a surface, with what finds the nearest of them.

    `points` and `normals` (point, 3) are (z, y, x) [mm]; `nearest` (z, y, x) is the nearest point of each node
    of the lattice that starts at `origin`.
    """

    shape: Shape
    box: Box
    points: Array
    normals: Array
    nearest: NDArray[np.int32]
    origin: Array


def find_surface(shape: Shape, box: Box, limits: Box) -> Surface | None:
    """Cover the surface of a shape inside a box with points, about eight in each square millimetre.

    Parameters
    ----------
    shape : implicit function, near its surface about the distance to it
    box : where the surface lies
    limits : where distances will be asked for; kept to `REACH_MM` around the box

    Returns
    -------
    surface : None if there is no surface in the box
    """
    points, normals = surface_points(shape, box)
    if len(points) == 0:
        return None
    low = np.array([max(b[0] - REACH_MM, e[0] - 1.0) for b, e in zip(box, limits, strict=True)])
    high = np.array([min(b[1] + REACH_MM, e[1] + 1.0) for b, e in zip(box, limits, strict=True)])
    size = np.ceil((high - low) / LATTICE_MM).astype(int) + 1
    nearest = np.empty(tuple(size), np.int32)
    nearest_points((points - low) / LATTICE_MM, nearest, np.empty(tuple(size)))
    return Surface(shape=shape, box=box, points=points, normals=normals, nearest=nearest, origin=low)


def surface_points(shape: Shape, box: Box) -> tuple[Array, Array]:
    """Find points on a surface and its outward unit normals, both (point, 3) as (z, y, x) [mm].

    The lattice points next to the surface are split in eight and moved onto it along the gradient.
    """
    axes = [np.arange(np.floor(low), np.ceil(high) + LATTICE_MM / 2, LATTICE_MM) for low, high in box]
    value = shape(axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
    near = np.argwhere(np.abs(value) < 0.6 * LATTICE_MM)
    nodes = np.column_stack([axis[index] for axis, index in zip(axes, near.T, strict=True)])
    start = (nodes[:, None, :] + LATTICE_MM * _CORNERS[None]).reshape(-1, 3)
    points, normals = project(shape, start)
    inside = np.all([(points[:, i] >= box[i][0]) & (points[:, i] <= box[i][1]) for i in range(3)], axis=0)
    return points[inside], normals[inside]


def project(shape: Shape, start: Array) -> tuple[Array, Array]:
    """Move points onto the surface f = 0 by Newton steps along the gradient; those that don't arrive are left out.

    Parameters
    ----------
    start : (point, 3) [mm], (z, y, x)
    """
    points = start
    for _ in range(3):
        value, gradient = slope(shape, points)
        squared = np.maximum(np.sum(gradient**2, axis=1), 0.04)
        step = np.clip(value / squared, -1.0, 1.0)
        points = points - step[:, None] * gradient
    value, gradient = slope(shape, points)
    length = np.linalg.norm(gradient, axis=1)
    arrived = (np.abs(value) < 2e-3) & (length > 0.2) & (np.linalg.norm(points - start, axis=1) < 1.5)
    return points[arrived], gradient[arrived] / length[arrived, None]


def slope(shape: Shape, points: Array) -> tuple[Array, Array]:
    """Evaluate a shape and its gradient by central differences at points (point, 3) as (z, y, x) [mm]."""
    gradient = np.empty_like(points)
    for axis in range(3):
        ahead, behind = points.copy(), points.copy()
        ahead[:, axis] += _STEP_MM
        behind[:, axis] -= _STEP_MM
        gradient[:, axis] = (shape(*ahead.T) - shape(*behind.T)) / (2.0 * _STEP_MM)
    return shape(*points.T), gradient


def distance(surface: Surface, points: Array) -> Array:
    """Measure signed distances to a surface, negative inside, cut at +-`REACH_MM`.

    The sign is that of the shape, which is asked inside the box only.

    Parameters
    ----------
    points : (point, 3) [mm], (z, y, x)
    """
    out = np.empty(len(points))
    surface_distance(
        np.ascontiguousarray(points, dtype=np.float64),
        surface.points,
        surface.normals,
        surface.nearest,
        surface.origin,
        LATTICE_MM,
        _POINT_SPACING_MM,
        out,
    )
    np.minimum(out, REACH_MM, out=out)
    inside = np.all(
        [(points[:, i] > surface.box[i][0]) & (points[:, i] < surface.box[i][1]) for i in range(3)], axis=0
    )
    out[inside] = np.copysign(out[inside], surface.shape(*points[inside].T))
    return out


def distance_shape(surface: Surface) -> Shape:
    """Turn the distance to a surface into a shape, to be cut, offset and joined."""

    def shape(z: Array, y: Array, x: Array) -> Array:
        z, y, x = np.broadcast_arrays(z, y, x)
        points = np.column_stack([z.ravel(), y.ravel(), x.ravel()]).astype(np.float64)
        return distance(surface, points).reshape(z.shape)

    return shape
