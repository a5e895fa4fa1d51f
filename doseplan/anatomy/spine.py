"""Vertebrae, discs and canal as implicit shapes; both sides are mirror images."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from doseplan.anatomy.grid import Axes, Box, inside
from doseplan.anatomy.shapes import Array, capsule, common, ellipse, slab, union, without
from doseplan.case.anatomy_spec import Anatomy, Level

NEUTRAL_HEIGHT_MM = 24.0
"""[mm] body height at which processes and joints have the sizes below; others scale with it (assumed)."""

FAR = 1e3
"""[mm] value of shapes outside the box that they are computed in."""

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

    @property
    def scale(self) -> float:
        """Size of joints and processes relative to a body of `NEUTRAL_HEIGHT_MM`."""
        return min((self.upper - self.lower) / NEUTRAL_HEIGHT_MM, 1.1)

    @property
    def pedicle_z(self) -> float:
        """Height of the middle of the pedicles [mm]."""
        return self.upper - 0.30 * (self.upper - self.lower) - 1.0 * self.scale

    @property
    def lamina_z(self) -> float:
        """Height of the middle of the laminae [mm]."""
        return self.middle - 5.0 * self.scale

    @property
    def pedicle_x(self) -> float:
        """Distance of the middle of the pedicles from the midline [mm]."""
        return self.level.canal_width.mm / 2 + self.level.pedicle_width.mm / 2 - 0.5


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
    return np.asarray(between(nodes, PchipInterpolator(middles, values)(nodes)[np.newaxis], z)[0])


def between(nodes: Array, table: Array, z: Array) -> Array:
    """Interpolate the rows of a table linearly between evenly spaced nodes; constant beyond the ends.

    Parameters
    ----------
    nodes : (node,)
    table : (row, node)

    Returns
    -------
    (row, *shape of z), of the type of z
    """
    place = np.clip((z - nodes[0]) / (nodes[1] - nodes[0]), 0.0, len(nodes) - 1.000001)
    index = place.astype(np.intp)
    share = (place - index).astype(z.dtype)
    table = table.astype(z.dtype)
    lower = table[:, index]
    return np.asarray(lower + share * (table[:, index + 1] - lower))


def canal(levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Spinal canal: an ellipse of the levels' depth and width, the middle on the z axis."""
    half = [along_spine(levels, name, z).astype(z.dtype) / 2 for name in ("canal_width", "canal_depth")]
    return ellipse(x, y, half[0], half[1])


def foramen(placed: Placed, z: Array, y: Array, x: Array) -> Array:
    """Intervertebral foramina of both sides below the pedicles of a level."""
    centre, reach, size = placed.lower + 1.0, placed.level.canal_width.mm / 2, placed.scale
    ends = ((centre, 0.0, reach - 4.0 * size), (centre, -1.0 * size, reach + 9.0 * size))
    return capsule(z, y, np.abs(x), ends, 4.5 * size, (1.5, 1.0, 1.0))


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
    """Pedicles, facets, laminae, transverse and spinous processes, not yet cut by the canal."""
    level, size = placed.level, placed.scale
    side = np.abs(x)
    wall, back = level.canal_width.mm / 2, level.canal_depth.mm / 2
    pedicle_z, lamina_z = placed.pedicle_z, placed.lamina_z
    pedicle = common(
        ellipse(
            side - placed.pedicle_x, z - pedicle_z, level.pedicle_width.mm / 2, level.pedicle_height.mm / 2
        ),
        slab(y, -back - 8.0 * size, back - 1.0),
        2.0,
    )
    edge = min(level.endplate_width_upper.mm, level.endplate_width_lower.mm) / 2 - 1.0
    if edge < placed.pedicle_x:  # a body narrower than the canal: the pedicle runs outwards from its corner
        root = (pedicle_z, -back, edge), (pedicle_z, 0.0, placed.pedicle_x)
        tall = (level.pedicle_height.mm / level.pedicle_width.mm, 1.0, 1.0)
        pedicle = union(pedicle, capsule(z, y, side, root, level.pedicle_width.mm / 2, tall), 2.0)
    shape = union(pedicle, _lamina(placed, levels, lamina_z, z, y, x), 2.0)
    shape = union(shape, facets(placed, z, y, x), 2.0)
    tip = level.transverse_span.mm / 2 - 4.0 * size
    process = (
        (pedicle_z - 1.0 * size, back, wall + 3.0 * size),
        (pedicle_z + 1.0 * size, back + 8.0 * size, tip),
    )
    shape = union(shape, capsule(z, y, side, process, 4.0 * size, (1.3, 1.0, 1.0)), 2.0)
    end = back + level.spinous_length.mm - 3.0
    spinous = ((lamina_z, back + 3.0, 0.0), (lamina_z - 9.0 * size, end, 0.0))
    return union(shape, capsule(z, y, x, spinous, 3.0, (2.6 * size + 0.1, 1.0, 1.0)), 2.0)


