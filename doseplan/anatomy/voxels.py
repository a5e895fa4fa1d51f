"""Distances and volume fractions of surfaces in voxels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from doseplan.anatomy.grid import Axes, Slices, fraction, inside
from doseplan.anatomy.shapes import Array
from doseplan.anatomy.surface import Surface, measured

Voxels = NDArray[np.float32]
"""An array (z, y, x)."""

TUMOUR_NEAR_MM = 8.0
"""Distances to tumour and target are cut at this."""

CELL_MM = 0.5
"""Largest cell that a voxel at a surface is split into to measure its volume fraction."""


FAR_MM = 2.0
"""Voxels further than this from a surface lie on the same side as their neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voxelised:
    """A surface in voxels (z, y, x): signed `distance` [mm] of their centres, volume `fraction` inside."""

    distance: Voxels
    fraction: Voxels


def voxelised(surface: Surface | None, axes: Axes, voxel_mm: float) -> Voxelised:
    """Voxelise a surface; without one all voxels are as far outside as its distances would reach."""
    away = voxel_distance(surface, axes)
    return Voxelised(distance=away, fraction=volume_fraction(surface, axes, voxel_mm, away))


def voxel_distance(surface: Surface | None, axes: Axes) -> Voxels:
    """Distances of all voxel centres (z, y, x) to a surface; its reach everywhere if there is none."""
    reach = TUMOUR_NEAR_MM if surface is None else surface.reach_mm
    out = np.full([len(axis) for axis in axes], reach, np.float32)
    if surface is not None:
        part = inside(axes, surface.box, surface.reach_mm)
        out[part] = _signed(surface, axes, part)
    return out


def _signed(surface: Surface, axes: Axes, part: Slices) -> Array:
    """Distances of the voxels of a part of the grid.

    Near the surface the shape tells the sign; further out each connected region lies on one side, so that one
    of its voxels does.
    """
    z, y, x = np.meshgrid(*(axis[cut] for axis, cut in zip(axes, part, strict=True)), indexing="ij")
    points = np.column_stack([z.ravel(), y.ravel(), x.ravel()])
    found, _ = measured(surface, points)
    regions, count = label((np.abs(found) >= max(FAR_MM, 0.6 * _step(axes))).reshape(z.shape))
    regions = regions.ravel()
    first = np.zeros(count + 1, np.intp)
    first[regions[::-1]] = np.arange(regions.size)[::-1]
    sign = surface.shape(*points[first].T)[regions]
    near = regions == 0
    sign[near] = surface.shape(*points[near].T)
    return np.copysign(found, sign).reshape(z.shape)


def _step(axes: Axes) -> float:
    """Voxel edge [mm]."""
    axis = max(axes, key=len)
    return float(axis[1] - axis[0]) if len(axis) > 1 else 0.0


def volume_fraction(surface: Surface | None, axes: Axes, voxel_mm: float, away: Voxels) -> Voxels:
    """Volume fractions of all voxels (z, y, x) inside a surface.

    Voxels at the surface are split into cells of at most `CELL_MM`, so that volumes don't depend on the
    voxel size.

    Parameters
    ----------
    away : (z, y, x) [mm]
        Distances of the voxel centres.
    """
    out = np.zeros([len(axis) for axis in axes], np.float32)
    if surface is None:
        return out
    part = inside(axes, surface.box, voxel_mm)
    centres = away[part]
    mesh = np.meshgrid(*(axis[cut] for axis, cut in zip(axes, part, strict=True)), indexing="ij")
    points = np.column_stack([axis.ravel() for axis in mesh])
    near = centres.ravel()
    filled = fraction(near, voxel_mm)
    cut = np.abs(near) < 0.9 * voxel_mm
    splits = math.ceil(voxel_mm / CELL_MM)
    parts = (np.arange(splits) - (splits - 1) / 2) * voxel_mm / splits
    offsets = np.stack(np.meshgrid(parts, parts, parts, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = (points[cut][:, None, :] + offsets[None]).reshape(-1, 3)
    found, unclear = measured(surface, cells)
    # a distance changes by no more than the way between two points
    reach = np.linalg.norm(offsets, axis=1) + 0.05
    jump = np.abs(found.reshape(-1, len(offsets)) - near[cut][:, None]) > reach
    asked = unclear | jump.ravel()
    found[asked] = np.copysign(found[asked], surface.shape(*cells[asked].T))
    filled[cut] = fraction(found, voxel_mm / splits).reshape(-1, len(offsets)).mean(axis=1)
    out[part] = filled.reshape(centres.shape)
    return out
