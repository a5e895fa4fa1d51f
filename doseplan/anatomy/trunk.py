"""The body around the spine: skin, fat, muscle, lungs, aorta, kidneys, airway.

Other organs of chest and abdomen count as muscle.
"""

import math

import numpy as np

from doseplan.anatomy.grid import Box
from doseplan.anatomy.shapes import Array, Shape, capsule, common, ellipse, ellipsoid, slab
from doseplan.anatomy.spine import Placed, along_spine
from doseplan.case.levels import landmark_mm
from doseplan.case.sense import posterior_skin_mm
from doseplan.case.spec import PhantomCase

_POWER = 2.3

AORTA_ANGLE_DEG = {"T4": 5.0, "T5": 6.8, "T12": 56.0, "L4": 75.0}
"""[deg] from the transverse axis forwards, on the left: T5-6 and T12 from CT (JKSS 9:289), others assumed."""

AORTA_GAP_MM = 3.0
"""[mm] between body and aorta: 1 to 5 (from memory)."""

KIDNEY_ASIDE_MM = 55.0
"""[mm] from the midline: 50 to 60 (from memory); from T12 to L3."""

AIRWAY_GAP_MM = 12.0
"""[mm] between body and airway: gullet and fascia (assumed)."""


def outline(case: PhantomCase, y: Array, x: Array) -> Array:
    """Skin surface: a super-ellipse of the trunk's width and depth."""
    trunk = case.anatomy.trunk
    return ellipse(x, y - _middle(case), trunk.width.mm / 2, trunk.depth.mm / 2, _POWER)


def lungs(case: PhantomCase, z: Array, y: Array, x: Array) -> Array:
    """Both lungs: between chest wall and the dome of the diaphragm, which is wider further down."""
    trunk = case.anatomy.trunk
    if trunk.lung_reach is None or trunk.chest_wall is None:
        return np.full(np.broadcast_shapes(np.shape(z), np.shape(y), np.shape(x)), 1e3)
    assert trunk.dome_height is not None
    assert trunk.lung_from_midline is not None
    base = trunk.height.mm / 2 - trunk.lung_reach.mm
    middle = _middle(case)
    half_width = trunk.width.mm / 2 - trunk.chest_wall.mm
    half_depth = trunk.depth.mm / 2 - trunk.chest_wall.mm
    widening = np.sqrt(np.clip((base + trunk.dome_height.mm - z) / trunk.dome_height.mm, 1e-4, 1.0))
    dome = ellipse(x, y - middle + 6.0, half_width * widening, half_depth * widening, _POWER)
    wall = ellipse(x, y - middle, half_width, half_depth, _POWER)
    inside = common(wall, -dome, 3.0)
    inside = common(inside, slab(z, base, base + 1e3), 3.0)
    return common(inside, trunk.lung_from_midline.mm - np.abs(x), 6.0)


def organs(case: PhantomCase, levels: tuple[Placed, ...]) -> list[tuple[str, Shape, Box]]:
    """Aorta, kidneys and airway where they belong, each as tissue, shape and box."""
    return [
        organ for organ in (_aorta(case, levels), *_kidneys(case), _airway(case, levels)) if organ is not None
    ]


def _aorta(case: PhantomCase, levels: tuple[Placed, ...]) -> tuple[str, Shape, Box] | None:
    """Tube on the left of the spine that moves to its front further down, from T4 to L4."""
    diameter = case.anatomy.trunk.aorta_diameter
    origin = case.anatomy.origin_below
    stations = [
        (landmark_mm(name, 0.5, origin_below=origin), angle) for name, angle in AORTA_ANGLE_DEG.items()
    ]
    heights = [height for height, _ in stations if height is not None]
    if diameter is None or len(heights) < len(stations):
        return None
    top, bottom = heights[0], heights[-1]
    radius = diameter.mm / 2
    angles = np.radians([angle for _, angle in stations])

    def centre(z: Array) -> tuple[Array, Array]:
        angle = np.interp(z, heights[::-1], angles[::-1])
        half_width = along_spine(levels, "endplate_width_upper", z) / 2
        half_depth = along_spine(levels, "endplate_depth_upper", z) / 2
        middle = -along_spine(levels, "canal_depth", z) / 2 + 2.0 - half_depth
        away = AORTA_GAP_MM + radius
        x = (half_width + away) * np.cos(angle)
        y = middle - (half_depth + away) * np.sin(angle)
        return x.astype(z.dtype), y.astype(z.dtype)

    def shape(z: Array, y: Array, x: Array) -> Array:
        middle_x, middle_y = centre(z)
        return common(ellipse(x - middle_x, y - middle_y, radius, radius), slab(z, bottom, top))

    ends = np.linspace(bottom, top, 50)
    middle_x, middle_y = centre(ends)
    box = (
        (bottom, top),
        (float(middle_y.min()) - radius - 1.0, float(middle_y.max()) + radius + 1.0),
        (float(middle_x.min()) - radius - 1.0, float(middle_x.max()) + radius + 1.0),
    )
    return "aorta", shape, box


def _kidneys(case: PhantomCase) -> list[tuple[str, Shape, Box]]:
    """Ellipsoids beside the spine, from the middle of T12 downwards; the right one lies a little lower."""
    length = case.anatomy.trunk.kidney_length
    top = landmark_mm("T12", 0.5, origin_below=case.anatomy.origin_below)
    if length is None or top is None:
        return []
    axes = (length.mm / 2, 0.21 * length.mm, 0.25 * length.mm)
    found = []
    for side, lower in ((1.0, 0.0), (-1.0, 15.0)):
        middle = (top - lower - axes[0], -10.0, side * KIDNEY_ASIDE_MM)
        z, y, x = ((at - half - 1.0, at + half + 1.0) for at, half in zip(middle, axes, strict=True))
        found.append(("kidney", _ellipsoid_at(middle, axes), (z, y, x)))
    return found


def _ellipsoid_at(middle: tuple[float, float, float], axes: tuple[float, float, float]) -> Shape:
    def shape(z: Array, y: Array, x: Array) -> Array:
        return ellipsoid(z - middle[0], y - middle[1], x - middle[2], axes)

    return shape


def _airway(case: PhantomCase, levels: tuple[Placed, ...]) -> tuple[str, Shape, Box] | None:
    """Larynx and trachea in front of the neck's spine, down to T4."""
    diameter = case.anatomy.trunk.airway_diameter
    bottom = landmark_mm("T4", 1.0, origin_below=case.anatomy.origin_below)
    if diameter is None or bottom is None:
        return None
    radius = diameter.mm / 2
    placed = levels[len(levels) // 2]
    front = -placed.level.canal_depth.mm / 2 - placed.level.endplate_depth_lower.mm
    middle = front - AIRWAY_GAP_MM - radius
    top = 1e3

    def shape(z: Array, y: Array, x: Array) -> Array:
        return capsule(z, y, x, ((bottom, middle, 0.0), (top, middle, 0.0)), radius)

    box = (
        (bottom - radius, math.inf),
        (middle - radius - 1.0, middle + radius + 1.0),
        (-radius - 1.0, radius + 1.0),
    )
    return "airway", shape, box


def _middle(case: PhantomCase) -> float:
    """Middle of the trunk from front to back [mm]."""
    return posterior_skin_mm(case) - case.anatomy.trunk.depth.mm / 2
