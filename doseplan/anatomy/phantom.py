"""Build the voxel model of one arm: tissues, structures and true distances."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.anatomy.hardware import as_on_ct, rsp_from_ct
from doseplan.anatomy.model import Model, gaps_mm, model_arm
from doseplan.anatomy.neural import tip_mm
from doseplan.anatomy.paint import Canvas, paint_tissues
from doseplan.anatomy.paint_scan import paint_scan
from doseplan.anatomy.scan import Patient, open_patient, scan_model
from doseplan.anatomy.structures import Structures, structure_voxels
from doseplan.anatomy.zones import deep_mm, level_ends
from doseplan.case.spec import Case, PhantomCase, ScanCase
from doseplan.case.tissues import TISSUES
from doseplan.messages import InputError
from doseplan.schema import check, variable

DEEP_BONE_MM = (16.0, 3.0)
"""[mm] deep bone of a CT reaches this far in front of the canal and behind it: a thoracic body (assumed)."""


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
        Cord or tumour outside the grid, no tumour left by surgery, no room for cement; a CT that can't be
        read or has no structure for cord or tumour.
    """
    if separation_mm is not None and not 0.0 <= separation_mm <= 30.0:
        raise InputError(f"{case.name}: separation_mm: expected 0 to 30 mm or none, got {separation_mm}")
    if isinstance(case, ScanCase):
        return phantom_of_patient(case, open_patient(case), separation_mm=separation_mm, arm=arm)
    model = model_arm(case, separation_mm=separation_mm)
    voxels = structure_voxels(model, case.grid.voxel_mm)
    canvas = paint_tissues(
        case,
        model,
        voxels.distances["distance_dura"],
        voxels.fractions["cord"],
        voxels.fractions["sac"],
        voxels.gross,
    )
    attributes = {**_of_levels(case, model), **_attributes(case, model, arm, voxels, ())}
    return _phantom(model, canvas, voxels, _on_ct(case, model, canvas), attributes)


def phantom_of_patient(
    case: ScanCase, patient: Patient, *, separation_mm: float | None, arm: str | None = None
) -> xr.Dataset:
    """Voxelise one arm of a case on a CT that is open; parameters and result as `build_phantom`."""
    model = scan_model(case, patient, separation_mm=separation_mm)
    voxels = structure_voxels(model, case.grid.voxel_mm)
    known = {**voxels.fractions, "gross": voxels.gross}
    canvas, notes = paint_scan(case, patient, model, known, voxels.distances["distance_dura"])
    attributes = {**_attributes(case, model, arm, voxels, notes), **_of_scan(patient)}
    return _phantom(model, canvas, voxels, {}, attributes)


def _phantom(
    model: Model,
    canvas: Canvas,
    voxels: Structures,
    extra: dict[str, xr.Variable],
    attributes: dict[str, object],
) -> xr.Dataset:
    tissues = {"flag_values": list(range(len(TISSUES))), "flag_meanings": " ".join(TISSUES)}
    data = {
        "rsp": variable("rsp", canvas.rsp),
        "density": variable("density", canvas.density),
        "hu": variable("hu", canvas.hu),
        "tissue": variable("tissue", canvas.tissue, **tissues),
        "region": variable("region", canvas.region, flag_values=[0, 1, 2], flag_meanings="other bone canal"),
        "level_index": variable("level_index", _level_index(model)),
        **extra,
        **{name: variable(name, values) for name, values in voxels.fractions.items()},
        **{name: variable(name, values) for name, values in voxels.distances.items()},
    }
    coordinates = {name: variable(name, axis) for name, axis in zip("zyx", model.axes, strict=True)}
    return check(xr.Dataset(data, coords=coordinates, attrs=attributes), *data)


def _level_index(model: Model) -> NDArray[np.uint8]:
    """Find the level of every slice, from the head; slices beyond the last level take its number."""
    z = model.axes[0]
    if not model.levels:
        return np.zeros(len(z), np.uint8)
    lower = [level_ends(placed, model.levels)[0] for placed in model.levels]
    return np.minimum(sum((z < end).astype(np.uint8) for end in lower), len(lower) - 1).astype(np.uint8)


def _on_ct(case: PhantomCase, model: Model, canvas: Canvas) -> dict[str, xr.Variable]:
    """Put in what a CT makes of implants: the CT numbers shown, the ratios a plan would take from them."""
    if case.hardware is None or model.separation_mm is None:
        return {}
    names = [TISSUES.index(name) for name in ("implant", "cement")]
    foreign = np.isin(canvas.tissue, names).astype(np.float32)
    metal = (canvas.tissue == TISSUES.index("implant")).astype(np.float32)
    true = canvas.hu.copy()
    canvas.hu[:] = as_on_ct(true, metal, model.axes, artefact=case.hardware.ct_artefact)
    return {"rsp_ct": variable("rsp_ct", rsp_from_ct(canvas.rsp, true, canvas.hu, foreign))}


def _of_levels(case: PhantomCase, model: Model) -> dict[str, object]:
    """Attributes of a phantom: its levels, and what `cord` stands for."""
    return {
        "levels": " ".join(placed.level.name for placed in model.levels),
        "deep_bone_mm": [list(deep_mm(placed)) for placed in model.levels],
        "neural_structure": _neural_structure(case, model),
        "own_shape_known": True,
    }


def _of_scan(patient: Patient) -> dict[str, object]:
    """Attributes of a CT: one level, as its vertebrae have no names."""
    return {
        "levels": "CT",
        "deep_bone_mm": [list(DEEP_BONE_MM)],
        "neural_structure": patient.neural_structure,
        "own_shape_known": False,
        **({"gap_tumour_sac_mm": math.nan} if patient.roles["dura"] is None else {}),
    }


def _attributes(
    case: Case,
    model: Model,
    arm: str | None,
    voxels: Structures,
    notes: Sequence[str],
) -> dict[str, object]:
    separation = model.separation_mm
    by_separation = "none" if separation is None else "separated" if separation > 0 else "decompressed"
    cell = case.grid.voxel_mm**3 / 1000.0
    fractions = {**voxels.fractions, "gtv_before": voxels.gross}
    volumes = {f"{name}_cm3": float(part.sum(dtype=np.float64)) * cell for name, part in fractions.items()}
    volumes["resected_cm3"] = volumes["gtv_before_cm3"] - volumes["gtv_cm3"]
    keeps = case.surgery.ctv_keeps_resected
    return {
        "arm": arm or by_separation,
        "separation_mm": math.nan if separation is None else float(separation),
        "voxel_mm": case.grid.voxel_mm,
        **volumes,
        **{f"gap_{name}_mm": gap for name, gap in gaps_mm(model, case.prv_margin_mm).items()},
        "target_reading": "keeps the resected region" if keeps else "residual tumour with margin",
        "assumptions": [*case.assumptions, *notes],
    }


def _neural_structure(case: PhantomCase, model: Model) -> str:
    """Name what `cord` stands for in the grid."""
    tip, z = tip_mm(case, model.levels), model.axes[0]
    if tip <= z[0]:
        return "spinal cord"
    return (
        "cauda equina (thecal sac)" if tip >= z[-1] else "spinal cord and cauda equina (thecal sac below it)"
    )
