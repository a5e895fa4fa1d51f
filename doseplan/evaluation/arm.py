"""One arm of the summary: what cord, target and strip get, and whether limits and goals are met."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.biology import require_same_scale
from doseplan.biology.models import rbe_model
from doseplan.case.limits import cord_limit
from doseplan.case.spec import Case
from doseplan.evaluation.goals import verdicts
from doseplan.evaluation.volume import (
    STRIP_MM,
    Array,
    Mask,
    dose_at_percent,
    dose_at_volume,
    structure_masks,
    volume_percent_at,
)
from doseplan.messages import InputError

Metrics = dict[str, Any]

CORD_VOLUMES_CM3 = {"d0_03cc": 0.03, "d0_1cc": 0.1, "d0_7cc": 0.7, "d1cc": 1.0}
TARGET_PERCENTS = {"d98": 98.0, "d95": 95.0, "d50": 50.0, "d2": 2.0}
COLDEST_CM3 = 1.0

BESIDE = 0.01
"""[1] absorbed dose and LET beside a dose at a volume are means over the samples within this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The samples of one structure with their doses, totals over the course."""

    position: Array
    """(sample, 3) [mm] x, y, z."""
    volume: Array
    """(sample,) [cm3]."""
    dura_distance: Array
    """(sample,) [mm]."""
    absorbed: Array
    """(sample,) [Gy]."""
    let_d: Array
    """(sample,) [keV/um]."""
    rbe: Array
    """(sample,) [Gy(RBE)]."""
    lem1: Array
    """(sample,) [Gy(RBE)] of LEM I, another scale: shown beside, never compared."""


def evaluate_arm(case: Case, phantom: xr.Dataset, samples: xr.Dataset, dose: xr.Dataset) -> Metrics:
    """Judge the finished dose of one arm.

    Parameters
    ----------
    phantom
        Of the arm; its attributes give separation, volumes and gaps.
    samples
        Sample points of the arm.
    dose
        `sample_dose`, `sample_let_d`, `sample_dose_rbe`, `sample_dose_lem1` over the same samples.

    Returns
    -------
    dict
        The arm of `summary.json`. Points on surfaces count for maxima and minima, not for volumes.

    Raises
    ------
    InputError
        The dose is nowhere above 0, NaN or negative, on another scale, or a structure has no samples.
    """
    check_dose(case, samples, dose)
    separation = separation_of(phantom)
    masks = structure_masks(samples, separation)
    _require_structures(samples, masks)
    points = {name: _points(samples, dose, mask) for name, mask in masks.items() if mask.any()}
    structure = samples["sample_structure"].values
    goals = verdicts(case, dose["sample_dose_rbe"].values, samples["sample_volume"].values, structure)
    total = case.prescription.total_gy_rbe
    arm = {
        "separation_mm": separation,
        "cord": _cord(case, points["cord"], goals),
        "tumour": _target(points["target"], total),
        **_strip(points.get("strip"), separation, total),
        "goals": goals,
        "limits_met": all(goal["met"] for goal in goals if goal["hard"]),
        "goals_met": all(goal["met"] for goal in goals if not goal["hard"]),
    }
    return {**arm, **_geometry(phantom)}


def separation_of(phantom: xr.Dataset) -> float | None:
    """Give the separation [mm] of a phantom; None without surgery."""
    if "separation_mm" not in phantom.attrs:
        raise InputError("anatomy: separation_mm: expected as an attribute, got none")
    separation = float(phantom.attrs["separation_mm"])
    return None if math.isnan(separation) else separation


def check_dose(case: Case, samples: xr.Dataset, dose: xr.Dataset) -> None:
    """Refuse a dose that can't be judged: not as declared, on another scale, NaN, negative or all zero."""
    names = ("sample_dose", "sample_let_d", "sample_dose_rbe", "sample_dose_lem1")
    try:
        schema.check(samples, "sample_position", "sample_structure", "sample_volume", "sample_dura_distance")
        schema.check(dose, *names)
    except (KeyError, ValueError) as error:
        raise InputError(f"dose: {error.args[0]}") from error
    if dose.sizes["sample"] != samples.sizes["sample"]:
        raise InputError(
            f"dose: expected {samples.sizes['sample']} samples as the anatomy has, got {dose.sizes['sample']}"
        )
    for name, scale in (("sample_dose_rbe", case.prescription.scale), ("sample_dose_lem1", "LEM1")):
        require_same_scale(rbe_model(scale).attributes(case.prescription.fractions), dose[name].attrs)
    for name in names:
        values = dose[name].values
        wrong = ~(np.isfinite(values) & (values >= 0.0))
        if wrong.any():
            raise InputError(
                f"{name}: expected finite values of at least 0, got {values[wrong][0]:g} in {wrong.sum()} of "
                f"{values.size} samples"
            )
    if not (dose["sample_dose_rbe"].values > 0.0).any():
        raise InputError(
            f"sample_dose_rbe: expected some dose, got 0 in all {dose.sizes['sample']} samples: "
            "the spots have no ions, or no field reaches the samples"
        )


def _require_structures(samples: xr.Dataset, masks: dict[str, Mask]) -> None:
    volume = samples["sample_volume"].values
    for name in ("cord", "target"):
        if not volume[masks[name]].sum() > 0.0:
            raise InputError(f"sample_structure: expected samples with volume in the {name}, got none")


def _points(samples: xr.Dataset, dose: xr.Dataset, mask: Mask) -> Points:
    return Points(
        position=samples["sample_position"].values[mask],
        volume=samples["sample_volume"].values[mask],
        dura_distance=samples["sample_dura_distance"].values[mask],
        absorbed=dose["sample_dose"].values[mask],
        let_d=dose["sample_let_d"].values[mask],
        rbe=dose["sample_dose_rbe"].values[mask],
        lem1=dose["sample_dose_lem1"].values[mask],
    )


