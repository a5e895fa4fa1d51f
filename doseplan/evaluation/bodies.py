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


def body_doses(case: Case, phantom: xr.Dataset, dose: xr.Dataset) -> dict[str, dict[str, float]] | None:
    """Measure the dose of the vertebral body of every level that the unoperated target reaches.

    A body is the bone in front of the canal, as far as surgery left it; where the tumour has destroyed it, it
    counts too. Dose is that of voxels, by their centres.

    Parameters
    ----------
    phantom : Dataset of `build_phantom`
    dose : `dose`, `dose_rbe`, `let_d` over the same voxels

    Returns
    -------
    dict, or None
        By level: `volume_cm3`, `mean_gye`, `v40_percent`, `v60_percent`, `mean_absorbed_gy`,
        `mean_let_d_kev_um`. None where levels are not known, as on a CT, or there is no bone to tell of.
    """
    if "region" not in phantom or not phantom.attrs.get("own_shape_known", True):
        return None
    require_same_scale(
        rbe_model(case.prescription.scale).attributes(case.prescription.fractions), dose["dose_rbe"].attrs
    )
    front = _in_front(phantom)
    found = {}
    for number, name in enumerate(str(phantom.attrs["levels"]).split()):
        slices = phantom["level_index"].values == number
        reached = float(phantom["spot_target"].values[slices].sum()) * _voxel_cm3(phantom)
        body = front[slices]
        if reached >= SMALLEST_TARGET_CM3 and body.any():
            parts = (
                dose[each].values[slices][body].astype(np.float64) for each in ("dose_rbe", "dose", "let_d")
            )
            found[name] = {"volume_cm3": float(body.sum()) * _voxel_cm3(phantom), **_metrics(*parts)}
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


def _metrics(
    weighted: NDArray[np.float64], absorbed: NDArray[np.float64], let_d: NDArray[np.float64]
) -> dict[str, float]:
    """Average over voxels of equal volume; LET by absorbed dose, 0 where there is none."""
    total = float(absorbed.sum())
    shares = {f"v{level:g}_percent": 100.0 * float(np.mean(weighted >= level)) for level in LEVELS_GYE}
    return {
        "mean_gye": float(weighted.mean()),
        **shares,
        "mean_absorbed_gy": float(absorbed.mean()),
        "mean_let_d_kev_um": float(np.sum(absorbed * let_d)) / total if total > 0.0 else 0.0,
    }
