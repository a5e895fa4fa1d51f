"""Vertebrae, discs and canal as implicit shapes; both sides are mirror images."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from doseplan.anatomy.shapes import Array, capsule, common, ellipse, slab, union, without
from doseplan.case.anatomy_spec import Anatomy, Level

_BODY_POWER = 2.6
"""Super-ellipse of a vertebral body in the axial plane: flatter sides than an ellipse (assumed)."""

TABLE_STEP_MM = 0.1
"""Step of tables along z; what is tabulated changes over centimetres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A level with its place: middle, upper and lower end of the body on its axis [mm]."""

    level: Level
    middle: float
    upper: float
    lower: float


def place_levels(anatomy: Anatomy) -> tuple[Placed, ...]:
    """Stack the levels, so that z = 0 is the middle of the disc below `origin_below`."""
    heights = [
        (level.body_height_anterior.mm + level.body_height_posterior.mm) / 2 for level in anatomy.level
    ]
    tops, z, origin = [], 0.0, 0.0
    for level, height in zip(anatomy.level, heights, strict=True):
        tops.append(z)
        z -= height + level.disc_below.mm
        if level.name == anatomy.origin_below:
            origin = z + level.disc_below.mm / 2
    return tuple(
        Placed(level=level, middle=top - origin - height / 2, upper=top - origin, lower=top - origin - height)
        for level, top, height in zip(anatomy.level, tops, heights, strict=True)
    )


def along_spine(levels: tuple[Placed, ...], name: str, z: Array) -> Array:
    """Interpolate a length of the levels along z, smooth and without overshoot; constant beyond the ends."""
    middles = np.array([placed.middle for placed in levels][::-1])
    values = np.array([getattr(placed.level, name).mm for placed in levels][::-1])
    if len(middles) == 1:
        return np.full_like(z, values[0], dtype=np.float64)
    nodes = np.linspace(middles[0], middles[-1], 1 + math.ceil((middles[-1] - middles[0]) / TABLE_STEP_MM))
    return np.asarray(np.interp(z, nodes, PchipInterpolator(middles, values)(nodes)))


def canal(levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Spinal canal: an ellipse of the levels' depth and width, the middle on the z axis."""
    depth, width = along_spine(levels, "canal_depth", z), along_spine(levels, "canal_width", z)
    return ellipse(x, y, width / 2, depth / 2)


