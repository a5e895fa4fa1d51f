"""Rows of the voxel model: distances to surfaces and to contours."""

from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from doseplan.kernels.contours import contour_distance
from doseplan.kernels.distance import nearest_points, surface_distance

from .table import Row, Work
from .twins import twins

AXES_MM = np.array([24.0, 36.0, 54.0])
NODE_MM = 2.0


@cache
def _ellipsoid(points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points spread evenly over an ellipsoid, with normals, neighbours and nearest points of nodes."""
    k = np.arange(points) + 0.5
    polar, turn = np.arccos(1 - 2 * k / points), np.pi * (1 + 5**0.5) * k
    unit = np.column_stack([np.cos(polar), np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn)])
    surface, normals = unit * AXES_MM, unit / AXES_MM
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    neighbours = cKDTree(surface).query(surface, k=12)[1].astype(np.int32)
    origin = -AXES_MM - 4.0 * NODE_MM
    nearest = np.empty(tuple(np.ceil(-2.0 * origin / NODE_MM).astype(int) + 1), np.int32)
    nearest_points((surface - origin) / NODE_MM, nearest, np.empty(nearest.shape))
    return surface, normals, neighbours, nearest, origin


def distance(*, points: int = 6_000, positions: int = 4_000) -> Work:
    """Signed distance of positions to a surface; the ways give (position,) [mm].

    `scipy` is a search tree and the plane through the nearest point. The surface fits into a core's own
    cache: the next one is shared with other programs, which made the ratio half of what it was.
    """
    surface, normals, neighbours, nearest, origin = _ellipsoid(points)
    spread = float(np.sqrt(1.2 * np.pi * 6.0 * AXES_MM[0] * AXES_MM[2] / points))
    where = np.random.default_rng(7).uniform(origin, -origin, (positions, 3))
    # line by line, as voxels come
    where = where[np.lexsort((where[:, 2], *np.floor(where[:, 1::-1] / NODE_MM).T))]
    out, clear = np.empty(positions), np.empty(positions, bool)

    def kernel() -> np.ndarray:
        surface_distance(where, surface, normals, neighbours, nearest, origin, NODE_MM, spread, clear, out)
        return out

    tree = cKDTree(surface)

    def with_scipy() -> np.ndarray:
        away, found = tree.query(where)
        along = ((where - surface[found]) * normals[found]).sum(axis=1)
        beyond = np.sqrt(np.maximum(away**2 - spread**2, 0.0))
        return np.asarray(np.copysign(np.maximum(np.abs(along), beyond), along))

    def naive() -> np.ndarray:
        twin = twins("naive_distance").surface_distance
        return np.array([twin(surface, normals, position, spread) for position in where])

    return Work(ways={"kernel": kernel, "scipy": with_scipy, "naive": naive}, pieces=positions)


def contours(*, nodes: int = 160, planes: int = 8) -> Work:
    """Signed distance of lattice nodes to a star of 60 edges in each plane; the ways give all nodes [mm]."""
    angle = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    radius = np.where(np.arange(60) % 2, 20.0, 33.0)
    star = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    low, pitch = np.array([-40.0, -40.0]), 80.0 / nodes
    position = np.concatenate([star] * planes)
    start, plane_start = 60 * np.arange(planes + 1), np.arange(planes + 1)
    out = np.empty((planes, nodes, nodes))

    def kernel() -> np.ndarray:
        contour_distance(position, start, plane_start, low, pitch, out)
        return out

    def naive() -> np.ndarray:
        twin, line = twins("naive_contours").contour_distance, pitch * np.arange(nodes)
        one = [[twin([star.tolist()], low[0] + y, low[1] + x) for x in line] for y in line]
        return np.array([one] * planes)

    return Work(ways={"kernel": kernel, "naive": naive}, pieces=60.0 * out.size)


ANATOMY_ROWS = {
    # the walk may stop at another point that is as near: planes through both differ by less than this
    "distance": Row(
        prepare=distance,
        unit="position",
        tolerance=0.02,
        small={"positions": 20},
        growth={"positions": (2_000, 4_000, 8_000)},
    ),
    # float64, the same formula
    "contours": Row(
        prepare=contours,
        unit="edge and node",
        tolerance=1e-12,
        small={"nodes": 12, "planes": 1},
        growth={"planes": (2, 4, 8)},
    ),
}
