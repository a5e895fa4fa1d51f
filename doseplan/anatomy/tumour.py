"""The mass before surgery as a shape: cuff around the sac, parts in bone and beside the spine, cells."""

import numpy as np

from doseplan.anatomy.grid import Box
from doseplan.anatomy.neural import press_direction, sac_centre
from doseplan.anatomy.shapes import Array, Shape, capsule, common, ellipsoid, slab, union
from doseplan.anatomy.spine import Placed, arch_box, between, body, body_box, canal, joined
from doseplan.anatomy.zones import layers_of_bone, level_ends, placed_level, sectors
from doseplan.case.spec import PhantomCase

_BLEND_MM = 4.0

OVERLAP_MM = 0.05
"""[mm] cells reach this far over the edges of zones and levels, so that no seam is left between two."""


def tumour_mass(case: PhantomCase, levels: tuple[Placed, ...]) -> Shape:
    """Gross tumour before surgery; not yet cut by the dura, which lies in it."""
    tumour = case.tumour
    sign = 1.0 if tumour.side == "left" else -1.0
    cuff = _cuff(case, levels) if tumour.epidural else None
    cells = _cells(case, levels)

    def shape(z: Array, y: Array, x: Array) -> Array:
        side = sign * x
        mass = None
        if tumour.in_body:
            mass = _bone_part(case, levels, z, y, side)
        if tumour.paraspinal:
            beside = _paraspinal(case, levels, z, y, side)
            mass = beside if mass is None else union(mass, beside, _BLEND_MM)
        if cuff is not None:
            around = cuff(z, y, x)
            mass = around if mass is None else union(mass, around, 2.0)
        for cell in cells:
            mass = cell(z, y, x) if mass is None else union(mass, cell(z, y, x))
        assert mass is not None, "every template has a part"
        return mass

    return shape


def tumour_box(case: PhantomCase, levels: tuple[Placed, ...]) -> Box:
    """Box around the mass, along z, y, x [mm]."""
    t = case.tumour
    boxes = []
    width = max(placed.level.canal_width.mm for placed in levels) / 2
    depth = max(placed.level.canal_depth.mm for placed in levels) / 2
    middle = t.centre_z_mm
    if t.epidural:
        reach = t.epidural_length_mm / 2
        boxes.append(
            ((middle - reach, middle + reach), (-depth - 1.0, depth + 1.0), (-width - 1.0, width + 1.0))
        )
    if t.in_body:
        height, front, side = _ball(case, levels)
        radius = t.bone_diameter_mm / 2
        pedicle = width + _nearest(levels, height).level.pedicle_width.mm
        low, high = -pedicle, max(pedicle, side + radius)
        sides = (low, high) if t.side == "left" else (-high, -low)
        # the pedicle's part lies above the ball
        top = max(height + radius, _nearest(levels, height).pedicle_z + 6.0)
        boxes.append(((height - radius, top), (front - radius, depth), sides))
    if t.paraspinal:
        outer = width + 6.0 + t.paraspinal_width_mm
        sides = (0.0, outer) if t.side == "left" else (-outer, 0.0)
        reach = max(t.paraspinal_length_mm, t.foramen_diameter_mm) / 2
        half = max(t.paraspinal_depth_mm, t.foramen_diameter_mm) / 2 + 1.0
        boxes.append(((middle - reach, middle + reach), (-half, half), sides))
    for entry in t.cells:
        placed = placed_level(levels, entry.level)
        around = joined(body_box(placed), arch_box(placed))
        beyond = t.soft_tissue_mm if "A" in entry.layers else 0.0
        _, y, x = ((low - beyond, high + beyond) for low, high in around)
        boxes.append((level_ends(placed, levels), y, x))
    z, y, x = ((low - 4.0, high + 4.0) for low, high in joined(*boxes))
    return z, y, x


def _cuff(case: PhantomCase, levels: tuple[Placed, ...]) -> Shape:
    """Epidural part: the canal but for a wedge of 360 - `wrap_deg` degrees on the far side of the sac."""
    t = case.tumour
    nodes, *middles = sac_centre(case, levels)
    centres = np.array(middles)
    ux, uy = press_direction(case)
    half = np.radians((360.0 - t.wrap_deg) / 2)
    reach = t.epidural_length_mm / 2

    def shape(z: Array, y: Array, x: Array) -> Array:
        inside = canal(levels, z, y, x) - 0.3
        if t.wrap_deg < 360.0:
            middle_x, middle_y = between(nodes, centres, z)
            away_x, away_y = x - middle_x, y - middle_y
            along = away_x * ux + away_y * uy
            across = np.abs(away_y * ux - away_x * uy)
            free = across * np.cos(half) + along * np.sin(half)
            inside = common(inside, -free, 1.5)
        return common(inside, slab(z, t.centre_z_mm - reach, t.centre_z_mm + reach), 3.0)

    return shape


