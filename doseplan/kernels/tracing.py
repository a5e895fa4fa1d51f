"""Water-equivalent depth along parallel rays, voxel by voxel."""

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, error_model="numpy", inline="always")
def _start(cell, size, back):
    """Return the voxel a coordinate lies in, the step along the ray, and the number of the first face."""
    index = min(max(int(np.floor(cell)), 0), size - 1)
    if back > 0.0:
        return index, 1, index + 1
    return index, -1, index


@njit(cache=True, error_model="numpy")
def _trace(rsp, cell_x, cell_y, cell_z, slope_x, slope_y, slope_z):
    """Add up rsp times path length from a point, in units of voxels, to the edge of the grid.

    A slope is the path length [mm] between two faces, signed as the ray runs; infinite if it never does.
    The path to a face is computed from the face's number each time, so that rounding does not add up.
    """
    planes, rows, columns = rsp.shape
    x, step_x, face_x = _start(cell_x, columns, slope_x)
    y, step_y, face_y = _start(cell_y, rows, slope_y)
    z, step_z, face_z = _start(cell_z, planes, slope_z)
    next_x = (face_x - cell_x) * slope_x if slope_x < math.inf else math.inf
    next_y = (face_y - cell_y) * slope_y if slope_y < math.inf else math.inf
    next_z = (face_z - cell_z) * slope_z if slope_z < math.inf else math.inf
    total = 0.0
    here = 0.0
    while True:
        ratio = rsp[z, y, x]
        if next_x <= next_y and next_x <= next_z:
            there = next_x
            x += step_x
            face_x += step_x
            next_x = (face_x - cell_x) * slope_x
        elif next_y <= next_z:
            there = next_y
            y += step_y
            face_y += step_y
            next_y = (face_y - cell_y) * slope_y
        else:
            there = next_z
            z += step_z
            face_z += step_z
            next_z = (face_z - cell_z) * slope_z
        if there > here:
            total += (there - here) * ratio
            here = there
        if x < 0 or x >= columns or y < 0 or y >= rows or z < 0 or z >= planes:
            return total


@njit(parallel=True, cache=True, error_model="numpy")
def water_equivalent_depth(rsp, lower, spacing, position, direction, out):
    """Trace every point upstream along every field.

    Parameters
    ----------
    rsp : (z, y, x) float32 [1]
    lower : (3,) float64 [mm]
        Corner (x, y, z) of the grid.
    spacing : (3,) float64 [mm]
        Voxel edges along x, y, z.
    position : (point, 3) float64 [mm]
        Points (x, y, z) inside the grid.
    direction : (field, 3) float64 [1]
        Unit vectors along the beams.
    out : (field, point) float64 [mm]
        Overwritten.

    References
    ----------
    Siddon, Med Phys 12 (1985) 252, doi:10.1118/1.595715; the stepping is that of Amanatides and Woo,
    Eurographics 1987.
    """
    for point in prange(position.shape[0]):
        cell_x = (position[point, 0] - lower[0]) / spacing[0]
        cell_y = (position[point, 1] - lower[1]) / spacing[1]
        cell_z = (position[point, 2] - lower[2]) / spacing[2]
        for field in range(direction.shape[0]):
            # upstream is against the direction; an exact zero never crosses a face
            slope_x = -spacing[0] / direction[field, 0] if direction[field, 0] != 0.0 else math.inf
            slope_y = -spacing[1] / direction[field, 1] if direction[field, 1] != 0.0 else math.inf
            slope_z = -spacing[2] / direction[field, 2] if direction[field, 2] != 0.0 else math.inf
            out[field, point] = _trace(rsp, cell_x, cell_y, cell_z, slope_x, slope_y, slope_z)
