"""Thecal sac and spinal cord, as they are and as the tumour presses them; areas of the cord are kept."""

import math
from dataclasses import dataclass

import numpy as np

from doseplan.anatomy.shapes import Array, Shape, oblique_ellipse, smooth_step
from doseplan.anatomy.spine import TABLE_STEP_MM, Placed, along_spine
from doseplan.case.spec import Case

_PARTS = ("x", "y", "xx", "yy", "xy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Elliptic cross-sections along z: centre and shape matrix, arrays like z [mm], [mm2]."""

    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array


def dura(case: Case, levels: tuple[Placed, ...], *, pressed: bool) -> Shape:
    """Outer dura, decompressed or pressed by the tumour."""
    nodes = _nodes(levels)
    return _swept(nodes, sections(case, levels, nodes, pressed=pressed)[0])


def cord(case: Case, levels: tuple[Placed, ...], *, pressed: bool) -> Shape:
    """Surface of the spinal cord, in its reference shape or pressed by the tumour."""
    nodes = _nodes(levels)
    return _swept(nodes, sections(case, levels, nodes, pressed=pressed)[1])


def sac_centre(case: Case, levels: tuple[Placed, ...], z: Array) -> tuple[Array, Array]:
    """Middle (x, y) of the pressed sac at z."""
    nodes = _nodes(levels)
    sac, _ = sections(case, levels, nodes, pressed=True)
    return np.asarray(np.interp(z, nodes, sac.x)), np.asarray(np.interp(z, nodes, sac.y))


def _nodes(levels: tuple[Placed, ...]) -> Array:
    """Nodes of the tables along z; sac and cord go on unchanged beyond them."""
    low, high = levels[-1].lower - 100.0, levels[0].upper + 100.0
    return np.linspace(low, high, 1 + math.ceil((high - low) / TABLE_STEP_MM))


def _swept(nodes: Array, section: Section) -> Shape:
    """Tube with the given cross-sections."""

    def shape(z: Array, y: Array, x: Array) -> Array:
        at = {name: np.interp(z, nodes, getattr(section, name)) for name in _PARTS}
        return oblique_ellipse(x - at["x"], y - at["y"], at["xx"], at["yy"], at["xy"])

    return shape


def sections(case: Case, levels: tuple[Placed, ...], z: Array, *, pressed: bool) -> tuple[Section, Section]:
    """Cross-sections of sac and cord at z.

    Where the tumour presses, the sac is narrowed along `push_deg` and moved away; the cord is narrowed to
    leave `csf_left_mm` on both sides and widened across, so that its area stays.
    """
    zero = np.zeros_like(z, dtype=np.float64)
    sac = Section(
        x=zero,
        y=zero,
        xx=(along_spine(levels, "sac_width", z) / 2) ** 2,
        yy=(along_spine(levels, "sac_depth", z) / 2) ** 2,
        xy=zero,
    )
    a, b = _cord_axes(levels, z)
    dorsal = case.anatomy.canal.csf_dorsal.mm
    centre = np.maximum(np.sqrt(sac.yy) - np.minimum(dorsal, np.sqrt(sac.yy) - b) - b, 0.0)
    inner = Section(x=zero, y=centre, xx=a * a, yy=b * b, xy=zero)
    if not pressed:
        return sac, inner
    weight = press_weight(case, z)
    pressed_sac, pressed_cord = _pressed(case, sac, a * b)
    return _mix(sac, pressed_sac, weight), _keep_area(_mix(inner, pressed_cord, weight), a * b)


def press_direction(case: Case) -> tuple[float, float]:
    """Give the unit vector (x, y) from the sac to the tumour that pushes it."""
    angle = np.radians(case.tumour.push_deg)
    sign = 1.0 if case.tumour.side == "left" else -1.0
    return sign * float(np.sin(angle)), -float(np.cos(angle))


def press_weight(case: Case, z: Array) -> Array:
    """Part of the full compression at z: 1 in the middle of the mass, 0 beyond its ends."""
    half = case.tumour.epidural_length_mm / 2
    away = np.abs(z - case.tumour.centre_z_mm)
    return 1.0 - smooth_step(away, 0.35 * half, 0.9 * half)


def _cord_axes(levels: tuple[Placed, ...], z: Array) -> tuple[Array, Array]:
    """Half width and half depth of the cord, scaled so that the ellipse has the published area."""
    a = along_spine(levels, "cord_width", z) / 2
    b = along_spine(levels, "cord_depth", z) / 2
    middles = np.array([placed.middle for placed in levels][::-1])
    ratio = np.array(
        [
            placed.level.cord_area.mm2 / (np.pi / 4 * placed.level.cord_width.mm * placed.level.cord_depth.mm)
            for placed in levels
        ][::-1]
    )
    scale = np.sqrt(np.interp(z, middles, ratio))
    return a * scale, b * scale


def _pressed(case: Case, sac: Section, cord_area: Array) -> tuple[Section, Section]:
    """Sac and cord under full compression; `cord_area` is the product of the half axes."""
    ux, uy = press_direction(case)
    along = np.sqrt(ux * ux * sac.xx + uy * uy * sac.yy)
    across = np.sqrt(uy * uy * sac.xx + ux * ux * sac.yy)
    narrow = along * (1.0 - case.tumour.compression_percent / 100.0)
    shift = 0.6 * (along - narrow)
    x, y = -ux * shift, -uy * shift
    half = np.minimum(np.maximum(narrow - case.tumour.csf_left_mm, 0.5), np.sqrt(cord_area))
    return (
        _oblique(x, y, (ux, uy), narrow, 0.97 * across),
        _oblique(x, y, (ux, uy), half, cord_area / half),
    )


def _oblique(x: Array, y: Array, direction: tuple[float, float], along: Array, across: Array) -> Section:
    ux, uy = direction
    p, q = along * along, across * across
    return Section(x=x, y=y, xx=p * ux * ux + q * uy * uy, yy=p * uy * uy + q * ux * ux, xy=(p - q) * ux * uy)


def _mix(first: Section, second: Section, weight: Array) -> Section:
    return Section(
        **{name: (1.0 - weight) * getattr(first, name) + weight * getattr(second, name) for name in _PARTS}
    )


def _keep_area(section: Section, area: Array) -> Section:
    """Scale the ellipse to the area pi times `area`."""
    scale = area / np.sqrt(section.xx * section.yy - section.xy**2)
    return Section(
        x=section.x, y=section.y, xx=section.xx * scale, yy=section.yy * scale, xy=section.xy * scale
    )
