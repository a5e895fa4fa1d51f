"""Slow twin of doseplan/kernels/contours.py."""

import math


def contour_distance(contours, y, x):
    """Signed distance of one position to closed contours of vertices (y, x), by trying every edge."""
    nearest, inside = math.inf, False
    for contour in contours:
        for (ay, ax), (by, bx) in zip(contour, [*contour[1:], contour[0]], strict=True):
            length = (by - ay) ** 2 + (bx - ax) ** 2
            along = 0.0 if length == 0.0 else ((y - ay) * (by - ay) + (x - ax) * (bx - ax)) / length
            along = min(max(along, 0.0), 1.0)
            nearest = min(nearest, math.hypot(y - ay - along * (by - ay), x - ax - along * (bx - ax)))
            if (ay > y) != (by > y) and ax + (y - ay) * (bx - ax) / (by - ay) > x:
                inside = not inside
    return -nearest if inside else nearest
