"""Contours in axial planes as implicit shapes: exact in their planes, linear between them."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from doseplan.anatomy.grid import Box
from doseplan.anatomy.shapes import Array, Shape
from doseplan.anatomy.surface import measured, surface_of
from doseplan.kernels.contours import contour_distance

PITCH_MM = 0.5
"""Spacing of the lattice that carries a shape, in a plane; wide structures take twice as much."""

WIDE_MM = 120.0

ALONG_MM = 0.75
"""Largest spacing of the lattice between planes."""

MARGIN_MM = 6.0
"""The lattice reaches this far beyond the contours."""

STAIR_MM = 0.005
"""Contours are written with two or three decimals."""

GAP_SLICES = 3.5
"""Planes further apart than this many slices are not joined: the structure has two parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """Contours of one structure, by axial plane: `z` (plane,) rising, vertices (y, x) of each contour."""

    z: Array
    contours: tuple[tuple[Array, ...], ...]


def planes_of(scan: xr.Dataset, structure: str) -> Planes:
    """Take the contours of one structure of a scan, planes rising."""
    names = list(scan.attrs["structures"])
    start, position = scan["contour_start"].values, scan["contour_position"].values
    found: dict[float, list[Array]] = {}
    for index in np.flatnonzero(scan["contour_structure"].values == names.index(structure)):
        points = position[start[index] : start[index + 1]]
        found.setdefault(round(float(points[:, 2].mean()), 2), []).append(smoothed(points[:, 1::-1]))
    heights = sorted(found)
    return Planes(z=np.array(heights), contours=tuple(tuple(found[z]) for z in heights))


def smoothed(contour: Array) -> Array:
    """Draw a contour that follows the edges of voxels through the middles of those edges; leave any other.

    Such a contour was made from a mask: its corners stick out of what was meant by up to half a diagonal.

    Parameters
    ----------
    contour : (point, 2) [mm], closed
    """
    edges = np.roll(contour, -1, axis=0) - contour
    lengths = np.abs(edges).max(axis=1)
    along_axes = np.abs(edges).min(axis=1) <= STAIR_MM
    kept = lengths > STAIR_MM
    if not along_axes.all() or kept.sum() < 4:
        return contour
    steps = [lengths[kept & (np.abs(edges[:, axis]) > STAIR_MM)] for axis in range(2)]
    pitch = [float(found.min()) if len(found) else math.inf for found in steps]
    middles = []
    for start, edge in zip(contour[kept], edges[kept], strict=True):
        size = pitch[int(np.argmax(np.abs(edge)))]
        count = round(float(np.abs(edge).max()) / size)
        if abs(count * size - float(np.abs(edge).max())) > STAIR_MM:
            return contour
        middles.append(start + edge * (np.arange(count)[:, None] + 0.5) / count)
    return np.concatenate(middles)


def contour_shape(planes: Planes, slice_mm: float) -> tuple[Shape, Box]:
    """Turn contours into an implicit shape, near its surface about the distance to it.

    The structure reaches half a slice beyond its first and last plane, and each part of it that
    planes leave apart by more than `GAP_SLICES`.

    Returns
    -------
    shape, box : the box holds the structure
    """
    ends = np.array([[part.min(axis=0), part.max(axis=0)] for plane in planes.contours for part in plane])
    low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
    parts = [_part_shape(part, slice_mm, low, high) for part in _runs(planes, slice_mm)]
    half = slice_mm / 2
    box = (
        (float(planes.z[0]) - half - 1.0, float(planes.z[-1]) + half + 1.0),
        (float(low[0]) - 1.0, float(high[0]) + 1.0),
        (float(low[1]) - 1.0, float(high[1]) + 1.0),
    )

    def shape(z: Array, y: Array, x: Array) -> Array:
        found = parts[0](z, y, x)
        for part in parts[1:]:
            found = np.minimum(found, part(z, y, x))
        return found

    return shape, box


def inside_contours(planes: Planes, z: Array, y: Array, x: Array) -> NDArray[np.bool_]:
    """Tell which nodes (z, y, x) lie inside the contours of the nearest plane, by the even-odd rule."""
    out = np.zeros((len(z), len(y), len(x)), bool)
    for index, height in enumerate(z):
        nearest = int(np.argmin(np.abs(planes.z - height)))
        if abs(planes.z[nearest] - height) <= _spacing(planes) / 2 + 1e-6:
            for part in planes.contours[nearest]:
                out[index] ^= _inside_one(part, y, x)
    return out


def _spacing(planes: Planes) -> float:
    return float(np.median(np.diff(planes.z))) if len(planes.z) > 1 else math.inf


def _inside_one(contour: Array, y: Array, x: Array) -> NDArray[np.bool_]:
    """Count the edges to the right of the nodes of each row."""
    flips = np.zeros((len(y), len(x) + 1), np.int32)
    for (ay, ax), (by, bx) in zip(contour, np.roll(contour, -1, axis=0), strict=True):
        rows = np.flatnonzero((y >= min(ay, by)) & (y < max(ay, by)))
        crossing = ax + (y[rows] - ay) * (bx - ax) / (by - ay) if len(rows) else np.empty(0)
        flips[rows, np.searchsorted(x, crossing)] += 1
    return np.asarray(np.cumsum(flips[:, ::-1], axis=1)[:, ::-1][:, 1:] % 2 == 1)


