"""Build the voxel model of one arm: tissues, structures and true distances."""

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import label

from doseplan.anatomy.grid import Axes, Slices, fraction, inside
from doseplan.anatomy.hardware import as_on_ct, rsp_from_ct
from doseplan.anatomy.model import TUMOUR_NEAR_MM, Model, gaps_mm, model_arm
from doseplan.anatomy.neural import tip_mm
from doseplan.anatomy.paint import Canvas, paint_tissues
from doseplan.anatomy.shapes import Array
from doseplan.anatomy.surface import Surface, measured
from doseplan.anatomy.zones import deep_mm, level_ends
from doseplan.case.spec import Case
from doseplan.case.tissues import TISSUES
from doseplan.messages import InputError
from doseplan.schema import check, variable

CELL_MM = 0.5
"""Largest cell that a voxel at a surface is split into to measure its volume fraction."""


FAR_MM = 2.0
"""Voxels further than this from a surface lie on the same side as their neighbours."""


def build_phantom(case: Case, *, separation_mm: float | None, arm: str | None = None) -> xr.Dataset:
    """Voxelise one arm of a case.

    Parameters
    ----------
    case : what is stated
    separation_mm : [mm] free distance between tumour and decompressed dura; 0 is decompression alone,
        None is no surgery
    arm : name of the arm; `none`, `decompressed` or `separated` by the separation if not given

    Returns
    -------
    phantom : Dataset on (z, y, x)
        rsp, density, hu, tissue, region; volume fractions cord, sac, gtv, target, spot_target;
        distance_cord, distance_dura, distance_gtv, distance_target, cut at +-12 mm (tumour
        and target 8 mm, dura at least 10 mm beyond the separation); level_index over z; with implants
        rsp_ct, what a plan on the CT would use.
        Attributes: arm, separation_mm (NaN without surgery), levels, volumes [cm3] and gaps [mm] by name,
        target_reading, neural_structure, assumptions.

    Raises
    ------
    InputError
        Cord or tumour outside the grid, no tumour left by surgery, no room for cement.
    """
    if separation_mm is not None and not 0.0 <= separation_mm <= 30.0:
        raise InputError(f"{case.name}: separation_mm: expected 0 to 30 mm or none, got {separation_mm}")
    model = model_arm(case, separation_mm=separation_mm)
    voxel = case.grid.voxel_mm
    surfaces = {"gtv": model.residual, "target": model.target, "cord": model.cord, "dura": model.dura}
    distances = {
        f"distance_{name}": _voxel_distance(surface, model.axes) for name, surface in surfaces.items()
    }
    gtv, target, cord, sac = (
        volume_fraction(surface, model.axes, voxel, distances[f"distance_{name}"])
        for name, surface in surfaces.items()
    )
    gross = gtv if model.gross is model.residual else volume_fraction(model.gross, model.axes, voxel)
    shared = {id(model.gross): gross, id(model.target): target}
    spot_target = shared.get(id(model.spot_target))
    if spot_target is None:
        spot_target = volume_fraction(model.spot_target, model.axes, voxel)
    fractions = {
        "cord": np.minimum(cord, sac),
        "sac": sac,
        "gtv": np.minimum(gtv, 1.0 - sac),
        "target": np.minimum(target, 1.0 - sac),
        "spot_target": spot_target,
    }
    canvas = paint_tissues(case, model, distances["distance_dura"], fractions["cord"], sac, gross)
    tissues = {"flag_values": list(range(len(TISSUES))), "flag_meanings": " ".join(TISSUES)}
    data = {
        "rsp": variable("rsp", canvas.rsp),
        "density": variable("density", canvas.density),
        "hu": variable("hu", canvas.hu),
        "tissue": variable("tissue", canvas.tissue, **tissues),
        "region": variable("region", canvas.region, flag_values=[0, 1, 2], flag_meanings="other bone canal"),
        "level_index": variable("level_index", _level_index(model)),
        **_on_ct(case, model, canvas),
        **{name: variable(name, values) for name, values in (*fractions.items(), *distances.items())},
    }
    coordinates = {name: variable(name, axis) for name, axis in zip("zyx", model.axes, strict=True)}
    attributes = _attributes(case, model, arm, {**fractions, "gtv_before": gross})
    return check(xr.Dataset(data, coords=coordinates, attrs=attributes), *data)


def _level_index(model: Model) -> NDArray[np.uint8]:
    """Find the level of every slice, from the head; slices beyond the last level take its number."""
    z = model.axes[0]
    lower = [level_ends(placed, model.levels)[0] for placed in model.levels]
    return np.minimum(sum((z < end).astype(np.uint8) for end in lower), len(lower) - 1).astype(np.uint8)


def _on_ct(case: Case, model: Model, canvas: Canvas) -> dict[str, xr.Variable]:
    """Put in what a CT makes of implants: the CT numbers shown, the ratios a plan would take from them."""
    if case.hardware is None or model.separation_mm is None:
        return {}
    names = [TISSUES.index(name) for name in ("implant", "cement")]
    foreign = np.isin(canvas.tissue, names).astype(np.float32)
    metal = (canvas.tissue == TISSUES.index("implant")).astype(np.float32)
    true = canvas.hu.copy()
    canvas.hu[:] = as_on_ct(true, metal, model.axes, artefact=case.hardware.ct_artefact)
    return {"rsp_ct": variable("rsp_ct", rsp_from_ct(canvas.rsp, true, canvas.hu, foreign))}


