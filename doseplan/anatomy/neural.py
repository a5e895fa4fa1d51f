"""Thecal sac, spinal cord and cauda equina, as they are and as the tumour presses them."""

import math
from dataclasses import dataclass

import numpy as np

from doseplan.anatomy.shapes import Array, Shape, common, oblique_ellipse, smooth_step, union
from doseplan.anatomy.spine import TABLE_STEP_MM, Placed, along_spine, between
from doseplan.case.anatomy_spec import Level
from doseplan.case.spec import PhantomCase

DURA_THICKNESS_MM = 0.31
"""[mm] Hong 2011, Spine J 11:1121; not modelled as a tissue of its own."""

TAPER_MM = 8.0
"""[mm] the cord narrows to its tip over this length (assumed)."""

_PARTS = ("x", "y", "xx", "yy", "xy")
_DIRECTIONS = np.linspace(0.0, 2.0 * np.pi, 180, endpoint=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Elliptic cross-sections along z: centre and shape matrix, arrays like z [mm], [mm2]."""

    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array


def dura(case: PhantomCase, levels: tuple[Placed, ...], *, pressed: bool) -> Shape:
    """Outer dura, decompressed or pressed by the tumour."""
    nodes = _nodes(levels)
    return _swept(nodes, sections(case, levels, nodes, pressed=pressed)[0])


def cord(case: PhantomCase, levels: tuple[Placed, ...], *, pressed: bool) -> Shape:
    """Surface of what the limit protects: the spinal cord, and below its tip the cauda equina.

    The cauda equina is all that lies inside the dura.
    """
    nodes = _nodes(levels)
    sac, inner = sections(case, levels, nodes, pressed=pressed)
    sac_shape, cord_shape = _swept(nodes, sac), _swept(nodes, inner)
    tip = tip_mm(case, levels)

    def shape(z: Array, y: Array, x: Array) -> Array:
        below = common(sac_shape(z, y, x) + DURA_THICKNESS_MM, np.asarray(z - tip))
        return union(common(cord_shape(z, y, x), np.asarray(tip - z)), below)

    return cord_shape if tip == -math.inf else shape


def tip_mm(case: PhantomCase, levels: tuple[Placed, ...]) -> float:
    """Find z of the tip of the cord; infinite if all of the run lies on one side of it."""
    conus = case.anatomy.conus
    placed = next(
        (placed for placed in levels if conus is not None and placed.level.name == conus.level), None
    )
    if conus is not None and placed is not None:
        return placed.upper - conus.percent / 100.0 * (placed.upper - placed.lower)
    return math.inf if all(placed.level.cord_area is None for placed in levels) else -math.inf


def sac_centre(case: PhantomCase, levels: tuple[Placed, ...]) -> tuple[Array, Array, Array]:
    """Tabulate the middle of the pressed sac: nodes along z, x and y there."""
    nodes = _nodes(levels)
    sac, _ = sections(case, levels, nodes, pressed=True)
    return nodes, sac.x, sac.y


def _nodes(levels: tuple[Placed, ...]) -> Array:
    """Nodes of the tables along z; sac and cord go on unchanged beyond them."""
    low, high = levels[-1].lower - 100.0, levels[0].upper + 100.0
    return np.linspace(low, high, 1 + math.ceil((high - low) / TABLE_STEP_MM))


def _swept(nodes: Array, section: Section) -> Shape:
    """Tube with the given cross-sections."""
    table = np.array([getattr(section, name) for name in _PARTS])

    def shape(z: Array, y: Array, x: Array) -> Array:
        at_x, at_y, xx, yy, xy = between(nodes, table, z)
        return oblique_ellipse(x - at_x, y - at_y, xx, yy, xy)

    return shape


def sections(
    case: PhantomCase, levels: tuple[Placed, ...], z: Array, *, pressed: bool
) -> tuple[Section, Section]:
    """Cross-sections of sac and cord at z.

    Where the tumour presses, the sac is narrowed along `push_deg` and moved away, or narrowed all round. The
    cord keeps its shape as long as it has room; then it is narrowed to leave `csf_left_mm` of fluid on both
    sides and widened across, so that its area stays as far as the sac has room.
    """
    zero = np.zeros_like(z, dtype=np.float64)
    sac = Section(
        x=zero,
        y=zero,
        xx=(along_spine(levels, "sac_width", z) / 2) ** 2,
        yy=(along_spine(levels, "sac_depth", z) / 2) ** 2,
        xy=zero,
    )
    inner = _free_cord(case, levels, sac, z)
    if not pressed or not case.tumour.epidural:
        return sac, inner
    weight = press_weight(case, z)
    return _pressed(case, sac, inner, weight)


def press_direction(case: PhantomCase) -> tuple[float, float]:
    """Give the unit vector (x, y) from the sac to the tumour that pushes it."""
    angle = np.radians(case.tumour.push_deg)
    sign = 1.0 if case.tumour.side == "left" else -1.0
    return sign * float(np.sin(angle)), -float(np.cos(angle))


def press_weight(case: PhantomCase, z: Array) -> Array:
    """Part of the full compression at z: 1 in the middle of the mass, 0 beyond its ends."""
    half = case.tumour.epidural_length_mm / 2
    away = np.abs(z - case.tumour.centre_z_mm)
    return 1.0 - smooth_step(away, 0.35 * half, 0.9 * half)


def _free_cord(case: PhantomCase, levels: tuple[Placed, ...], sac: Section, z: Array) -> Section:
    """Cord in the free sac, by the dorsal fluid of its levels and the patient's posture."""
    with_cord = tuple(placed for placed in levels if placed.level.cord_area is not None)
    zero = np.zeros_like(sac.x)
    if not with_cord:
        return Section(x=zero, y=zero, xx=zero + 1e-4, yy=zero + 1e-4, xy=zero)
    a, b = _cord_axes(with_cord, z)
    tip = tip_mm(case, levels)
    if math.isfinite(tip):
        narrowing = np.sqrt(np.clip((z - tip) / TAPER_MM, 1e-4, 1.0))
        a, b = a * narrowing, b * narrowing
    dorsal = along_spine(with_cord, "csf_dorsal", z)
    if case.anatomy.posture == "prone" and all(placed.level.prone_shift for placed in with_cord):
        dorsal = dorsal + along_spine(with_cord, "prone_shift", z)
    half = np.sqrt(sac.yy)
    back = half - dorsal - b
    return Section(x=zero, y=np.maximum(back, -(half - b) + 0.1), xx=a * a, yy=b * b, xy=zero)


def _cord_axes(levels: tuple[Placed, ...], z: Array) -> tuple[Array, Array]:
    """Half width and half depth of the cord, scaled so that the ellipse has the published area."""
    a = along_spine(levels, "cord_width", z) / 2
    b = along_spine(levels, "cord_depth", z) / 2
    middles = np.array([placed.middle for placed in levels][::-1])
    ratio = np.array([_area_ratio(placed.level) for placed in levels][::-1])
    scale = np.sqrt(np.interp(z, middles, ratio))
    return a * scale, b * scale


def _area_ratio(level: Level) -> float:
    assert level.cord_area is not None
    assert level.cord_width is not None
    assert level.cord_depth is not None
    return level.cord_area.mm2 / (math.pi / 4 * level.cord_width.mm * level.cord_depth.mm)


def _pressed(case: PhantomCase, sac: Section, inner: Section, weight: Array) -> tuple[Section, Section]:
    """Sac and cord under the compression of each height."""
    ux, uy = press_direction(case)
    compression = weight * case.tumour.compression_percent / 100.0
    narrowing = 1.0 - compression
    # to the outer dura; full as soon as the tumour presses, so that slopes are no tighter than the middle
    fluid = np.minimum(4.0 * weight, 1.0) * (case.tumour.csf_left_mm + DURA_THICKNESS_MM)
    if case.tumour.pressed == "all_round":
        squeezed = Section(x=sac.x, y=sac.y, xx=sac.xx * narrowing**2, yy=sac.yy * narrowing**2, xy=sac.xy)
    else:
        along = _extent(sac, ux, uy)
        shift = 0.6 * along * (1.0 - narrowing)
        turned = _stretched(sac, (ux, uy), narrowing, 1.0 - 0.06 * compression)
        squeezed = Section(x=-ux * shift, y=-uy * shift, xx=turned.xx, yy=turned.yy, xy=turned.xy)
    room = np.maximum(_extent(squeezed, ux, uy) - fluid, 0.3)
    flat = np.minimum(1.0, room / _extent(inner, ux, uy))
    return squeezed, _placed_inside(squeezed, _stretched(inner, (ux, uy), flat, 1.0 / flat), fluid)


def _extent(section: Section, ux: Array | float, uy: Array | float) -> Array:
    """Half the width of the ellipses along a unit vector."""
    squared = ux * ux * section.xx + 2.0 * ux * uy * section.xy + uy * uy * section.yy
    return np.sqrt(np.maximum(squared, 0.0))


def _stretched(section: Section, direction: tuple[float, float], along: Array, across: Array) -> Section:
    """Stretch ellipses about their centres, along a unit vector and across it."""
    ux, uy = direction
    txx = along * ux * ux + across * uy * uy
    tyy = along * uy * uy + across * ux * ux
    txy = (along - across) * ux * uy
    xx, yy, xy = section.xx, section.yy, section.xy
    return Section(
        x=section.x,
        y=section.y,
        xx=txx * txx * xx + 2.0 * txx * txy * xy + txy * txy * yy,
        yy=txy * txy * xx + 2.0 * txy * tyy * xy + tyy * tyy * yy,
        xy=txx * txy * xx + (txx * tyy + txy * txy) * xy + txy * tyy * yy,
    )


def _placed_inside(sac: Section, inner: Section, fluid: Array) -> Section:
    """Move the cord towards the middle of the sac, and shrink it if it must be, until it lies in the sac.

    One convex shape lies in another if its support does in every direction; `fluid` [mm], which counts the
    dura, is left if the cord leaves room for it.
    """
    free, reach, away = [], [], []
    for angle in _DIRECTIONS:
        ux, uy = float(np.cos(angle)), float(np.sin(angle))
        free.append(_extent(sac, ux, uy))
        reach.append(_extent(inner, ux, uy))
        away.append(inner.x * ux + inner.y * uy)
    outer, own, offset = np.array(free), np.array(reach), np.array(away)
    smaller = np.minimum(1.0, np.min((outer - 0.05) / own, axis=0))
    margin = np.minimum(fluid, np.min(outer - own * smaller, axis=0))
    room = np.maximum(outer - margin - own * smaller, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(offset > 1e-9, room / offset, np.inf)
    kept = np.clip(np.min(part, axis=0), 0.0, 1.0)
    scale = smaller**2
    return Section(
        x=sac.x + kept * inner.x,
        y=sac.y + kept * inner.y,
        xx=inner.xx * scale,
        yy=inner.yy * scale,
        xy=inner.xy * scale,
    )
