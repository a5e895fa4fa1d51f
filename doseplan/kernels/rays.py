"""What ions meet along parallel rays: water-equivalent depth, and the moments that widen a beam."""

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, error_model="numpy")
def _entrance_exit(start, direction, lower, spacing, matter):
    """Find where a ray enters and leaves the grid [mm along the ray]; enters behind the exit if it misses."""
    enter = -math.inf
    leave = math.inf
    for axis in range(3):
        low = lower[axis]
        high = low + spacing[axis] * matter.shape[2 - axis]
        if direction[axis] == 0.0:
            if start[axis] < low or start[axis] >= high:
                return 0.0, -1.0
            continue
        one = (low - start[axis]) / direction[axis]
        two = (high - start[axis]) / direction[axis]
        enter = max(enter, min(one, two))
        leave = min(leave, max(one, two))
    return enter, leave


@njit(cache=True, error_model="numpy", inline="always")
def _face(index, direction, start, lower, spacing):
    """Return where the ray leaves a voxel along one axis, computed from the face's number."""
    if direction == 0.0:
        return math.inf
    face = index + 1 if direction > 0.0 else index
    return (lower + face * spacing - start) / direction


@njit(parallel=True, cache=True, error_model="numpy")
def trace_rays(matter, lower, spacing, start, direction, first_mm, step_mm, reference_range, out):
    """Follow every ray downstream, voxel by voxel, and note at even steps what its ions have met.

    Parameters
    ----------
    matter : (z, y, x, 3) float32 [1]
        Stopping power, scattering power and reactions per length, relative to water.
    lower : (3,) float64 [mm]
        Corner (x, y, z) of the grid.
    spacing : (3,) float64 [mm]
        Voxel edges along x, y, z.
    start : (ray, 3) float64 [mm]
        A point of each ray.
    direction : (ray, 3) float64 [1]
        Unit vectors downstream.
    first_mm, step_mm : float64
        Nodes lie at first_mm + k step_mm along the ray from its point.
    reference_range : (ray,) float64 [mm]
        Scattering power is taken to go with 1 / (reference_range - depth).
    out : (ray, node, 4) float32
        Overwritten: water-equivalent depth [mm]; lateral variance by scattering, per unit of scattering
        power times range [mm2]; mean squared distance of the reactions upstream [mm2]; depth that would
        give as many reactions in water [mm].

    References
    ----------
    Siddon, Med Phys 12 (1985) 252, doi:10.1118/1.595715. Moments after Fermi and Eyges: Eyges, Phys Rev 74
    (1948) 1534, doi:10.1103/PhysRev.74.1534.
    """
    planes, rows, columns = matter.shape[:3]
    nodes = out.shape[1]
    for ray in prange(start.shape[0]):
        out[ray] = 0.0
        origin = start[ray]
        along = direction[ray]
        here, leave = _entrance_exit(origin, along, lower, spacing, matter)
        if here >= leave:
            continue
        x = min(
            max(int(np.floor((origin[0] + here * along[0] - lower[0]) / spacing[0] + 1e-9)), 0), columns - 1
        )
        y = min(max(int(np.floor((origin[1] + here * along[1] - lower[1]) / spacing[1] + 1e-9)), 0), rows - 1)
        z = min(
            max(int(np.floor((origin[2] + here * along[2] - lower[2]) / spacing[2] + 1e-9)), 0), planes - 1
        )
        node = max(int(np.ceil((here - first_mm) / step_mm)), 0)
        depth, angle, covariance, position = 0.0, 0.0, 0.0, 0.0
        reactions, lever, squared = 0.0, 0.0, 0.0
        while True:
            inside = 0 <= x < columns and 0 <= y < rows and 0 <= z < planes
            if inside:
                next_x = _face(x, along[0], origin[0], lower[0], spacing[0])
                next_y = _face(y, along[1], origin[1], lower[1], spacing[1])
                next_z = _face(z, along[2], origin[2], lower[2], spacing[2])
                there = max(min(next_x, next_y, next_z), here)
                stopping = np.float64(matter[z, y, x, 0])
                scattering = np.float64(matter[z, y, x, 1])
                rate = np.float64(matter[z, y, x, 2])
            else:
                next_x, next_y, next_z = 0.0, 0.0, 0.0
                there, stopping, scattering, rate = math.inf, 0.0, 0.0, 0.0
            length = there - here
            middle = depth + 0.5 * stopping * length if inside else depth
            power = scattering / max(reference_range[ray] - middle, 1.0)
            while node < nodes:
                reached = first_mm + node * step_mm - here
                if reached > length:
                    break
                total = reactions + rate * reached
                out[ray, node, 0] = depth + stopping * reached
                out[ray, node, 1] = position + reached * (
                    2.0 * covariance + reached * (angle + power * reached / 3.0)
                )
                if total > 0.0:
                    far = squared + reached * (2.0 * lever + reached * (reactions + rate * reached / 3.0))
                    out[ray, node, 2] = far / total
                out[ray, node, 3] = total
                node += 1
            if not inside or node >= nodes:
                break
            position += length * (2.0 * covariance + length * (angle + power * length / 3.0))
            covariance += length * (angle + 0.5 * power * length)
            angle += power * length
            squared += length * (2.0 * lever + length * (reactions + rate * length / 3.0))
            lever += length * (reactions + 0.5 * rate * length)
            reactions += rate * length
            depth += stopping * length
            here = there
            if next_x <= next_y and next_x <= next_z:
                x += 1 if along[0] > 0.0 else -1
            elif next_y <= next_z:
                y += 1 if along[1] > 0.0 else -1
            else:
                z += 1 if along[2] > 0.0 else -1
