"""Water-equivalent depth of points in the phantom."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.kernels import tracing
from doseplan.messages import InputError


def water_equivalent_depth(
    phantom: xr.Dataset, fields: xr.Dataset, points: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Trace points upstream through `rsp` to the edge of the grid: exact lengths in constant voxels.

    Parameters
    ----------
    phantom : Dataset
        `rsp` on an even grid.
    fields : Dataset
        `direction` of every field.
    points : (point, 3) [mm]
        Patient LPS (x, y, z), inside the grid.

    Returns
    -------
    (field, point) float64 [mm]

    Raises
    ------
    InputError
        A point lies outside the grid, or the grid is uneven.
    """
    lower, spacing = grid_frame(phantom)
    upper = lower + spacing * np.array(phantom["rsp"].shape[::-1])
    position = np.ascontiguousarray(points, dtype=np.float64)
    outside = ~np.all((position >= lower) & (position <= upper), axis=1)
    if outside.any():
        first = position[np.argmax(outside)].round(2).tolist()
        raise InputError(
            f"points: expected inside the grid {lower.tolist()} to {upper.tolist()} mm, "
            f"got {int(outside.sum())} outside, the first at {first}"
        )
    direction = np.ascontiguousarray(fields["direction"].values, dtype=np.float64)
    rsp = np.ascontiguousarray(phantom["rsp"].values, dtype=np.float32)
    out = np.empty((direction.shape[0], position.shape[0]))
    tracing.water_equivalent_depth(rsp, lower, spacing, position, direction, out)
    return out


def grid_frame(phantom: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find corner (x, y, z) [mm] and voxel edges [mm] of the phantom's grid."""
    corner, edges = np.empty(3), np.empty(3)
    for axis, name in enumerate(("x", "y", "z")):
        centre = phantom[name].values
        if centre.size < 2:
            raise InputError(f"phantom: expected at least 2 voxels along {name}, got {centre.size}")
        edges[axis] = (centre[-1] - centre[0]) / (centre.size - 1)
        # 1e-6 of a voxel: far above float64 rounding of coordinates, far below anything that matters
        if not np.allclose(np.diff(centre), edges[axis], rtol=1e-6) or edges[axis] <= 0.0:
            raise InputError(f"phantom: expected rising, evenly spaced {name}, got another spacing")
        corner[axis] = centre[0] - 0.5 * edges[axis]
    return corner, edges