def _ball(case: PhantomCase, levels: tuple[Placed, ...]) -> tuple[float, float, float]:
    """Middle (z, y, distance to the stated side) of the part in the body."""
    t = case.tumour
    height = t.centre_z_mm + t.bone_height_mm
    level = _nearest(levels, height).level
    aside = 0.45 * level.canal_width.mm if t.template == "dumbbell" else 0.0
    return height, -level.canal_depth.mm / 2 - t.bone_diameter_mm / 2 + t.bone_reach_mm, aside


def _bone_part(case: PhantomCase, levels: tuple[Placed, ...], z: Array, y: Array, side: Array) -> Array:
    """Ball in the body: of a dumbbell in its corner, taking the pedicle with it; else kept to the bone."""
    t = case.tumour
    centre = _ball(case, levels)
    placed = _nearest(levels, centre[0])
    level = placed.level
    radius = t.bone_diameter_mm / 2
    ball = ellipsoid(z - centre[0], y - centre[1], side - centre[2], (radius, radius, radius))
    if t.template != "dumbbell":
        # what reaches past the posterior wall lies in the canal, the rest within the bone
        return common(ball, union(body(placed, z, y, side), canal(levels, z, y, side)))
    wall = level.canal_width.mm / 2 + level.pedicle_width.mm / 2
    ends = (placed.pedicle_z, -8.0 * placed.scale, wall), (placed.pedicle_z, 3.0 * placed.scale, wall)
    pedicle = capsule(z, y, side, ends, level.pedicle_width.mm / 2)
    return union(ball, pedicle, _BLEND_MM)


def _paraspinal(case: PhantomCase, levels: tuple[Placed, ...], z: Array, y: Array, side: Array) -> Array:
    """Ellipsoid beside the spine, and a dumbbell's neck through the foramen at the middle of the mass."""
    t = case.tumour
    level = _nearest(levels, t.centre_z_mm).level
    wall = level.canal_width.mm / 2
    middle = wall + 6.0 + t.paraspinal_width_mm / 2
    axes = (t.paraspinal_length_mm / 2, t.paraspinal_depth_mm / 2, t.paraspinal_width_mm / 2)
    mass = ellipsoid(z - t.centre_z_mm, y + 1.0, side - middle, axes)
    if t.template != "dumbbell":
        return mass
    neck = capsule(
        z,
        y,
        side,
        ((t.centre_z_mm, 0.0, wall - 3.0), (t.centre_z_mm, -1.0, middle)),
        t.foramen_diameter_mm / 2,
    )
    return union(mass, neck, _BLEND_MM)


def _cells(case: PhantomCase, levels: tuple[Placed, ...]) -> list[Shape]:
    """Staging cells: for each level one shape of all zones that hold the same layers."""
    layers: dict[str, dict[int, set[str]]] = {}
    for entry in case.tumour.cells:
        for zone in entry.zones:
            layers.setdefault(entry.level, {}).setdefault(zone, set()).update(entry.layers)
    found = []
    for level, by_zone in layers.items():
        for names in sorted({tuple(sorted(names)) for names in by_zone.values()}):
            zones = tuple(zone for zone, own in by_zone.items() if tuple(sorted(own)) == names)
            found.append(_cell(case, placed_level(levels, level), zones, names, levels))
    return found


def _cell(
    case: PhantomCase,
    placed: Placed,
    zones: tuple[int, ...],
    names: tuple[str, ...],
    levels: tuple[Placed, ...],
) -> Shape:
    """Make the shape of some zones and layers of a level."""
    wedge = sectors(zones)
    soft = case.tumour.soft_tissue_mm
    low, high = level_ends(placed, levels)

    def shape(z: Array, y: Array, x: Array) -> Array:
        cell = common(wedge(z, y, x), slab(z, low, high)) - OVERLAP_MM
        return common(layers_of_bone(names, placed, levels, soft, z, y, x), cell)

    return shape


def _nearest(levels: tuple[Placed, ...], z: float) -> Placed:
    return min(levels, key=lambda placed: abs(placed.middle - z))
