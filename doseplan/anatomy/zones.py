"""Staging zones and levels as shapes: WBB sectors around the canal, slabs of the levels, layers of bone.

Zones count counter-clockwise as seen from the feet (the patient's left on the right of the picture, the front
above): 1 is the patient's left half of the spinous process, 4 to 9 hold the body, 12 is the right half of the
spinous process, as in the review by Matsumoto. The paper of 1997 numbers them clockwise.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.shapes import Array, Shape, common, slab, union, without
from doseplan.anatomy.spine import Placed, arch, body, canal

ZONES = 12
SECTOR_DEG = 360.0 / ZONES

LAYERS = "ABCDE"
"""A soft tissue outside the bone, B superficial and C deep bone, D epidural space, E inside the dura."""


def zone_of(x: Array, y: Array) -> NDArray[np.uint8]:
    """Find the WBB zone of points, seen from the middle of the canal.

    Parameters
    ----------
    x, y : [mm]
        To the patient's left and back.
    """
    angle = np.degrees(np.arctan2(x, y)) % 360.0
    return (np.minimum(angle // SECTOR_DEG, ZONES - 1) + 1).astype(np.uint8)


def sectors(zones: tuple[int, ...]) -> Shape:
    """Wedges of some zones around the z axis, without end outwards; the distance is that to their planes."""
    wedges = [(SECTOR_DEG * (first - 1), SECTOR_DEG * last) for first, last in _runs(zones)]

    def shape(z: Array, y: Array, x: Array) -> Array:
        found = np.full(np.broadcast_shapes(np.shape(y), np.shape(x)), math.inf)
        for start, end in wedges:
            found = union(found, _wedge(y, x, start, end))
        return np.broadcast_to(found, np.broadcast_shapes(np.shape(z), found.shape))

    return shape


def _runs(zones: tuple[int, ...]) -> list[tuple[int, int]]:
    """Join neighbouring zones; a run that crosses from 12 to 1 ends beyond 12."""
    chosen = sorted(set(zones))
    if len(chosen) == ZONES:
        return [(1, ZONES)]
    starts = [zone for zone in chosen if (zone - 2) % ZONES + 1 not in chosen]
    return [
        (start, next(start + n for n in itertools.count() if (start + n) % ZONES + 1 not in chosen))
        for start in starts
    ]


def _wedge(y: Array, x: Array, start_deg: float, end_deg: float) -> Array:
    if end_deg - start_deg >= 360.0:
        return np.full(np.broadcast_shapes(np.shape(y), np.shape(x)), -math.inf)
    first, last = math.radians(start_deg), math.radians(end_deg)
    after = y * math.sin(first) - x * math.cos(first)
    before = x * math.cos(last) - y * math.sin(last)
    return common(after, before) if end_deg - start_deg <= 180.0 else union(after, before)


def level_ends(placed: Placed, levels: tuple[Placed, ...]) -> tuple[float, float]:
    """Give the heights that belong to a level: from the middle of the disc below to that above [mm]."""
    index = levels.index(placed)
    above = levels[index - 1] if index else placed
    return placed.lower - placed.level.disc_below.mm / 2, placed.upper + above.level.disc_below.mm / 2


def level_slab(placed: Placed, levels: tuple[Placed, ...], z: Array) -> Array:
    """Slab of a level, between the middles of its discs."""
    return slab(z, *level_ends(placed, levels))


def layer(
    name: str, placed: Placed, levels: tuple[Placed, ...], soft_tissue_mm: float, z: Array, y: Array, x: Array
) -> Array:
    """Layer A to D of a level; the dura is not yet cut out of D, nor the slab of the level."""
    hollow = canal(levels, z, y, x)
    if name == "D":
        return hollow
    whole = union(body(placed, z, y, x), arch(placed, levels, z, y, x), 2.0)
    if name == "A":
        return without(common(-whole, whole - soft_tissue_mm), hollow)
    deep = (hollow + whole) / 2
    return common(without(whole, hollow), deep if name == "C" else -deep)


def placed_level(levels: tuple[Placed, ...], name: str) -> Placed:
    """Find a level by its name."""
    return next(placed for placed in levels if placed.level.name == name)
