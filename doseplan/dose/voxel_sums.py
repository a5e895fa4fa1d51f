"""Channels in the voxels of a phantom: primary ions in all of the body, fragments as densely as they need."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.dose.channels import Channels
from doseplan.dose.point import point_dose
from doseplan.dose.rays import Rays
from doseplan.messages import Progress

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


def body_voxels(phantom: xr.Dataset) -> NDArray[np.int64]:
    """List the body's voxels (flat), brick after brick, so that neighbours stand together."""
    voxels = np.flatnonzero(phantom["rsp"].values >= BODY_RSP)
    shape = phantom["rsp"].shape
    bricks = [-(-size // BRICK) for size in shape]
    brick = np.ravel_multi_index([index // BRICK for index in np.unravel_index(voxels, shape)], bricks)
    return voxels[np.argsort(brick, kind="stable")].astype(np.int64)


def voxel_sums(
    phantom: xr.Dataset,
    body: NDArray[np.int64],
    rays: Rays,
    spots: xr.Dataset,
    library: xr.Dataset,
    progress: Progress,
) -> Channels:
    """Sum the channels of all spots in voxels of the body.

    Parameters
    ----------
    body : (voxel,)
        From `body_voxels`.

    Returns
    -------
    Channels of (voxel,) float64
    """
    centres = _centres(phantom, body)
    near = _near_structures(phantom).flat[body]

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


def _centres(phantom: xr.Dataset, voxels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the centres (x, y, z) [mm] of flat voxel indices."""
    z, y, x = np.unravel_index(voxels, phantom["rsp"].shape)
    centres = (phantom["x"].values[x], phantom["y"].values[y], phantom["z"].values[z])
    return np.column_stack(centres)
