"""The mass before surgery as a shape: cuff around the sac, part in the bone, part beside the spine."""

import numpy as np

from doseplan.anatomy.neural import press_direction, sac_centre
from doseplan.anatomy.shapes import Array, Shape, capsule, common, ellipsoid, slab, union
from doseplan.anatomy.spine import Placed, canal
from doseplan.anatomy.surface import Box
from doseplan.case.spec import Case

_BLEND_MM = 4.0


def tumour_mass(case: Case, levels: tuple[Placed, ...]) -> Shape:
    """Gross tumour before surgery; not yet cut by the dura, which lies in it."""
    sign = 1.0 if case.tumour.side == "left" else -1.0

    def shape(z: Array, y: Array, x: Array) -> Array:
        side = sign * x
        cuff = _cuff(case, levels, z, y, x)
        mass = union(_bone_part(case, levels, z, y, side), _paraspinal(case, levels, z, y, side), _BLEND_MM)
        return union(mass, cuff, 2.0)

    return shape


def tumour_box(case: Case, levels: tuple[Placed, ...]) -> Box:
    """Box around the mass, along z, y, x [mm]."""
    t = case.tumour
    width = max(placed.level.canal_width.mm for placed in levels) / 2
    depth = max(placed.level.canal_depth.mm for placed in levels) / 2
    outer = width + 6.0 + t.paraspinal_width_mm
    low = min(
        -t.epidural_length_mm / 2, -t.paraspinal_length_mm / 2, t.bone_height_mm - t.bone_diameter_mm / 2
    )
    high = max(
        t.epidural_length_mm / 2, t.paraspinal_length_mm / 2, t.bone_height_mm + t.bone_diameter_mm / 2
    )
    front = max(depth + t.bone_diameter_mm, t.paraspinal_depth_mm / 2) + 3.0
    rear = max(depth, t.paraspinal_depth_mm / 2) + 4.0
    ends = (-width - 4.0, outer + 3.0) if t.side == "left" else (-outer - 3.0, width + 4.0)
    return (low + t.centre_z_mm - 4.0, high + t.centre_z_mm + 4.0), (-front, rear), ends


def _cuff(case: Case, levels: tuple[Placed, ...], z: Array, y: Array, x: Array) -> Array:
    """Epidural part: the canal but for a wedge of 360 - `wrap_deg` degrees on the far side of the sac."""
    t = case.tumour
    middle_x, middle_y = sac_centre(case, levels, z)
    ux, uy = press_direction(case)
    along = (x - middle_x) * ux + (y - middle_y) * uy
    across = np.abs((y - middle_y) * ux - (x - middle_x) * uy)
    half = np.radians((360.0 - t.wrap_deg) / 2)
    free = across * np.cos(half) + along * np.sin(half)
    inside = common(canal(levels, z, y, x) - 0.3, -free, 1.5)
    reach = t.epidural_length_mm / 2
    return common(inside, slab(z, t.centre_z_mm - reach, t.centre_z_mm + reach), 3.0)


def _bone_part(case: Case, levels: tuple[Placed, ...], z: Array, y: Array, side: Array) -> Array:
    """Ball in the posterior corner of the body that takes the pedicle with it."""
    t = case.tumour
    level = _nearest(levels, t.centre_z_mm + t.bone_height_mm)
    radius = t.bone_diameter_mm / 2
    centre = (
        t.centre_z_mm + t.bone_height_mm,
        -level.level.canal_depth.mm / 2 - radius + 3.0,
        0.45 * level.level.canal_width.mm,
    )
    ball = ellipsoid(z - centre[0], y - centre[1], side - centre[2], (radius, radius, radius))
    wall = level.level.canal_width.mm / 2 + level.level.pedicle_width.mm / 2
    pedicle_z = level.upper - 0.30 * (level.upper - level.lower) - 1.0
    pedicle = capsule(
        z, y, side, ((pedicle_z, -8.0, wall), (pedicle_z, 3.0, wall)), level.level.pedicle_width.mm / 2
    )
    return union(ball, pedicle, _BLEND_MM)


def _paraspinal(case: Case, levels: tuple[Placed, ...], z: Array, y: Array, side: Array) -> Array:
    """Ellipsoid beside the spine and its neck through the foramen at the middle of the mass."""
    t = case.tumour
    level = _nearest(levels, t.centre_z_mm).level
    wall = level.canal_width.mm / 2
    middle = wall + 6.0 + t.paraspinal_width_mm / 2
    axes = (t.paraspinal_length_mm / 2, t.paraspinal_depth_mm / 2, t.paraspinal_width_mm / 2)
    mass = ellipsoid(z - t.centre_z_mm, y + 1.0, side - middle, axes)
    neck = capsule(
        z,
        y,
        side,
        ((t.centre_z_mm, 0.0, wall - 3.0), (t.centre_z_mm, -1.0, middle)),
        t.foramen_diameter_mm / 2,
    )
    return union(mass, neck, _BLEND_MM)


def _nearest(levels: tuple[Placed, ...], z: float) -> Placed:
    return min(levels, key=lambda placed: abs(placed.middle - z))