def facets(placed: Placed, z: Array, y: Array, x: Array) -> Array:
    """Articular pillars of both sides, from the upper to the lower facet."""
    size = placed.scale
    wall, back = placed.level.canal_width.mm / 2, placed.level.canal_depth.mm / 2
    pillar = (
        (placed.pedicle_z + 8.0 * size, back - 0.5, wall + 4.5 * size),
        (placed.lamina_z - 12.0 * size, back + 1.5 * size, wall + 2.0 * size),
    )
    return capsule(z, y, np.abs(x), pillar, 4.0 * size)


def _lamina(placed: Placed, levels: tuple[Placed, ...], middle: float, z: Array, y: Array, x: Array) -> Array:
    """Posterior part of a ring around the canal; its lower edge lies further back (shingled)."""
    ring = canal(levels, z, y - 0.06 * (middle - z), x)
    ring = common(ring - placed.level.lamina_thickness.mm, -ring)
    half = placed.level.lamina_height.mm / 2
    narrowing = 0.35 * np.maximum(np.abs(x) - 4.0, 0.0)
    height = slab(z, middle - half + narrowing, middle + half - narrowing)
    return common(common(ring, -(y - 1.0)), height, 1.5)


def rib_boxes(levels: tuple[Placed, ...]) -> list[tuple[Box, Placed]]:
    """Give the box of the ribs of each level that has any."""
    found = []
    for placed in levels:
        if placed.level.rib_length is not None:
            points = np.array(_rib_line(placed, placed.level.rib_length.mm))
            low, high = points.min(axis=0) - 8.0, points.max(axis=0) + 8.0
            box = (
                (float(low[0]), float(high[0])),
                (float(low[1]), float(high[1])),
                (-float(high[2]), float(high[2])),
            )
            found.append((box, placed))
    return found


def rib(placed: Placed, z: Array, y: Array, x: Array) -> Array:
    """Ribs of both sides of a level: chains of rods from the head backwards, outwards and down."""
    assert placed.level.rib_length is not None
    shape = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), FAR, dtype=x.dtype)
    side = np.abs(x)
    for start, end in itertools.pairwise(_rib_line(placed, placed.level.rib_length.mm)):
        shape = union(shape, capsule(z, y, side, (start, end), 3.5, (1.6, 1.0, 1.0)), 1.0)
    return shape


