"""The body around the spine: skin, fat, muscle, lungs. Organs of the abdomen count as muscle."""

import numpy as np

from doseplan.anatomy.shapes import Array, common, ellipse, slab
from doseplan.case.sense import posterior_skin_mm
from doseplan.case.spec import Case

_POWER = 2.3


def outline(case: Case, y: Array, x: Array) -> Array:
    """Skin surface: a super-ellipse of the trunk's width and depth."""
    trunk = case.anatomy.trunk
    middle = posterior_skin_mm(case) - trunk.depth.mm / 2
    return ellipse(x, y - middle, trunk.width.mm / 2, trunk.depth.mm / 2, _POWER)


def lungs(case: Case, z: Array, y: Array, x: Array) -> Array:
    """Lower ends of both lungs: between chest wall and the dome of the diaphragm, wider further down."""
    trunk = case.anatomy.trunk
    top = trunk.height.mm / 2
    middle = posterior_skin_mm(case) - trunk.depth.mm / 2
    down = np.clip((top - z) / trunk.lung_reach.mm, 0.0, 1.5)
    half_width = trunk.width.mm / 2 - trunk.chest_wall.mm
    half_depth = trunk.depth.mm / 2 - trunk.chest_wall.mm
    widening = 0.55 + 0.45 * np.sqrt(np.minimum(down, 1.0))
    dome = ellipse(x, y - middle + 6.0, half_width * widening, half_depth * widening, _POWER)
    wall = ellipse(x, y - middle, half_width, half_depth, _POWER)
    inside = common(wall, -dome, 3.0)
    inside = common(inside, slab(z, top - trunk.lung_reach.mm, top + 1e3), 3.0)
    return common(inside, trunk.lung_from_midline.mm - np.abs(x), 6.0)