def _runs(planes: Planes, slice_mm: float) -> list[Planes]:
    cuts = np.flatnonzero(np.diff(planes.z) > GAP_SLICES * slice_mm) + 1
    edges = [0, *cuts.tolist(), len(planes.z)]
    return [
        Planes(z=planes.z[first:last], contours=planes.contours[first:last])
        for first, last in itertools.pairwise(edges)
    ]


def _part_shape(planes: Planes, slice_mm: float, low: Array, high: Array) -> Shape:
    pitch = PITCH_MM if float((high - low).max()) < WIDE_MM else 2.0 * PITCH_MM
    start = low - MARGIN_MM
    size = np.ceil((high + MARGIN_MM - start) / pitch).astype(int) + 1
    in_planes = np.empty((len(planes.z), *size))
    contours = [part for plane in planes.contours for part in plane]
    counts = [len(plane) for plane in planes.contours]
    contour_distance(
        np.ascontiguousarray(np.concatenate(contours), dtype=np.float64),
        np.cumsum([0, *map(len, contours)]),
        np.cumsum([0, *counts]),
        start.astype(np.float64),
        pitch,
        in_planes,
    )
    first, last = planes.z[0] - slice_mm / 2, planes.z[-1] + slice_mm / 2
    number = math.ceil((last - first + 2.0 * MARGIN_MM) / ALONG_MM) + 1
    z = np.linspace(first - MARGIN_MM, last + MARGIN_MM, number)
    lattice = _between(planes.z, in_planes, z)
    cap = np.abs(z - (first + last) / 2) - (last - first) / 2
    lattice = np.maximum(lattice, cap[:, None, None])
    low, step = np.array([z[0], *start]), np.array([z[1] - z[0], pitch, pitch])
    return _interpolated(_redistanced(lattice, low, step), low, step)


def _redistanced(lattice: Array, low: Array, step: Array) -> Array:
    """Replace the values of a lattice near its zero by the distances to it.

    Between planes that differ a lot the values rise far faster than distances do.
    """
    points, normals = _crossings(lattice, low, step)
    ends = tuple((float(a), float(a + d * (n - 1))) for a, d, n in zip(low, step, lattice.shape, strict=True))
    box = (ends[0], ends[1], ends[2])
    shape = _interpolated(lattice, low, step)
    surface = surface_of(shape, (points, normals), box, box, reach_mm=MARGIN_MM, spacing_mm=float(step.max()))
    nodes = np.meshgrid(
        *(a + d * np.arange(n) for a, d, n in zip(low, step, lattice.shape, strict=True)), indexing="ij"
    )
    sign = lattice.ravel()
    away, _ = measured(surface, np.column_stack([node.ravel() for node in nodes]))
    return np.copysign(np.abs(away), sign).reshape(lattice.shape)


def _crossings(lattice: Array, low: Array, step: Array) -> tuple[Array, Array]:
    """Find where the edges of a lattice cross zero, and the unit normals there, both (point, 3)."""
    slopes: list[Array] = list(np.gradient(lattice, *step))
    points, normals = [], []
    for axis in range(3):
        lower = [slice(None)] * 3
        upper = [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        first, second = lattice[tuple(lower)], lattice[tuple(upper)]
        where = np.nonzero((first < 0.0) != (second < 0.0))
        part = first[where] / (first[where] - second[where])
        index = np.column_stack(where).astype(np.float64)
        index[:, axis] += part
        points.append(low + index * step)
        ends = [(s[tuple(lower)][where], s[tuple(upper)][where]) for s in slopes]
        normals.append(np.column_stack([(1.0 - part) * a + part * b for a, b in ends]))
    found = np.concatenate(normals)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.concatenate(points), found / np.maximum(length, 1e-9)


def _between(heights: Array, values: Array, z: Array) -> Array:
    """Interpolate planes linearly; beyond the first and the last they go on unchanged."""
    place = np.interp(z, heights, np.arange(len(heights)))
    lower = np.minimum(place.astype(int), max(len(heights) - 2, 0))
    upper = np.minimum(lower + 1, len(heights) - 1)
    share = (place - lower)[:, None, None]
    return np.asarray((1.0 - share) * values[lower] + share * values[upper])


def _interpolated(lattice: Array, start: Array, step: Array) -> Shape:
    """Trilinear shape on a lattice; outside it, the way to the lattice is added."""
    top = [length - 1 for length in lattice.shape]

    def shape(z: Array, y: Array, x: Array) -> Array:
        at = np.broadcast_arrays(z, y, x)
        index = [(np.ravel(a).astype(np.float64) - s) / d for a, s, d in zip(at, start, step, strict=True)]
        kept = [np.clip(i, 0, n) for i, n in zip(index, top, strict=True)]
        beyond = sum(((i - k) * d) ** 2 for i, k, d in zip(index, kept, step, strict=True))
        found = map_coordinates(lattice, kept, order=1, mode="nearest")
        return np.asarray(found + np.sqrt(beyond)).reshape(at[0].shape)

    return shape