def _rib_line(placed: Placed, length: float) -> list[tuple[float, float, float]]:
    """Points (z, y, x) of a rib axis; the shape is assumed.

    The heads of T2 to T9 lie at the disc above, those of T1 and T10 to T12 on one body only.
    """
    shared = placed.level.name in {f"T{number}" for number in range(2, 10)}
    head = (
        placed.upper - (0.0 if shared else 5.0),
        -placed.level.canal_depth.mm / 2 - 3.0,
        placed.level.endplate_width_upper.mm / 2 + 1.0,
    )
    steps = [
        (-2.0, 10.0, 14.0),
        (-4.0, 8.0, 18.0),
        (-6.0, 0.0, 20.0),
        (-8.0, -10.0, 18.0),
        (-9.0, -18.0, 14.0),
        (-10.0, -25.0, 6.0),
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


def disc_box(placed: Placed) -> Box:
    """Give the box of the disc below a level."""
    level = placed.level
    back = -level.canal_depth.mm / 2 + 2.0
    width, depth = level.endplate_width_lower.mm / 2 + 1.0, level.endplate_depth_lower.mm + 1.0
    return (
        (placed.lower - level.disc_below.mm - 3.0, placed.lower + 3.0),
        (back - depth, back + 1.0),
        (-width, width),
    )


def disc(placed: Placed, z: Array, y: Array, x: Array) -> Array:
    """Intervertebral disc below a level."""
    level = placed.level
    width, depth = level.endplate_width_lower.mm, level.endplate_depth_lower.mm
    back = -level.canal_depth.mm / 2 + 2.0
    side = ellipse(x, y - (back - depth / 2), width / 2, depth / 2, _BODY_POWER)
    return common(side, slab(z, placed.lower - level.disc_below.mm - 2.0, placed.lower + 2.0))


def body_box(placed: Placed) -> Box:
    """Give the box of a vertebral body."""
    level = placed.level
    back = -level.canal_depth.mm / 2 + 2.0
    width = max(level.endplate_width_upper.mm, level.endplate_width_lower.mm) / 2 + 2.0
    depth = max(level.endplate_depth_upper.mm, level.endplate_depth_lower.mm) + 2.0
    half = max(level.body_height_anterior.mm, level.body_height_posterior.mm) / 2 + 2.0
    return (placed.middle - half, placed.middle + half), (back - depth, back + 2.0), (-width, width)


def arch_box(placed: Placed) -> Box:
    """Give the box of the posterior elements of a level."""
    level, size = placed.level, placed.scale
    back = level.canal_depth.mm / 2
    side = max(level.transverse_span.mm / 2, placed.pedicle_x + level.pedicle_width.mm) + 4.0
    low = min(
        placed.lamina_z - level.lamina_height.mm / 2,
        placed.lamina_z - 17.0 * size - 1.0,
        placed.lamina_z - 9.0 * size - 3.0 * (2.6 * size + 0.1),
    )
    high = max(placed.pedicle_z + 12.0 * size, placed.lamina_z + level.lamina_height.mm / 2)
    return (
        (low - 3.0, high + 3.0),
        (-back - 8.0 * size - 3.0, back + level.spinous_length.mm + 4.0),
        (-side, side),
    )


def bone(
    levels: tuple[Placed, ...], shells: tuple[float, float], z: Array, y: Array, x: Array
) -> tuple[Array, Array]:
    """Whole bone and its spongiosa (inside `shells` of body and arch [mm]), cut by the canal."""
    shape = np.broadcast_shapes(z.shape, y.shape, x.shape)
    whole, inner = (np.full(shape, FAR, dtype=x.dtype) for _ in range(2))
    axes = (z.ravel(), y.ravel(), x.ravel())
    for placed in levels:
        box = joined(body_box(placed), arch_box(placed))
        part = inside(axes, box)
        at = z[part[0]], y[:, part[1]], x[:, :, part[2]]
        front, rear = body_and_arch(placed, levels, *at)
        whole[part] = union(whole[part], union(front, rear, 2.0))
        inner[part] = union(inner[part], union(front + shells[0], rear + shells[1], 2.0))
    hollow = canal(levels, z, y, x)
    return without(whole, hollow), without(inner, hollow - shells[0])


def body_and_arch(
    placed: Placed, levels: tuple[Placed, ...], z: Array, y: Array, x: Array
) -> tuple[Array, Array]:
    """Body and arch of a level on the axes of a grid, each computed in its own box only."""
    axes: Axes = (z.ravel(), y.ravel(), x.ravel())
    shape = np.broadcast_shapes(z.shape, y.shape, x.shape)
    front, rear = (np.full(shape, FAR, dtype=x.dtype) for _ in range(2))
    part = inside(axes, body_box(placed))
    front[part] = body(placed, z[part[0]], y[:, part[1]], x[:, :, part[2]])
    part = inside(axes, arch_box(placed))
    rear[part] = arch(placed, levels, z[part[0]], y[:, part[1]], x[:, :, part[2]])
    return front, rear


def joined(*boxes: Box) -> Box:
    """Give the smallest box around some boxes."""
    z, y, x = ((min(box[axis][0] for box in boxes), max(box[axis][1] for box in boxes)) for axis in range(3))
    return z, y, x
