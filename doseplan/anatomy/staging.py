"""Staging read back from voxels: WBB zones and layers, ESCC grade, resections that would take all of it.

Nothing here knows how the voxels were made, so that a CT with contours takes the same way. These are
descriptors: no plan depends on them.
"""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from doseplan.anatomy.neural import DURA_THICKNESS_MM
from doseplan.anatomy.paint import BONE, CANAL, OTHER
from doseplan.anatomy.zones import LAYERS, ZONES, deep_reach_mm, zone_of
from doseplan.case.disease_spec import RESECTIONS
from doseplan.case.tissues import TISSUES

INVOLVED_CM3 = 0.03
"""[cm3] less tumour than this in a cell of level, zone and layer does not count (assumed)."""

INVOLVED_PERCENT = 5.0
"""[%] of a cell that must be tumour, for it to count (assumed)."""

SMALLEST_SECTION = 8.0
"""[voxels] a smaller cross-section of the cord, as near its tip, is too coarse to see it deformed."""

FILM_MM = 0.1
"""[mm] tumour counts this deep inside its surface."""

DEFORMED_MM = 0.25
"""[mm] sac or cord count as deformed from here: a quarter of a usual in-plane voxel of MRI (assumed)."""

TOUCH_MM = 0.3
"""[mm] a film of fluid up to this counts as contact of dura and cord (assumed)."""

CSF_SEEN_MM = 0.5
"""[mm] thinner fluid is not seen: a usual in-plane voxel of MRI (assumed)."""

Numbers = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def stage(phantom: xr.Dataset, reference: xr.Dataset) -> dict[str, Any]:
    """Read the staging of one arm.

    Parameters
    ----------
    phantom : Dataset of `build_phantom`
    reference : the same anatomy with sac and cord in their own shape (the arm `decompressed`)

    Returns
    -------
    staging : dict
        `escc` with the measures that it follows from, `cells` (level, then layer, then zones), `zones`,
        `layers`, `en_bloc` (resections whose zones hold all of the tumour, by name).
    """
    tumour, whole = cell_volumes(phantom)
    cells = _cells(phantom, tumour, whole)
    epidural_cm3 = float(tumour[:, :, LAYERS.index("D")].sum())
    zones = sorted({zone for layers in cells.values() for found in layers.values() for zone in found})
    layers = sorted({name for found in cells.values() for name in found})
    return {
        **escc(phantom, reference, epidural_cm3=epidural_cm3),
        "cells": cells,
        "zones": zones,
        "layers": layers,
        "en_bloc": eligible_resections(zones, layers),
    }


