"""Distances and volume fractions of surfaces in voxels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from doseplan.anatomy.grid import Axes, Slices, fraction, inside
from doseplan.anatomy.model import TUMOUR_NEAR_MM, Model
from doseplan.anatomy.shapes import Array
from doseplan.anatomy.surface import Surface, measured

Voxels = NDArray[np.float32]
"""An array (z, y, x)."""

CELL_MM = 0.5
"""Largest cell that a voxel at a surface is split into to measure its volume fraction."""


FAR_MM = 2.0
"""Voxels further than this from a surface lie on the same side as their neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structures:
    """The structures of an arm in voxels.

    `distances` [mm] `distance_gtv`, `distance_target`, `distance_cord`, `distance_dura`; volume `fractions`
    `cord`, `sac`, `gtv`, `target`, `spot_target`; `gross`, that of the tumour before surgery.
    """

    distances: dict[str, Voxels]
    fractions: dict[str, Voxels]
    gross: Voxels


def structure_voxels(model: Model, voxel_mm: float) -> Structures:
    """Voxelise the structures of an arm."""
    surfaces = {"gtv": model.residual, "target": model.target, "cord": model.cord, "dura": model.dura}
    distances = {
        f"distance_{name}": voxel_distance(surface, model.axes) for name, surface in surfaces.items()
    }
    gtv, target, cord, sac = (
        volume_fraction(surface, model.axes, voxel_mm, distances[f"distance_{name}"])
        for name, surface in surfaces.items()
    )
    gross = gtv if model.gross is model.residual else volume_fraction(model.gross, model.axes, voxel_mm)
    shared = {id(model.gross): gross, id(model.target): target}
    spot_target = shared.get(id(model.spot_target))
    if spot_target is None:
        spot_target = volume_fraction(model.spot_target, model.axes, voxel_mm)
    fractions = {
        "cord": np.minimum(cord, sac),
        "sac": sac,
        "gtv": np.minimum(gtv, 1.0 - sac),
        "target": np.minimum(target, 1.0 - sac),
        "spot_target": spot_target,
    }
    return Structures(distances=distances, fractions=fractions, gross=gross)


def voxel_distance(surface: Surface | None, axes: Axes) -> NDArray[np.float32]:
    """Distances of all voxel centres (z, y, x) to a surface; its reach everywhere if there is none."""
    reach = TUMOUR_NEAR_MM if surface is None else surface.reach_mm
    out = np.full([len(axis) for axis in axes], reach, np.float32)
    if surface is not None:
        part = inside(axes, surface.box, surface.reach_mm)
        out[part] = _signed(surface, axes, part)[0]
    return out


def _signed(surface: Surface, axes: Axes, part: Slices) -> tuple[Array, Array]:
    """Distances of the voxels of a part of the grid, and their centres (voxel, 3).

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
    return np.copysign(found, sign).reshape(z.shape), points


def _step(axes: Axes) -> float:
    """Voxel edge [mm]."""
    axis = max(axes, key=len)
    return float(axis[1] - axis[0]) if len(axis) > 1 else 0.0


def volume_fraction(
    surface: Surface | None, axes: Axes, voxel_mm: float, away: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Volume fractions of all voxels (z, y, x) inside a surface.

    Voxels at the surface are split into cells of at most `CELL_MM`, so that volumes don't depend on the
    voxel size.

    Parameters
    ----------
    away : (z, y, x) [mm]
        Distances of the voxel centres, if they are known.
    """
    out = np.zeros([len(axis) for axis in axes], np.float32)
    if surface is None:
        return out
    part = inside(axes, surface.box, voxel_mm)
    if away is None:
        centres, points = _signed(surface, axes, part)
    else:
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
