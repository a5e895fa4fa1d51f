"""Nearest point of a surface that is given by many points with normals."""

import math

import numpy as np
from numba import njit, prange

ALLOWANCE = 0.5
"""A search starts at each point at most this part of the node spacing further than the nearest start; further
out it may be less, as a wrong start then costs less."""

ALIKE = 0.8
"""[1] points with normals of at least this product lie on one sheet of the surface."""

CLEAR = 0.5
"""[1] cosine of the largest angle between normal and position at which the normal tells the sign."""

CLEAR_WITHIN = 2.0
"""[mm] further out the nearest point may be missed, so that its normal does not tell the sign."""


@njit(cache=True, error_model="numpy")
def _offer(points, point, z, y, x, nearest, squared):
    """Keep the point in the node if it is nearer than the one kept so far; lattice units."""
    if point == nearest[z, y, x] or point < 0:
        return
    dz = points[point, 0] - z
    dy = points[point, 1] - y
    dx = points[point, 2] - x
    candidate = dz * dz + dy * dy + dx * dx
    if candidate < squared[z, y, x]:
        squared[z, y, x] = candidate
        nearest[z, y, x] = point


@njit(cache=True, error_model="numpy")
def nearest_points(points, nearest, squared):
    """Find for every node of a lattice the nearest surface point, by sweeps in the eight directions.

    Serial, as each node builds on the one before it. The method is the vector distance transform of
    Danielsson (10.1016/0146-664X(80)90054-4); a node may keep a point that
    is only near the nearest, so that a search starts there and walks on.

    Parameters
    ----------
    points : (point, 3) float64
        Surface points (z, y, x) in units of the lattice, from its first node.
    nearest : (z, y, x) int32
        Overwritten with the index of the nearest point, -1 if there are no points.
    squared : (z, y, x) float64
        Overwritten with the squared distance to it.
    """
    nz, ny, nx = nearest.shape
    nearest[:] = -1
    squared[:] = np.inf
    for point in range(points.shape[0]):
        z0 = math.floor(points[point, 0])
        y0 = math.floor(points[point, 1])
        x0 = math.floor(points[point, 2])
        for z in range(max(z0, 0), min(z0 + 2, nz)):
            for y in range(max(y0, 0), min(y0 + 2, ny)):
                for x in range(max(x0, 0), min(x0 + 2, nx)):
                    _offer(points, point, z, y, x, nearest, squared)
    for sweep in range(8):
        step_z = 1 - 2 * (sweep & 1)
        step_y = 1 - (sweep & 2)
        step_x = 1 - ((sweep & 4) >> 1)
        for i in range(nz):
            z = i if step_z > 0 else nz - 1 - i
            for j in range(ny):
                y = j if step_y > 0 else ny - 1 - j
                for k in range(nx):
                    x = k if step_x > 0 else nx - 1 - k
                    if i > 0:
                        _offer(points, nearest[z - step_z, y, x], z, y, x, nearest, squared)
                    if j > 0:
                        _offer(points, nearest[z, y - step_y, x], z, y, x, nearest, squared)
                    if k > 0:
                        _offer(points, nearest[z, y, x - step_x], z, y, x, nearest, squared)


@njit(cache=True, error_model="numpy")
def _walk(points, neighbours, point, pz, py, px):
    """Go from a surface point to the nearest of its neighbours until none is nearer to the position."""
    dz, dy, dx = pz - points[point, 0], py - points[point, 1], px - points[point, 2]
    best = dz * dz + dy * dy + dx * dx
    while True:
        here = point
        for slot in range(neighbours.shape[1]):
            other = neighbours[here, slot]
            dz, dy, dx = pz - points[other, 0], py - points[other, 1], px - points[other, 2]
            squared = dz * dz + dy * dy + dx * dx
            if squared < best:
                best = squared
                point = other
        if point == here:
            return point, best


@njit(cache=True, error_model="numpy")
def _kept(nearest, z0, y0, x0, corner):
    """Look up the point of one of the eight nodes around a position."""
    nz, ny, nx = nearest.shape
    z = min(z0 + (corner & 1), nz - 1)
    y = min(y0 + ((corner & 2) >> 1), ny - 1)
    x = min(x0 + ((corner & 4) >> 2), nx - 1)
    return nearest[z, y, x]


