"""What the vertebral bodies get: a body that was irradiated much may break within the year."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.anatomy.paint import BONE, CANAL
from doseplan.biology import require_same_scale
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.case.tissues import TISSUES

LEVELS_GYE = (40.0, 60.0)
"""[Gy(RBE)] doses whose share of a body is told."""

REPLACED = ("cavity", "replacement", "cement", "implant")
"""Tissues that are no bone any more."""

SMALLEST_TARGET_CM3 = 0.03
"""[cm3] a level with less of the unoperated target than this is left out."""

Mask = NDArray[np.bool_]


def body_doses(
    case: Case, phantom: xr.Dataset, dose: xr.Dataset
) -> dict[str, dict[str, float | None]] | None:
    """Measure the dose of the vertebral body of every level that the unoperated target reaches.

    A body is the bone in front of the canal, as far as surgery left it; where the tumour has destroyed it, it
    counts too. Dose is that of voxels, by their centres.

    Parameters
    ----------
    phantom : Dataset of `build_phantom`
    dose : `dose`, `dose_rbe`, `let_d` over the same voxels, and `bone_dose_lem1` if the run has it

    Returns
    -------
    dict, or None
        By level: `volume_cm3`, `mean_gye`, `v40_percent`, `v60_percent`, `mean_absorbed_gy`,
        `mean_let_d_kev_um`, and of LEM I `mean_lem1_gy_rbe`, `v40_lem1_percent`, `v60_lem1_percent`, which
        are of another scale and None if the run does not have it. None where levels are not known, as on a
        CT, or there is no bone to tell of.
    """
    if "region" not in phantom or not phantom.attrs.get("own_shape_known", True):
        return None
    require_same_scale(
        rbe_model(case.prescription.scale).attributes(case.prescription.fractions), dose["dose_rbe"].attrs
    )
    if "bone_dose_lem1" in dose:
        labels = rbe_model("LEM1").attributes(case.prescription.fractions)
        require_same_scale(labels, dose["bone_dose_lem1"].attrs)
    front = _in_front(phantom)
    found: dict[str, dict[str, float | None]] = {}
    for number, name in enumerate(str(phantom.attrs["levels"]).split()):
        slices = phantom["level_index"].values == number
        reached = float(phantom["spot_target"].values[slices].sum()) * _voxel_cm3(phantom)
        body = front[slices]
        if reached >= SMALLEST_TARGET_CM3 and body.any():
            parts = {
                each: dose[each].values[slices][body].astype(np.float64)
                for each in ("dose_rbe", "dose", "let_d", "bone_dose_lem1")
                if each in dose
            }
            found[name] = {"volume_cm3": float(body.sum()) * _voxel_cm3(phantom), **_metrics(parts)}
    return found or None


def _voxel_cm3(phantom: xr.Dataset) -> float:
    return float(phantom.attrs["voxel_mm"]) ** 3 / 1000.0


def _in_front(phantom: xr.Dataset) -> Mask:
    """Find the voxels of bone in front of the canal of their slice."""
    region, y = phantom["region"].values, phantom["y"].values
    canal = (region == CANAL).any(axis=2)
    edge = np.where(canal.any(axis=1), y[np.argmax(canal, axis=1)], -np.inf)
    gone = np.isin(phantom["tissue"].values, [TISSUES.index(name) for name in REPLACED])
    return np.asarray((region == BONE) & ~gone & (y[None, :, None] < edge[:, None, None]))


def _metrics(parts: dict[str, NDArray[np.float64]]) -> dict[str, float | None]:
    """Average over voxels of equal volume; LET by absorbed dose, 0 where there is none."""
    weighted, absorbed, lem1 = parts["dose_rbe"], parts["dose"], parts.get("bone_dose_lem1")
    total = float(absorbed.sum())
    return {
        "mean_gye": float(weighted.mean()),
        **{f"v{level:g}_percent": _percent_at(weighted, level) for level in LEVELS_GYE},
        "mean_absorbed_gy": float(absorbed.mean()),
        "mean_let_d_kev_um": float(np.sum(absorbed * parts["let_d"])) / total if total > 0.0 else 0.0,
        "mean_lem1_gy_rbe": None if lem1 is None else float(lem1.mean()),
        **{
            f"v{level:g}_lem1_percent": None if lem1 is None else _percent_at(lem1, level)
            for level in LEVELS_GYE
        },
    }


def _percent_at(dose: NDArray[np.float64], level: float) -> float:
    """Compute the share [%] of voxels that get at least a dose."""
    return 100.0 * float(np.mean(dose >= level))