def foramina(levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Intervertebral foramina of both sides, below each pedicle."""
    shape = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), 1e3)
    for placed in levels:
        centre = placed.lower + 1.0
        reach = placed.level.canal_width.mm / 2
        shape = union(
            shape,
            capsule(
                z,
                y,
                np.abs(x),
                ((centre, 0.0, reach - 4.0), (centre, -1.0, reach + 9.0)),
                4.5,
                (1.5, 1.0, 1.0),
            ),
        )
    return shape


def body(placed: Placed, z: Array, y: Array, x: Array) -> Array:
    """Vertebral body with waist, wedge and rounded end plates, not yet cut by the canal."""
    level = placed.level
    share = np.clip((z - placed.lower) / (placed.upper - placed.lower), 0.0, 1.0)
    waist = 1.0 - level.body_waist.percent / 100.0 * (1.0 - (2.0 * share - 1.0) ** 2)
    width = level.endplate_width_lower.mm + share * (
        level.endplate_width_upper.mm - level.endplate_width_lower.mm
    )
    depth = level.endplate_depth_lower.mm + share * (
        level.endplate_depth_upper.mm - level.endplate_depth_lower.mm
    )
    front = 1.0 - 0.6 * (1.0 - waist)
    back = -level.canal_depth.mm / 2 + 2.0
    side = ellipse(x, y - (back - depth / 2), width / 2 * waist, depth / 2 * front, _BODY_POWER)
    lean = np.clip((back - y) / level.endplate_depth_upper.mm, 0.0, 1.0)
    half = (
        level.body_height_posterior.mm
        + lean * (level.body_height_anterior.mm - level.body_height_posterior.mm)
    ) / 2
    return common(side, slab(z, placed.middle - half, placed.middle + half), 1.5)


def arch(placed: Placed, levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Pedicles, articular pillars, laminae, transverse and spinous processes, not yet cut by the canal."""
    level = placed.level
    side = np.abs(x)
    wall, back = level.canal_width.mm / 2, level.canal_depth.mm / 2
    pedicle_z = placed.upper - 0.30 * (placed.upper - placed.lower) - 1.0
    lamina_z = placed.middle - 5.0
    pedicle_x = wall + level.pedicle_width.mm / 2 - 0.5
    pedicle = common(
        ellipse(side - pedicle_x, z - pedicle_z, level.pedicle_width.mm / 2, level.pedicle_height.mm / 2),
        slab(y, -back - 8.0, back - 1.0),
        2.0,
    )
    shape = union(pedicle, _lamina(placed, levels, lamina_z, z, y, x), 2.0)
    pillar = ((pedicle_z + 8.0, back - 0.5, wall + 4.5), (lamina_z - 12.0, back + 1.5, wall + 2.0))
    shape = union(shape, capsule(z, y, side, pillar, 4.0), 2.0)
    tip = level.transverse_span.mm / 2 - 4.0
    process = ((pedicle_z - 1.0, back, wall + 3.0), (pedicle_z + 1.0, back + 8.0, tip))
    shape = union(shape, capsule(z, y, side, process, 4.0, (1.3, 1.0, 1.0)), 2.0)
    end = back + level.spinous_length.mm - 3.0
    spinous = ((lamina_z, back + 3.0, 0.0), (lamina_z - 9.0, end, 0.0))
    return union(shape, capsule(z, y, x, spinous, 3.0, (2.6, 1.0, 1.0)), 2.0)


def _lamina(placed: Placed, levels: tuple[Placed, ...], middle: float, z: Array, y: Array, x: Array) -> Array:
    """Posterior part of a ring around the canal; its lower edge lies further back (shingled)."""
    ring = canal(levels, z, y - 0.06 * (middle - z), x)
    ring = common(ring - placed.level.lamina_thickness.mm, -ring)
    half = placed.level.lamina_height.mm / 2
    narrowing = 0.35 * np.maximum(np.abs(x) - 4.0, 0.0)
    height = slab(z, middle - half + narrowing, middle + half - narrowing)
    return common(common(ring, -(y - 1.0)), height, 1.5)


def ribs(levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Ribs of both sides: chains of rods from the corner of the body backwards, outwards and down."""
    shape = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), 1e3)
    for placed in levels:
        if placed.level.rib_length is None:
            continue
        points = _rib_line(placed, placed.level.rib_length.mm)
        for start, end in itertools.pairwise(points):
            shape = union(shape, capsule(z, y, np.abs(x), (start, end), 3.5, (1.6, 1.0, 1.0)), 1.0)
    return shape


def _rib_line(placed: Placed, length: float) -> list[tuple[float, float, float]]:
    """Points (z, y, x) of a rib axis; the shape is assumed."""
    head = (
        placed.upper - 5.0,
        -placed.level.canal_depth.mm / 2 - 3.0,
        placed.level.endplate_width_upper.mm / 2 + 1.0,
    )
    steps = [
        (-2.0, 10.0, 14.0),
        (-4.0, 8.0, 18.0),
        (-6.0, 0.0, 20.0),
        (-8.0, -10.0, 18.0),
        (-9.0, -18.0, 14.0),
    ]
    points, left = [head], length
    for step in steps:
        size = float(np.linalg.norm(step))
        part = min(1.0, left / size)
        if part <= 0.0:
            break
        last = points[-1]
        points.append((last[0] + part * step[0], last[1] + part * step[1], last[2] + part * step[2]))
        left -= size
    return points


def discs(levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Intervertebral discs between the bodies, and the halves beyond the first and the last."""
    shape = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), 1e3)
    for placed in levels:
        level = placed.level
        width, depth = level.endplate_width_lower.mm, level.endplate_depth_lower.mm
        back = -level.canal_depth.mm / 2 + 2.0
        side = ellipse(x, y - (back - depth / 2), width / 2, depth / 2, _BODY_POWER)
        shape = union(
            shape, common(side, slab(z, placed.lower - level.disc_below.mm - 2.0, placed.lower + 2.0))
        )
    return shape


def bone(
    levels: tuple[Placed, ...], shells: tuple[float, float], z: Array, y: Array, x: Array
) -> tuple[Array, Array]:
    """Whole bone and its spongiosa (inside `shells` of body and arch [mm]), cut by the canal."""
    whole = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), 1e3)
    inner = whole
    hollow = canal(levels, z, y, x)
    for placed in levels:
        front = body(placed, z, y, x)
        rear = arch(placed, levels, z, y, x)
        whole = union(whole, union(front, rear, 2.0))
        inner = union(inner, union(front + shells[0], rear + shells[1], 2.0))
    return without(whole, hollow), without(inner, hollow - shells[0])


def posterior_elements(levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Arches of all levels without the bodies."""
    shape = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), 1e3)
    for placed in levels:
        shape = union(shape, arch(placed, levels, z, y, x))
    return shape