@njit(cache=True, error_model="numpy")
def _squared(points, point, pz, py, px):
    """Square the distance from a position to a surface point."""
    dz, dy, dx = pz - points[point, 0], py - points[point, 1], px - points[point, 2]
    return dz * dz + dy * dy + dx * dx


@njit(cache=True, error_model="numpy")
def _same_sheet(points, normals, start, found, reach):
    """Tell whether a walk from one point would end where that from another ended: near it, facing alike."""
    if start < 0 or start == found:
        return True
    dz = points[start, 0] - points[found, 0]
    dy = points[start, 1] - points[found, 1]
    dx = points[start, 2] - points[found, 2]
    if dz * dz + dy * dy + dx * dx > reach * reach:
        return False
    alike = (
        normals[start, 0] * normals[found, 0]
        + normals[start, 1] * normals[found, 1]
        + normals[start, 2] * normals[found, 2]
    )
    return alike > ALIKE


@njit(parallel=True, cache=True, error_model="numpy")
def surface_distance(position, points, normals, neighbours, nearest, origin, spacing, tolerance, clear, out):
    """Measure the signed distance of positions to a surface, negative inside.

    The search starts at the nearest of the points kept in the eight nodes around a position and walks on
    over the surface; then at those of the others that are about as near and lie on another sheet. The
    distance to the tangent plane of the nearest point counts as long as the foot lies within `tolerance` of
    the point; further out (beyond an edge) the distance to the point itself takes over. The sign is that
    along the normal; it is clear near the surface, within `CLEAR` of the normal's direction, where the
    normals of all neighbours tell the same.

    Parameters
    ----------
    position : (position, 3) float64 [mm]
        (z, y, x).
    points, normals : (point, 3) float64 [mm], [1]
        Surface points (z, y, x) and unit normals.
    neighbours : (point, slot) int32
        Surface points around each surface point.
    nearest : (z, y, x) int32
        Surface point near each node.
    origin : (3,) float64 [mm]
        First node (z, y, x).
    spacing : float [mm]
        Spacing of the nodes.
    tolerance : float [mm]
        Spacing of the surface points.
    clear : (position,) bool
        Overwritten: whether the sign can be trusted; near edges it can't.
    out : (position,) float64 [mm]
        Overwritten; positions outside the lattice take the nodes nearest to them.
    """
    nz, ny, nx = nearest.shape
    for row in prange(out.size):
        pz, py, px = position[row, 0], position[row, 1], position[row, 2]
        z0 = min(max(math.floor((pz - origin[0]) / spacing), 0), nz - 1)
        y0 = min(max(math.floor((py - origin[1]) / spacing), 0), ny - 1)
        x0 = min(max(math.floor((px - origin[2]) / spacing), 0), nx - 1)
        found = -1
        best = np.inf
        for corner in range(8):
            point = _kept(nearest, z0, y0, x0, corner)
            if point >= 0 and point != found:
                squared = _squared(points, point, pz, py, px)
                if squared < best:
                    best = squared
                    found = point
        if found >= 0:
            found, best = _walk(points, neighbours, found, pz, py, px)
            nearby = math.sqrt(best)
            limit = (nearby + ALLOWANCE * spacing * min(1.0, 2.0 * spacing / max(nearby, spacing))) ** 2
            for corner in range(8):
                start = _kept(nearest, z0, y0, x0, corner)
                if _same_sheet(points, normals, start, found, spacing):
                    continue
                if _squared(points, start, pz, py, px) > limit:
                    continue
                point, squared = _walk(points, neighbours, start, pz, py, px)
                if squared < best:
                    best = squared
                    found = point
        if found < 0:
            out[row] = np.inf
            clear[row] = True
            continue
        along = (
            (pz - points[found, 0]) * normals[found, 0]
            + (py - points[found, 1]) * normals[found, 1]
            + (px - points[found, 2]) * normals[found, 2]
        )
        away = max(abs(along), math.sqrt(max(best - tolerance * tolerance, 0.0)))
        out[row] = math.copysign(away, along)
        clear[row] = abs(along) >= CLEAR * away and away <= CLEAR_WITHIN
        for slot in range(neighbours.shape[1]):
            other = neighbours[found, slot]
            beside = (
                (pz - points[other, 0]) * normals[other, 0]
                + (py - points[other, 1]) * normals[other, 1]
                + (px - points[other, 2]) * normals[other, 2]
            )
            if beside * along <= 0.0:
                clear[row] = False
