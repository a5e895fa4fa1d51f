"""Signed distances to contours within their planes."""

import math

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True, error_model="numpy")
def contour_distance(position, start, plane_start, low, pitch, out):
    """Measure signed distances to the contours of each plane, negative inside by the even-odd rule.

    Parameters
    ----------
    position : (point, 2) float64
        Vertices (y, x) of closed contours [mm]; the last joins the first.
    start : (contour + 1,) int64
        First vertex of each contour.
    plane_start : (plane + 1,) int64
        First contour of each plane.
    low : (2,) float64
        First node along y and x [mm].
    pitch : float
        Spacing of the nodes [mm].
    out : (plane, y, x) float64
        Overwritten with the distances [mm]; infinite where a plane has no contour.
    """
    for task in prange(out.shape[0] * out.shape[1]):
        plane = task // out.shape[1]
        row = task % out.shape[1]
        y = low[0] + pitch * row
        for column in range(out.shape[2]):
            x = low[1] + pitch * column
            nearest = np.inf
            inside = False
            for contour in range(plane_start[plane], plane_start[plane + 1]):
                first = start[contour]
                last = start[contour + 1]
                by = position[last - 1, 0] - y
                bx = position[last - 1, 1] - x
                for point in range(first, last):
                    ay = by
                    ax = bx
                    by = position[point, 0] - y
                    bx = position[point, 1] - x
                    ey = by - ay
                    ex = bx - ax
                    length = ey * ey + ex * ex
                    along = 0.0
                    if length > 0.0:
                        along = min(max(-(ay * ey + ax * ex) / length, 0.0), 1.0)
                    dy = ay + along * ey
                    dx = ax + along * ex
                    squared = dy * dy + dx * dx
                    if squared < nearest:
                        nearest = squared
                    if (ay > 0.0) != (by > 0.0) and ax - ay * ex / ey > 0.0:
                        inside = not inside
            away = math.sqrt(nearest)
            out[plane, row, column] = -away if inside else away
