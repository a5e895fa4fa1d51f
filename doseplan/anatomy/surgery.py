"""What the surgeon takes away: tumour near the dura, posterior elements, pieces en bloc."""

from collections.abc import Callable

import numpy as np

from doseplan.anatomy.shapes import Array, Shape, common, union
from doseplan.anatomy.spine import Placed
from doseplan.anatomy.zones import level_slab, placed_level, sectors
from doseplan.case.disease_spec import RESECTIONS, Surgery
from doseplan.case.spec import Case, PhantomCase

KERF_MM = 0.5
"""[mm] a piece taken en bloc takes this much beyond its zones and levels with it: the saw (assumed)."""

BEYOND_MM = 2.0
"""[mm] laminae are removed this far beyond the epidural tumour (assumed)."""


Centre = Callable[[Array], tuple[Array, Array]]
"""x and y of the middle of the canal at z [mm]."""


def separated(case: Case, free: Shape, separation_mm: float, centre: Centre | None = None) -> Shape:
    """Region that is emptied: nearer to the decompressed dura than the separation, in the stated zones.

    Parameters
    ----------
    free : distance to the decompressed dura
    centre : middle of the canal, which the zones lie around; x = y = 0 if not given
    """
    zones = case.surgery.separation_zones
    wedge = sectors(zones) if zones else None

    def shape(z: Array, y: Array, x: Array) -> Array:
        near = free(z, y, x) - separation_mm
        if wedge is None:
            return near
        middle_x, middle_y = (0.0, 0.0) if centre is None else centre(z)
        return common(near, wedge(z, y - middle_y, x - middle_x))

    return shape


def resected(case: PhantomCase, levels: tuple[Placed, ...]) -> Shape | None:
    """Region that leaves en bloc: zones of levels; the dura and what lies in it stay."""
    en_bloc = case.surgery.en_bloc
    if en_bloc is None:
        return None
    wedge = sectors(RESECTIONS[en_bloc.resection])
    chosen = [placed_level(levels, name) for name in en_bloc.levels]

    def shape(z: Array, y: Array, x: Array) -> Array:
        height = level_slab(chosen[0], levels, z)
        for placed in chosen[1:]:
            height = union(height, level_slab(placed, levels, z))
        return common(height, wedge(z, y, x)) - KERF_MM

    return shape


def opened(case: PhantomCase, levels: tuple[Placed, ...]) -> Shape | None:
    """Region of the posterior elements that are removed on the way to the epidural tumour.

    Laminae and spinous processes between the pedicles, and facets beside them, on the stated sides.
    """
    surgery = case.surgery
    if surgery.laminectomy == surgery.facetectomy == "none":
        return None
    reach = case.tumour.epidural_length_mm / 2 + BEYOND_MM
    low, high = case.tumour.centre_z_mm - reach, case.tumour.centre_z_mm + reach
    wall = max(placed.level.canal_width.mm for placed in levels) / 2 + 1.0
    return behind_canal(surgery, (low, high), wall, max(placed.scale for placed in levels))


def behind_canal(
    surgery: Surgery, height: tuple[float, float], wall: float, size: float, centre: Centre | None = None
) -> Shape:
    """Region of laminae and facets behind the middle of the canal, on the stated sides.

    Parameters
    ----------
    height : ends along z [mm]
    wall : half the width of the canal with its wall [mm]
    size : scale of the facets, 1 at the thoracolumbar junction
    centre : middle of the canal; x = y = 0 if not given
    """
    low, high = height
    laminae = _sides(surgery.laminectomy, 0.0 if surgery.laminectomy == "both" else -2.0, wall)
    joints = _sides(surgery.facetectomy, wall - 2.0, wall + 10.0 * size)

    def shape(z: Array, y: Array, x: Array) -> Array:
        if centre is not None:
            middle_x, middle_y = centre(z)
            x, y = x - middle_x, y - middle_y
        aside = np.full(np.shape(x), np.inf)
        for start, end in (*laminae, *joints):
            aside = union(aside, np.maximum(start - x, x - end))
        return np.asarray(np.maximum(np.maximum(low - z, z - high), np.maximum(aside, 0.5 - y)))

    return shape


def _sides(side: str, inner: float, outer: float) -> list[tuple[float, float]]:
    """Ranges of x between two distances from the midline, on the stated sides."""
    if side == "both" and inner <= 0.0:
        return [(-outer, outer)]
    left, right = (inner, outer), (-outer, -inner)
    return {"none": [], "left": [left], "right": [right], "both": [left, right]}[side]
