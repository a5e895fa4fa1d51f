"""The voxel grid: axes, boxes of it, and volume fractions from distances."""

import math

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.shapes import Array

Axes = tuple[Array, Array, Array]
"""Voxel centres along z, y, x [mm]."""

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Ends along z, y, x [mm]."""

Extents = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Ends of a grid along x, y, z [mm]."""

Slices = tuple[slice, slice, slice]


def voxel_axes(extents_mm: Extents, voxel_mm: float) -> Axes:
    """Lay out the voxel centres along z, y, x; the grid is centred on the extents along x, y, z."""
    axes: list[Array] = []
    for low, high in reversed(extents_mm):
        size = max(1, math.ceil((high - low) / voxel_mm - 1e-9))
        steps = np.arange(size, dtype=np.float64) - (size - 1) / 2
        axes.append((low + high) / 2 + steps * voxel_mm)
    return axes[0], axes[1], axes[2]


def grid_box(axes: Axes, voxel_mm: float) -> Box:
    """Give the ends of the grid along z, y, x: the outer faces of its voxels."""
    z, y, x = ((float(axis[0] - voxel_mm / 2), float(axis[-1] + voxel_mm / 2)) for axis in axes)
    return z, y, x


def inside(axes: Axes, box: Box, margin: float = 0.0) -> Slices:
    """Find the voxels whose centres lie in the box and `margin` [mm] around it."""
    z, y, x = (
        slice(
            int(np.searchsorted(axis, low - margin)), int(np.searchsorted(axis, high + margin, side="right"))
        )
        for axis, (low, high) in zip(axes, box, strict=True)
    )
    return z, y, x


def mesh(axes: Axes, slices: Slices) -> Axes:
    """Shape the axes of a part of the grid so that they broadcast to (z, y, x)."""
    z, y, x = (axis[part] for axis, part in zip(axes, slices, strict=True))
    return z[:, None, None], y[None, :, None], x[None, None, :]


def fraction(distance: NDArray[np.floating], voxel_mm: float) -> NDArray[np.float32]:
    """Turn signed distances of voxel centres into the part of each voxel that lies inside.

    Exact for a plane parallel to a voxel face. Over a surface with the curvature 1/r the volume comes out too
    large by voxel^2 / 24 r for each area, so structures that get a dose
    are split further (`voxels.volume_fraction`).
    """
    return np.asarray(np.clip(0.5 - distance / voxel_mm, 0.0, 1.0), dtype=np.float32)
