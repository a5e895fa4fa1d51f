"""Slow twins of doseplan/kernels/distance.py."""

import math


def nearest_distance(points, position):
    """Distance from a position to the nearest of the points, by trying all."""
    return min(math.dist(point, position) for point in points)


def surface_distance(points, normals, position, tolerance):
    """Signed distance of one position to the surface, from the nearest of all points."""
    index = min(range(len(points)), key=lambda i: math.dist(points[i], position))
    along = sum((p - q) * n for p, q, n in zip(position, points[index], normals[index], strict=True))
    squared = math.dist(points[index], position) ** 2
    return math.copysign(max(abs(along), math.sqrt(max(squared - tolerance**2, 0.0))), along)