def cell_volumes(phantom: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure every cell, and the gross tumour in it.

    Returns
    -------
    tumour, whole : (level, zone, layer) [cm3]
        Soft tissue outside the bone (A) has no end: its cells are counted where there is tumour only.
    """
    names = str(phantom.attrs["levels"]).split()
    shape = (len(names), ZONES, len(LAYERS))
    # by centres, as edges of zones and layers cut through voxels; a film over an edge does not count
    gtv = phantom["distance_gtv"].values < -FILM_MM
    part = _box(gtv)
    if part is None:
        return np.zeros(shape), np.zeros(shape)
    part = _box((phantom["region"].values != OTHER) | gtv, within=part[0]) or part
    zone, aside, behind = _zones(phantom, part)
    layer = _layers(phantom, part, aside, behind)
    level = np.broadcast_to(phantom["level_index"].values[part[0], None, None], layer.shape)
    index = (level.astype(np.int64) * ZONES + (zone - 1)) * len(LAYERS) + layer
    cell = float(phantom.attrs["voxel_mm"]) ** 3 / 1000.0
    inside = gtv[part]
    counted = inside | (layer != LAYERS.index("A"))
    tumour, whole = (
        np.asarray(np.bincount(index[mask], minlength=int(np.prod(shape))) * cell, dtype=np.float64)
        for mask in (inside, counted)
    )
    return tumour.reshape(shape), whole.reshape(shape)


def _box(mask: Mask, within: slice = slice(None)) -> tuple[slice, slice, slice] | None:
    """Part of the grid that holds a mask, with a margin of two voxels; only slices `within` count."""
    mask = mask[within]
    if not mask.any():
        return None
    ends = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        ends.append(slice(max(int(found[0]) - 2, 0), int(found[-1]) + 3))
    return within if within.start is not None else ends[0], ends[1], ends[2]


def _zones(
    phantom: xr.Dataset, part: tuple[slice, slice, slice]
) -> tuple[NDArray[np.int64], Numbers, Numbers]:
    """Find the zone of the voxels of a part of the grid, around the middle of the canal of each slice.

    Returns
    -------
    zone, x, y : (z, y, x), and positions from that middle [mm]
    """
    y, x = phantom["y"].values, phantom["x"].values
    middle_x, middle_y = canal_middle(phantom.isel(z=part[0]))
    aside = x[part[2]][None, None, :] - middle_x[:, None, None]
    behind = y[part[1]][None, :, None] - middle_y[:, None, None]
    return zone_of(aside, behind).astype(np.int64), aside, behind


def canal_middle(phantom: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find x and y of the middle of the canal in every slice, (slice,) each [mm]; zones lie around it."""
    canal = phantom["region"].values == CANAL
    count = np.maximum(canal.sum(axis=(1, 2)), 1)
    return (canal.sum(axis=1) @ phantom["x"].values) / count, (
        canal.sum(axis=2) @ phantom["y"].values
    ) / count


def _layers(
    phantom: xr.Dataset, part: tuple[slice, slice, slice], aside: Numbers, behind: Numbers
) -> NDArray[np.int64]:
    """Find the layer of the voxels of a part of the grid, numbered by `LAYERS`."""
    voxel = float(phantom.attrs["voxel_mm"])
    # distances to the canal need the slices next to the part
    low = max(part[0].start - 10, 0)
    region = phantom["region"].values[low : part[0].stop + 10, part[1], part[2]]
    own = slice(part[0].start - low, part[0].start - low + len(aside))
    to_canal = (distance_transform_edt(region != CANAL)[own] - 0.5) * voxel
    region = region[own]
    deep = np.array(phantom.attrs["deep_bone_mm"], dtype=np.float64)
    front, back = deep[phantom["level_index"].values[part[0]]].T[:, :, None, None]
    layer = np.zeros(region.shape, np.int64)
    layer[region == BONE] = LAYERS.index("B")
    layer[(region == BONE) & (to_canal <= deep_reach_mm(aside, behind, front, back))] = LAYERS.index("C")
    layer[region == CANAL] = LAYERS.index("D")
    layer[phantom["distance_dura"].values[part] < 0.0] = LAYERS.index("E")
    return layer


def _cells(
    phantom: xr.Dataset, tumour: NDArray[np.float64], whole: NDArray[np.float64]
) -> dict[str, dict[str, list[int]]]:
    """List the involved cells: level, then layer, then zones."""
    involved = (tumour >= INVOLVED_CM3) & (tumour >= 0.01 * INVOLVED_PERCENT * whole)
    found: dict[str, dict[str, list[int]]] = {}
    for level, name in enumerate(str(phantom.attrs["levels"]).split()):
        for layer, letter in enumerate(LAYERS):
            zones = (np.flatnonzero(involved[level, :, layer]) + 1).tolist()
            if zones:
                found.setdefault(name, {})[letter] = zones
    return found


def eligible_resections(zones: list[int], layers: list[str]) -> dict[str, str]:
    """Name the en bloc resections whose zones hold all of the tumour, with the margin that is left.

    Notes
    -----
    Zones after Boriani 1997 (Spine 22:1036), numbered as here. A tumour in the epidural space leaves no
    margin at the dura, one inside the dura rules them out.
    """
    if not zones or "E" in layers:
        return {}
    margin = (
        "marginal at best: the epidural space is involved" if "D" in layers else "margin of bone possible"
    )
    return {name: margin for name, taken in RESECTIONS.items() if set(zones) <= set(taken)}


def escc(phantom: xr.Dataset, reference: xr.Dataset, *, epidural_cm3: float) -> dict[str, Any]:
    """Grade epidural compression of the cord from sub-voxel distances (Bilsky 2010, JNS Spine 13:324).

    0 bone only; 1a epidural, sac not deformed; 1b sac deformed; 1c and cord touched; 2 cord deformed from its
    reference shape, fluid visible; 3 no fluid on the worst slice.

    Returns
    -------
    grade : dict
        `escc`, `sac_indentation_mm`, `csf_towards_tumour_mm` (null if the tumour is not at the dura),
        `cord_deformation_mm`, `widest_csf_on_worst_slice_mm` (the last three null below the cord; all null on
        a CT, where the shape of sac and cord without the tumour is not known).
    """
    if not phantom.attrs.get("own_shape_known", True):
        return dict.fromkeys(
            (
                "escc",
                "sac_indentation_mm",
                "csf_towards_tumour_mm",
                "cord_deformation_mm",
                "widest_csf_on_worst_slice_mm",
            )
        )
    indentation = _indentation(phantom, reference)
    upper = _slices_with_cord(phantom)
    has_cord = bool(upper.any())
    deformation = _cord_deformation(phantom, reference, upper) if has_cord else None
    fluid = _fluid_towards_tumour(phantom, upper) if has_cord else None
    widest = _widest_csf(phantom, upper) if has_cord else None
    if epidural_cm3 < INVOLVED_CM3:
        grade = "0"
    elif widest is not None and widest <= CSF_SEEN_MM:
        grade = "3"
    elif deformation is not None and deformation > DEFORMED_MM:
        grade = "2"
    elif indentation <= DEFORMED_MM:
        grade = "1a"
    else:
        grade = "1c" if fluid is not None and fluid <= TOUCH_MM else "1b"
    return {
        "escc": grade,
        "sac_indentation_mm": indentation,
        "csf_towards_tumour_mm": fluid,
        "cord_deformation_mm": deformation,
        "widest_csf_on_worst_slice_mm": widest,
    }


def _indentation(phantom: xr.Dataset, reference: xr.Dataset) -> float:
    """How far the dura lies inside its reference shape, at the worst place [mm]."""
    now, before = (data["distance_dura"].values for data in (phantom, reference))
    near = np.abs(now) < float(phantom.attrs["voxel_mm"])
    return max(0.0, float((now - before)[near].max(initial=0.0)))


def _slices_with_cord(phantom: xr.Dataset) -> Mask:
    """Tell which slices show the cord itself; below its tip the sac stands for the cauda equina."""
    tissue = phantom["tissue"].values
    cauda = (tissue == TISSUES.index("cauda_equina")).any(axis=(1, 2))
    return np.asarray((phantom["cord"].values.sum(axis=(1, 2)) > 0.0) & ~cauda)


def _section_axes(cord: Numbers, phantom: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half axes (slice, 2) of the ellipses with the second moments of each slice [mm], and its area [mm2]."""
    y, x = phantom["y"].values, phantom["x"].values
    voxel = float(phantom.attrs["voxel_mm"])
    weight = cord.astype(np.float64)
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-9)
    at_x, at_y = weight.sum(axis=1), weight.sum(axis=2)
    mean_x, mean_y = at_x @ x / total, at_y @ y / total
    # a voxel spreads its own volume by voxel^2 / 12
    xx = at_x @ (x * x) / total - mean_x**2 + voxel**2 / 12.0
    yy = at_y @ (y * y) / total - mean_y**2 + voxel**2 / 12.0
    xy = np.einsum("zyx,y,x->z", weight, y, x, optimize=True) / total - mean_x * mean_y
    half, root = (xx + yy) / 2.0, np.sqrt(((xx - yy) / 2.0) ** 2 + xy**2)
    axes = 2.0 * np.sqrt(np.maximum(np.stack([half + root, half - root], axis=1), 0.0))
    return axes, total * voxel**2


def _cord_deformation(phantom: xr.Dataset, reference: xr.Dataset, upper: Mask) -> float:
    """Largest change of a half axis of the cord's cross-section [mm]; moving it as a whole does not count."""
    now, area = _section_axes(phantom["cord"].values[upper], phantom)
    before, _ = _section_axes(reference["cord"].values[upper], reference)
    whole = area > SMALLEST_SECTION * float(phantom.attrs["voxel_mm"]) ** 2
    return float(np.abs(now - before)[whole].max(initial=0.0))


def _fluid_towards_tumour(phantom: xr.Dataset, upper: Mask) -> float | None:
    """Thinnest fluid between cord and dura where the tumour lies behind the dura [mm]."""
    cord, dura, tumour = (phantom[f"distance_{name}"].values[upper] for name in ("cord", "dura", "gtv"))
    voxel = float(phantom.attrs["voxel_mm"])
    between = (dura < 0.0) & (cord > -voxel) & (tumour <= 1.0 - dura)
    if not between.any():
        return None
    return max(0.0, float((cord - dura)[between].min()) - DURA_THICKNESS_MM)


def _widest_csf(phantom: xr.Dataset, upper: Mask) -> float:
    """Widest fluid between cord and dura on the slice where that is least [mm]."""
    cord, dura = (phantom[f"distance_{name}"].values[upper] for name in ("cord", "dura"))
    fluid = np.where((dura < 0.0) & (cord > 0.0), cord - dura, 0.0).max(axis=(1, 2))
    return max(0.0, float(fluid.min()) - DURA_THICKNESS_MM)
