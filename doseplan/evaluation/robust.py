"""What is left of a plan when the patient lies elsewhere, or ranges are wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.biology import require_same_scale
from doseplan.case.spec import Case
from doseplan.dose import error_scenarios
from doseplan.evaluation.goals import verdicts
from doseplan.evaluation.volume import Array, Mask, cumulative_percent, dose_at_percent, structure_masks
from doseplan.messages import InputError

Metrics = dict[str, Any]

BANDS = ("lowest", "nominal", "highest")

BIN_GYE = 0.1
"""[Gy(RBE)] distance of the levels of a histogram."""


def robust_metrics(case: Case, samples: xr.Dataset, separation_mm: float | None) -> Metrics | None:
    """Judge the dose of an arm in its error scenarios.

    Parameters
    ----------
    samples
        With `sample_dose_rbe`, and `scenario_dose_rbe` of each scenario.

    Returns
    -------
    dict, or None without scenarios
        `count` and `systematic`: scenarios besides the nominal one, and how many of them are no random draws.
        `cord_max_gye`, `target_dmin_gye`: the worst of all systematic scenarios and the nominal one.
        `target_d98_gye`, `strip_d98_gye`: of the lowest dose that each sample gets in any of them (voxel-wise
        worst case). `limits_met`: those of organs, in each of them. `goals_met`: all goals, likewise.
        `pass_percent`: share of all scenarios, nominal and random ones too, in which both hold. `each`: a
        row for each scenario.

    Raises
    ------
    InputError
        Doses that are NaN, negative or on another scale.
    """
    if "scenario_dose_rbe" not in samples or case.robustness is None:
        return None
    dose = _checked(samples)
    systematic = len(error_scenarios(replace(case.robustness, random=0)))
    masks = structure_masks(samples, separation_mm)
    volume = samples["sample_volume"].values
    nominal = samples["sample_dose_rbe"].values
    structure = samples["sample_structure"].values
    rows = [
        _row(case, dose[number], volume, structure, masks, shift, error)
        for number, (shift, error) in enumerate(
            zip(samples["scenario_shift"].values, samples["scenario_range_percent"].values, strict=True)
        )
    ]
    planned = _row(case, nominal, volume, structure, masks, np.zeros(3), 0.0)
    judged = [planned, *rows[:systematic]]
    lowest = np.min([nominal, *dose[:systematic]], axis=0)
    return {
        "count": len(rows),
        "systematic": systematic,
        "planned_for": case.robustness.plan,
        "cord_max_gye": max(row["cord_max_gye"] for row in judged),
        "target_dmin_gye": min(row["target_dmin_gye"] for row in judged),
        "target_d98_gye": _d98(lowest, volume, masks["target"]),
        "strip_d98_gye": _d98(lowest, volume, masks["strip"]),
        "limits_met": all(row["limits_met"] for row in judged),
        "goals_met": all(row["goals_met"] for row in judged),
        "pass_percent": 100.0 * float(np.mean([_passes(row) for row in (planned, *rows)])),
        "each": rows,
    }


def histogram_bands(samples: xr.Dataset, *, separation_mm: float | None) -> xr.Dataset:
    """Compute the band of cumulative dose-volume histograms over the nominal dose and all scenarios.

    Returns
    -------
    Dataset over (band, structure, dose_bin)
        `dvh` [%] with bands lowest, nominal, highest, and `dvh_dose` [Gy(RBE)].
    """

    def ends(curves: Array) -> tuple[Array, Array]:
        return curves.min(axis=0), curves.max(axis=0)

    return band_dataset(samples, _checked(samples), separation_mm=separation_mm, ends=ends)


def band_dataset(
    samples: xr.Dataset,
    others: Iterable[Array],
    *,
    separation_mm: float | None,
    ends: Callable[[Array], tuple[Array, Array]],
) -> xr.Dataset:
    """Compute a band of cumulative dose-volume histograms around the nominal one.

    Parameters
    ----------
    others : doses of (sample,) [Gy(RBE)]
        Taken one after the other, so that they need not be in memory together.
    ends
        Gives the lower and the upper end, (structure, dose_bin) each, of the curves of all doses, the nominal
        one first, (dose, structure, dose_bin) [%].

    Returns
    -------
    Dataset over (band, structure, dose_bin)
        As `histogram_bands`.
    """
    volume = samples["sample_volume"].values
    masks = structure_masks(samples, separation_mm)
    masks = {name: mask for name, mask in masks.items() if volume[mask].sum() > 0.0}

    def curves_of(dose: Array) -> Array:
        levels = BIN_GYE * np.arange(int(dose.max() / BIN_GYE) + 2, dtype=np.float64)
        return np.array([cumulative_percent(dose[mask], volume[mask], levels) for mask in masks.values()])

    found = [curves_of(dose) for dose in chain([samples["sample_dose_rbe"].values], others)]
    count = max(each.shape[1] for each in found)
    curves = np.array([np.pad(each, ((0, 0), (0, count - each.shape[1]))) for each in found])
    attributes = {name: samples["sample_dose_rbe"].attrs[name] for name in schema.RBE_ATTRIBUTES}
    low, high = ends(curves)
    levels: Array = BIN_GYE * np.arange(count, dtype=np.float64)
    return xr.Dataset(
        {
            "dvh": (("band", "structure", "dose_bin"), np.stack([low, curves[0], high]), attributes),
            "dvh_dose": schema.variable("dvh_dose", levels, **attributes),
        },
        coords={"band": list(BANDS), "structure": list(masks)},
    )


def scenario_name(row: Metrics) -> str:
    """Name a scenario by its errors."""
    parts = [f"{axis} {shift:+.3g} mm" for axis, shift in zip("xyz", row["shift_mm"], strict=True) if shift]
    if row["range_percent"]:
        parts.append(f"range {row['range_percent']:+.3g} %")
    return ", ".join(parts) or "nominal"


def _row(
    case: Case,
    dose: Array,
    volume: Array,
    structure: NDArray[np.integer],
    masks: dict[str, Mask],
    shift: Array,
    error: float,
) -> Metrics:
    judged = verdicts(case, dose, volume, structure)
    return {
        "shift_mm": [float(each) for each in shift],
        "range_percent": float(error),
        "cord_max_gye": float(dose[masks["cord"]].max()),
        "target_dmin_gye": float(dose[masks["target"]].min()),
        "target_d98_gye": _d98(dose, volume, masks["target"]),
        "strip_d98_gye": _d98(dose, volume, masks["strip"]),
        "limits_met": all(goal["met"] for goal in judged if goal["hard"] and goal["structure"] == "cord"),
        "goals_met": all(goal["met"] for goal in judged if not goal["hard"]),
    }


def _d98(dose: Array, volume: Array, mask: Mask) -> float | None:
    """Compute D98; None where there is no volume."""
    if not volume[mask].sum() > 0.0:
        return None
    return dose_at_percent(dose[mask], volume[mask], 98.0)


def _passes(row: Metrics) -> bool:
    return bool(row["limits_met"] and row["goals_met"])


def _checked(samples: xr.Dataset) -> Array:
    return np.asarray(
        checked_dose(samples["scenario_dose_rbe"], samples["sample_dose_rbe"].attrs), np.float64
    )


def checked_dose(found: xr.DataArray, attributes: Mapping[Any, Any]) -> NDArray[np.floating]:
    """Give the values of a dose on the scale that attributes name.

    Raises
    ------
    InputError
        It is NaN, negative or on another scale.
    """
    require_same_scale(attributes, found.attrs)
    dose = found.values
    wrong = ~(np.isfinite(dose) & (dose >= 0.0))
    if wrong.any():
        raise InputError(
            f"{found.name}: expected finite values of at least 0, got {dose[wrong][0]:g} in "
            f"{wrong.sum()} of {dose.size}"
        )
    return np.asarray(dose)
