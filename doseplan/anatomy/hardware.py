"""Implants of the operated arms as shapes: pedicle screws, rods, cement; and what a CT makes of them."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from doseplan.anatomy.ct_curve import HIGHEST_HU, density_and_rsp
from doseplan.anatomy.grid import Axes, Box
from doseplan.anatomy.shapes import Array, Shape, capsule, ellipsoid, union, without
from doseplan.anatomy.spine import Placed, canal, joined
from doseplan.anatomy.zones import placed_level
from doseplan.case.spec import PhantomCase
from doseplan.messages import InputError

CONVERGENCE_DEG = 10.0
"""[deg] screws point this far towards the midline (assumed)."""

SCANNER = "matrad"
"""Curve that a plan on the CT would take."""

STREAK_HU, BAND_HU = 120.0, -250.0
"""Amplitude of streaks beside an implant and of the dark band between two (assumed)."""

STREAK_REACH_MM, BAND_SIGMA_MM, STREAKS = 25.0, 4.0, 8

Rod = tuple[tuple[float, float, float], tuple[float, float, float]]


def screws(case: PhantomCase, levels: tuple[Placed, ...]) -> list[Rod]:
    """Give entry and tip (z, y, x) of every pedicle screw, left before right at each level [mm]."""
    if case.hardware is None:
        return []
    found = []
    turn = math.radians(CONVERGENCE_DEG)
    for name in case.hardware.screw_levels:
        placed = placed_level(levels, name)
        back = placed.level.canal_depth.mm / 2
        # the axis passes the middle of the pedicle, beside the front of the canal
        run = back + 4.0 * placed.scale + back
        entry_x = placed.pedicle_x + 0.5 * run * math.tan(turn)
        entry_y = back + 4.0 * placed.scale
        length = case.hardware.screw_length_mm
        tip_x = max(entry_x - length * math.sin(turn), 3.0)
        tip_y = entry_y - length * math.cos(turn)
        for sign in (1.0, -1.0):
            found.append(
                ((placed.pedicle_z, entry_y, sign * entry_x), (placed.pedicle_z, tip_y, sign * tip_x))
            )
    return found


def rods(case: PhantomCase, levels: tuple[Placed, ...]) -> list[Rod]:
    """Give the ends of the pieces of both rods, which join the heads of the screws [mm]."""
    hardware = case.hardware
    if hardware is None or not hardware.rods:
        return []
    behind = hardware.screw_diameter_mm / 2 + hardware.rod_diameter_mm / 2
    found = []
    entries = [entry for entry, _ in screws(case, levels)]
    for side in (entries[0::2], entries[1::2]):
        heads = [(z, y + behind, x) for z, y, x in sorted(side, reverse=True)]
        found += list(itertools.pairwise(heads))
    return found


def implants(case: PhantomCase, levels: tuple[Placed, ...]) -> tuple[Shape, Box] | None:
    """Screws and rods, kept out of the canal, with the box around them."""
    hardware = case.hardware
    parts = [(rod, hardware.screw_diameter_mm / 2) for rod in screws(case, levels)] if hardware else []
    if hardware is None or not parts:
        return None
    parts += [(rod, hardware.rod_diameter_mm / 2) for rod in rods(case, levels)]
    boxes = [_rod_box(rod, radius) for rod, radius in parts]

    def shape(z: Array, y: Array, x: Array) -> Array:
        found = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), 1e3, dtype=x.dtype)
        for rod, radius in parts:
            found = union(found, capsule(z, y, x, rod, radius))
        return without(found, canal(levels, z, y, x))

    return shape, joined(*boxes)


def cement(case: PhantomCase, levels: tuple[Placed, ...]) -> tuple[Shape, Box] | None:
    """Ellipsoid of the stated volume in the middle of a body.

    Raises
    ------
    InputError
        The body has no room for it.
    """
    hardware = case.hardware
    if hardware is None or hardware.cement_level is None:
        return None
    placed = placed_level(levels, hardware.cement_level)
    level = placed.level
    volume = hardware.cement_ml * 1000.0
    height = min((3.0 * volume / (4.0 * math.pi)) ** (1.0 / 3.0), 0.45 * (placed.upper - placed.lower))
    radius = math.sqrt(3.0 * volume / (4.0 * math.pi * height))
    depth = min(level.endplate_depth_upper.mm, level.endplate_depth_lower.mm)
    width = min(level.endplate_width_upper.mm, level.endplate_width_lower.mm)
    if radius > 0.48 * min(depth, width):
        room = 4.0 / 3.0 * math.pi * height * (0.48 * min(depth, width)) ** 2 / 1000.0
        raise InputError(
            f"{case.name}: hardware.cement_ml: expected at most {room:.1f} ml in the body of "
            f"{hardware.cement_level}, got {hardware.cement_ml:g}"
        )
    middle = -level.canal_depth.mm / 2 + 2.0 - depth / 2

    def shape(z: Array, y: Array, x: Array) -> Array:
        return ellipsoid(z - placed.middle, y - middle, x, (height, radius, radius))

    box = (
        (placed.middle - height, placed.middle + height),
        (middle - radius, middle + radius),
        (-radius, radius),
    )
    return shape, box


def _rod_box(rod: Rod, radius: float) -> Box:
    z, y, x = (
        (min(start, end) - radius - 1.0, max(start, end) + radius + 1.0)
        for start, end in zip(*rod, strict=True)
    )
    return z, y, x


def as_on_ct(
    hu: NDArray[np.float32], implant: NDArray[np.float32], axes: Axes, *, artefact: bool
) -> NDArray[np.float32]:
    """CT numbers as a scanner shows them: cut at `HIGHEST_HU`, and with streaks if asked.

    Parameters
    ----------
    hu, implant : (z, y, x)
        True CT numbers, and the part of each voxel that is metal.

    Notes
    -----
    A picture of the artefact, not a simulation of the scanner: streaks fade away from each implant of a
    slice, and a dark band joins the two sides. Soft CFR-PEEK throws none.
    """
    seen = np.minimum(hu, np.float32(HIGHEST_HU))
    if not artefact:
        return seen
    y, x = axes[1][:, None], axes[2][None, :]
    for index in range(len(axes[0])):
        metal = implant[index] > 0.5
        if not metal.any() or float(hu[index][metal].max()) < HIGHEST_HU:
            continue
        change = np.zeros(metal.shape)
        middles = []
        for side in (x > 0.0, x <= 0.0):
            chosen = metal & side
            if chosen.any():
                rows, columns = np.nonzero(chosen)
                middles.append((float(axes[1][rows].mean()), float(axes[2][columns].mean())))
        for middle_y, middle_x in middles:
            away = np.hypot(y - middle_y, x - middle_x)
            angle = np.arctan2(y - middle_y, x - middle_x)
            change += STREAK_HU * np.cos(STREAKS * angle) * np.exp(-away / STREAK_REACH_MM)
        if len(middles) == 2:
            change += BAND_HU * _band(y, x, middles[0], middles[1])
        change[metal] = 0.0
        seen[index] = np.clip(seen[index] + change, -1000.0, HIGHEST_HU).astype(np.float32)
    return seen


def _band(y: Array, x: Array, first: tuple[float, float], second: tuple[float, float]) -> Array:
    """Part of the dark band between two implants."""
    dy, dx = second[0] - first[0], second[1] - first[1]
    length = math.hypot(dy, dx)
    along = ((y - first[0]) * dy + (x - first[1]) * dx) / length
    across = ((y - first[0]) * dx - (x - first[1]) * dy) / length
    within = (along > 0.0) & (along < length)
    return np.asarray(np.where(within, np.exp(-0.5 * (across / BAND_SIGMA_MM) ** 2), 0.0))


def rsp_from_ct(
    rsp: NDArray[np.float32],
    hu: NDArray[np.float32],
    seen: NDArray[np.float32],
    metal: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Give the stopping power ratios that a plan on the CT would use, if nothing were overridden.

    Where implants or streaks change the CT number, the curve's change is added to the true value; a voxel of
    implant takes the curve's value of what the scanner shows.

    Parameters
    ----------
    rsp, hu, seen, metal : (z, y, x)
        True ratio and CT number, CT number shown, part of implant and cement.
    """
    read = density_and_rsp(seen, SCANNER)[1]
    changed = rsp + (read - density_and_rsp(hu, SCANNER)[1]) * (seen != hu)
    return np.where(metal > 0.5, read, changed).astype(np.float32)