def _cord(case: Case, points: Points, goals: list[Metrics]) -> Metrics:
    judged = [goal["met"] for goal in goals if goal["structure"] == "cord"]
    metrics = _at_sample("max", points, int(points.rbe.argmax()), where=True)
    for name, volume in CORD_VOLUMES_CM3.items():
        metrics |= _beside(name, points, dose_at_volume(points.rbe, points.volume, volume))
    return {
        "volume_cm3": float(points.volume.sum()),
        **metrics,
        "limit_gye": cord_limit(case),
        "met": all(judged) if judged else None,
    }


def _target(points: Points, prescription_gye: float) -> Metrics:
    metrics = _at_sample("dmin", points, int(points.rbe.argmin()), where=True)
    for name, percent in TARGET_PERCENTS.items():
        metrics |= _beside(name, points, dose_at_percent(points.rbe, points.volume, percent))
    metrics |= _at_sample("dmax", points, int(points.rbe.argmax()))
    for percent in (95, 90):
        level = 0.01 * percent * prescription_gye
        metrics[f"v{percent}_percent"] = volume_percent_at(points.rbe, points.volume, level)
    volume = float(points.volume.sum())
    return {
        "volume_cm3": volume,
        **metrics,
        "mean_gye": _sum(points.volume, points.rbe) / volume,
        "mean_absorbed_gy": _sum(points.volume, points.absorbed) / volume,
        "mean_let_d_kev_um": _mean(points.let_d, points.volume * points.absorbed),
        "mean_lem1_gy_rbe": _sum(points.volume, points.lem1) / volume,
        "coldest_cm3": _coldest(points),
    }


def _strip(points: Points | None, separation: float | None, prescription_gye: float) -> Metrics:
    reach = (separation or 0.0) + STRIP_MM
    if points is None or not points.volume.sum() > 0.0:
        return {"strip": None, "strip_reason": f"no part of the target lies within {reach:g} mm of the dura"}
    return {"strip": {"reach_mm": reach, **_target(points, prescription_gye)}}


def _coldest(points: Points) -> Metrics:
    """Find the coldest 1 cm3, or all of a smaller target: its mean dose and where it lies."""
    order = np.argsort(points.rbe, kind="stable")
    volume = points.volume[order]
    share = np.clip(COLDEST_CM3 - (np.cumsum(volume) - volume), 0.0, volume)
    found = float(share.sum())
    position = points.position[order]
    centroid = np.sum(share[:, np.newaxis] * position, axis=0) / found
    spread = math.sqrt(_sum(share, ((position - centroid) ** 2).sum(axis=1)) / found)
    absorbed = points.absorbed[order]
    return {
        "volume_cm3": found,
        "mean_gye": _sum(share, points.rbe[order]) / found,
        "mean_absorbed_gy": _sum(share, absorbed) / found,
        "mean_let_d_kev_um": _mean(points.let_d[order], share * absorbed),
        "mean_lem1_gy_rbe": _sum(share, points.lem1[order]) / found,
        "x_mm": float(centroid[0]),
        "y_mm": float(centroid[1]),
        "z_mm": float(centroid[2]),
        "spread_mm": spread,
        "mean_dura_distance_mm": _sum(share, points.dura_distance[order]) / found,
    }


def _at_sample(name: str, points: Points, sample: int, *, where: bool = False) -> Metrics:
    """Give the four doses of one sample, and where it lies."""
    metrics = {
        f"{name}_gye": float(points.rbe[sample]),
        f"{name}_absorbed_gy": float(points.absorbed[sample]),
        f"{name}_let_d_kev_um": float(points.let_d[sample]),
        f"{name}_lem1_gy_rbe": float(points.lem1[sample]),
    }
    if where:
        x, y, z = map(float, points.position[sample])
        metrics |= {f"{name}_x_mm": x, f"{name}_y_mm": y, f"{name}_z_mm": z}
        metrics[f"{name}_dura_distance_mm"] = float(points.dura_distance[sample])
    return metrics


def _beside(name: str, points: Points, dose_gye: float) -> Metrics:
    """Give a dose at a volume with the absorbed dose and LET of the samples that get about that dose."""
    away = np.abs(points.rbe - dose_gye)
    share = np.where(away <= max(BESIDE * dose_gye, float(away.min())), points.volume, 0.0)
    if not share.sum() > 0.0:
        share = (away == away.min()).astype(np.float64)
    return {
        f"{name}_gye": dose_gye,
        f"{name}_absorbed_gy": _mean(points.absorbed, share),
        f"{name}_let_d_kev_um": _mean(points.let_d, share * points.absorbed),
        f"{name}_lem1_gy_rbe": _mean(points.lem1, share),
    }


def _sum(share: Array, values: Array) -> float:
    """Sum of products by numpy's own loop: BLAS would make the last digit depend on its threads."""
    return float(np.sum(share * values))


def _mean(values: Array, share: Array) -> float:
    """Average with shares; 0 where they are all 0 (no dose has no LET)."""
    total = float(share.sum())
    return _sum(share, values) / total if total > 0.0 else 0.0


def _geometry(phantom: xr.Dataset) -> Metrics:
    """Gather the volumes and gaps that the phantom reports."""
    found = {str(name): value for name, value in phantom.attrs.items()}
    return {
        "volumes": {name: float(value) for name, value in found.items() if name.endswith("_cm3")},
        "gaps": {
            name: None if math.isnan(value) else float(value)
            for name, value in found.items()
            if name.startswith("gap_")
        },
        "structure": str(found.get("neural_structure", "spinal cord")),
    }