def _voxel_distance(surface: Surface | None, axes: Axes) -> NDArray[np.float32]:
    """Distances of all voxel centres (z, y, x) to a surface; its reach everywhere if there is none."""
    reach = TUMOUR_NEAR_MM if surface is None else surface.reach_mm
    out = np.full([len(axis) for axis in axes], reach, np.float32)
    if surface is not None:
        part = inside(axes, surface.box, surface.reach_mm)
        out[part] = _signed(surface, axes, part)[0]
    return out


def _signed(surface: Surface, axes: Axes, part: Slices) -> tuple[Array, Array]:
    """Distances of the voxels of a part of the grid, and their centres (voxel, 3).

    Near the surface the shape tells the sign; further out each connected region lies on one side, so that one
    of its voxels does.
    """
    z, y, x = np.meshgrid(*(axis[cut] for axis, cut in zip(axes, part, strict=True)), indexing="ij")
    points = np.column_stack([z.ravel(), y.ravel(), x.ravel()])
    found, _ = measured(surface, points)
    regions, count = label((np.abs(found) >= max(FAR_MM, 0.6 * _step(axes))).reshape(z.shape))
    regions = regions.ravel()
    first = np.zeros(count + 1, np.intp)
    first[regions[::-1]] = np.arange(regions.size)[::-1]
    sign = surface.shape(*points[first].T)[regions]
    near = regions == 0
    sign[near] = surface.shape(*points[near].T)
    return np.copysign(found, sign).reshape(z.shape), points


def _step(axes: Axes) -> float:
    """Voxel edge [mm]."""
    axis = max(axes, key=len)
    return float(axis[1] - axis[0]) if len(axis) > 1 else 0.0


def volume_fraction(
    surface: Surface | None, axes: Axes, voxel_mm: float, away: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Volume fractions of all voxels (z, y, x) inside a surface.

    Voxels at the surface are split into cells of at most `CELL_MM`, so that volumes don't depend on the
    voxel size.

    Parameters
    ----------
    away : (z, y, x) [mm]
        Distances of the voxel centres, if they are known.
    """
    out = np.zeros([len(axis) for axis in axes], np.float32)
    if surface is None:
        return out
    part = inside(axes, surface.box, voxel_mm)
    if away is None:
        centres, points = _signed(surface, axes, part)
    else:
        centres = away[part]
        mesh = np.meshgrid(*(axis[cut] for axis, cut in zip(axes, part, strict=True)), indexing="ij")
        points = np.column_stack([axis.ravel() for axis in mesh])
    near = centres.ravel()
    filled = fraction(near, voxel_mm)
    cut = np.abs(near) < 0.9 * voxel_mm
    splits = math.ceil(voxel_mm / CELL_MM)
    parts = (np.arange(splits) - (splits - 1) / 2) * voxel_mm / splits
    offsets = np.stack(np.meshgrid(parts, parts, parts, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = (points[cut][:, None, :] + offsets[None]).reshape(-1, 3)
    found, unclear = measured(surface, cells)
    # a distance changes by no more than the way between two points
    reach = np.linalg.norm(offsets, axis=1) + 0.05
    jump = np.abs(found.reshape(-1, len(offsets)) - near[cut][:, None]) > reach
    asked = unclear | jump.ravel()
    found[asked] = np.copysign(found[asked], surface.shape(*cells[asked].T))
    filled[cut] = fraction(found, voxel_mm / splits).reshape(-1, len(offsets)).mean(axis=1)
    out[part] = filled.reshape(centres.shape)
    return out


def _attributes(
    case: Case, model: Model, arm: str | None, fractions: dict[str, NDArray[np.float32]]
) -> dict[str, object]:
    separation = model.separation_mm
    by_separation = "none" if separation is None else "separated" if separation > 0 else "decompressed"
    cell = case.grid.voxel_mm**3 / 1000.0
    volumes = {f"{name}_cm3": float(part.sum(dtype=np.float64)) * cell for name, part in fractions.items()}
    volumes["resected_cm3"] = volumes["gtv_before_cm3"] - volumes["gtv_cm3"]
    keeps = case.surgery.ctv_keeps_resected
    return {
        "arm": arm or by_separation,
        "separation_mm": math.nan if separation is None else float(separation),
        "voxel_mm": case.grid.voxel_mm,
        "levels": " ".join(placed.level.name for placed in model.levels),
        "deep_bone_mm": [list(deep_mm(placed)) for placed in model.levels],
        "neural_structure": _neural_structure(case, model),
        **volumes,
        **{f"gap_{name}_mm": gap for name, gap in gaps_mm(model, case.prv_margin_mm).items()},
        "target_reading": "keeps the resected region" if keeps else "residual tumour with margin",
        "assumptions": list(case.assumptions),
    }


def _neural_structure(case: Case, model: Model) -> str:
    """Name what `cord` stands for in the grid."""
    tip, z = tip_mm(case, model.levels), model.axes[0]
    if tip <= z[0]:
        return "spinal cord"
    return (
        "cauda equina (thecal sac)" if tip >= z[-1] else "spinal cord and cauda equina (thecal sac below it)"
    )
