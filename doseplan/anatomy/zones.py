"""Staging zones and levels as shapes: WBB sectors around the canal, slabs of the levels, layers of bone.

Zones count counter-clockwise as seen from the feet (the patient's left on the right of the picture, the front
above): 1 is the patient's left half of the spinous process, 4 to 9 hold the body, 12 is the right half of the
spinous process, as in the review by Matsumoto. The paper of 1997 numbers them clockwise.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.shapes import Array, Shape, common, slab, smooth_step, union, without
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


def layers_of_bone(
    names: tuple[str, ...],
    placed: Placed,
    levels: tuple[Placed, ...],
    soft_tissue_mm: float,
    z: Array,
    y: Array,
    x: Array,
) -> Array:
    """Layers A to D of a level; the dura is not yet cut out of D, nor the slab of the level out of any.

    Each layer ends where the next begins, from the canal outwards; neighbours are joined without a seam.
    """
    hollow = canal(levels, z, y, x)
    whole = union(body(placed, z, y, x), arch(placed, levels, z, y, x), 2.0)
    deep = hollow - deep_reach_mm(x, y, *deep_mm(placed))
    solids = {
        "D": hollow,
        "C": union(hollow, common(whole, deep)),
        "B": union(hollow, whole),
        "A": union(hollow, whole - soft_tissue_mm),
    }
    order = list(solids)
    found = None
    for first, last in _joined_layers(names, order):
        run = solids[order[last]]
        if first > 0:
            run = without(run, solids[order[first - 1]])
        found = run if found is None else union(found, run)
    assert found is not None, "a cell has a layer"
    return found


def _joined_layers(names: tuple[str, ...], order: list[str]) -> list[tuple[int, int]]:
    """Join neighbouring layers: first and last of each run, from the canal outwards."""
    numbers = sorted({order.index(name) for name in names})
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def deep_mm(placed: Placed) -> tuple[float, float]:
    """Give how far deep bone reaches from the canal: half the body in front, half the lamina behind.

    Returns
    -------
    front, behind : [mm]
    """
    level = placed.level
    depth = (level.endplate_depth_upper.mm + level.endplate_depth_lower.mm) / 2
    return depth / 2, level.lamina_thickness.mm / 2


def deep_reach_mm(x: Array, y: Array, front: float | Array, behind: float | Array) -> Array:
    """How far deep bone reaches from the canal in the direction of a point; it changes over beside the canal.

    Parameters
    ----------
    x, y : [mm]
        From the middle of the canal.
    """
    aside = np.degrees(np.abs(np.arctan2(x, y)))
    share = smooth_step(aside, 90.0, 135.0).astype(np.result_type(x, np.float32))
    return behind + (front - behind) * share


def placed_level(levels: tuple[Placed, ...], name: str) -> Placed:
    """Find a level by its name."""
    return next(placed for placed in levels if placed.level.name == name)
