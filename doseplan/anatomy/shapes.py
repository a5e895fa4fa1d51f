"""Smooth shapes as implicit functions: negative inside, near the surface the distance to it [mm].

All functions take arrays that broadcast against each other and return the broadcast array.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Shape: TypeAlias = Callable[[Array, Array, Array], Array]
"""Implicit function of z, y, x [mm]."""

_TINY = 1e-9


def ellipse(u: Array, v: Array, a: Array | float, b: Array | float, power: float = 2.0) -> Array:
    """First-order distance to the (super-)ellipse `|u/a|^power + |v/b|^power = 1`.

    The implicit function divided by the length of its gradient (Taubin 1991, 10.1109/34.103273).
    """
    if power == 2.0:
        p, q = u / a, v / b
        radius = np.sqrt(p * p + q * q) + _TINY
        gradient = np.sqrt((p / a) ** 2 + (q / b) ** 2) / radius + _TINY
        return np.asarray((radius - 1.0) / gradient)
    p, q = np.abs(u / a) + _TINY, np.abs(v / b) + _TINY
    pp, qq = p ** (power - 1.0), q ** (power - 1.0)
    radius = (p * pp + q * qq) ** (1.0 / power)
    gradient = np.sqrt((pp / a) ** 2 + (qq / b) ** 2) * radius ** (1.0 - power)
    return np.asarray((radius - 1.0) / gradient)


def oblique_ellipse(u: Array, v: Array, uu: Array | float, vv: Array | float, uv: Array | float) -> Array:
    """First-order distance to the ellipse with the shape matrix [[uu, uv], [uv, vv]] [mm2].

    The matrix is R diag(a^2, b^2) R^T; pi times the root of its determinant is the area.
    """
    determinant = uu * vv - uv * uv
    p = (vv * u - uv * v) / determinant
    q = (uu * v - uv * u) / determinant
    radius = np.sqrt(np.maximum(u * p + v * q, 0.0)) + _TINY
    gradient = np.sqrt(p * p + q * q) / radius + _TINY
    return np.asarray((radius - 1.0) / gradient)


def ellipsoid(u: Array, v: Array, w: Array, axes: tuple[float, float, float]) -> Array:
    """First-order distance to an ellipsoid with the semi-axes along u, v, w."""
    p, q, r = u / axes[0], v / axes[1], w / axes[2]
    radius = np.sqrt(p * p + q * q + r * r) + _TINY
    gradient = np.sqrt((p / axes[0]) ** 2 + (q / axes[1]) ** 2 + (r / axes[2]) ** 2) / radius + _TINY
    return np.asarray((radius - 1.0) / gradient)


def capsule(
    z: Array,
    y: Array,
    x: Array,
    ends: tuple[tuple[float, float, float], tuple[float, float, float]],
    radius: float,
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Array:
    """Distance to a straight rod with round ends; `stretch` widens it along z, y, x.

    Parameters
    ----------
    ends : two points (z, y, x) [mm]
    radius : [mm]
    """
    a = [end / s for end, s in zip(ends[0], stretch, strict=True)]
    d = [end / s - start for end, s, start in zip(ends[1], stretch, a, strict=True)]
    pz, py, px = z / stretch[0] - a[0], y / stretch[1] - a[1], x / stretch[2] - a[2]
    length = sum(part * part for part in d)
    along = np.clip((pz * d[0] + py * d[1] + px * d[2]) / length, 0.0, 1.0)
    rz, ry, rx = pz - along * d[0], py - along * d[1], px - along * d[2]
    distance = np.sqrt(rz * rz + ry * ry + rx * rx) + _TINY
    if stretch == (1.0, 1.0, 1.0):
        return np.asarray(distance - radius)
    gradient = (
        np.sqrt((rz / stretch[0]) ** 2 + (ry / stretch[1]) ** 2 + (rx / stretch[2]) ** 2) / distance + _TINY
    )
    return np.asarray((distance - radius) / gradient)


def slab(z: Array, low: Array | float, high: Array | float) -> Array:
    """Distance to the slab between two planes."""
    return np.asarray(np.maximum(low - z, z - high))


def union(first: Array, second: Array, blend: float = 0.0) -> Array:
    """Join two shapes; `blend` [mm] rounds the edge between them (Quilez's polynomial minimum)."""
    if blend == 0.0:
        return np.asarray(np.minimum(first, second))
    share = np.clip(0.5 + 0.5 * (second - first) / blend, 0.0, 1.0)
    return np.asarray(second + (first - second) * share - blend * share * (1.0 - share))


def common(first: Array, second: Array, blend: float = 0.0) -> Array:
    """Keep what two shapes have in common; `blend` [mm] rounds the edge between them."""
    return -union(-first, -second, blend)


def without(first: Array, second: Array, blend: float = 0.0) -> Array:
    """Cut the second shape out of the first."""
    return common(first, -second, blend)


def smooth_step(value: Array, low: float, high: float) -> Array:
    """Rise from 0 at `low` to 1 at `high` with a continuous second derivative (Perlin)."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * t * (t * (6.0 * t - 15.0) + 10.0))
