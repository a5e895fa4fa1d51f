"""Judge a finished dose on a grid, whoever computed it."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import map_coordinates

from doseplan.case.spec import Case
from doseplan.evaluation.arm import CORD_VOLUMES_CM3, TARGET_PERCENTS
from doseplan.evaluation.goals import verdicts
from doseplan.evaluation.volume import (
    Array,
    Mask,
    dose_at_percent,
    dose_at_volume,
    structure_masks,
    volume_percent_at,
)
from doseplan.messages import InputError


def judge_grid(case: Case, samples: xr.Dataset, dose: xr.Dataset) -> dict[str, Any]:
    """Judge the RBE-weighted dose of a grid at the samples of cord and target.

    Parameters
    ----------
    case : its limits, goals and prescription
    samples : Dataset of `place_samples`
    dose : `dose_rbe` [Gy(RBE)] over z, y, x

    Returns
    -------
    dict
        `cord` and `tumour` with the metrics of an arm that a dose alone gives, `goals`, `limits_met`,
        `goals_met`.

    Raises
    ------
    InputError
        A sample of cord or target lies outside the grid, or its dose is not finite.

    Notes
    -----
    Doses between voxel centres are interpolated linearly: a maximum between them is missed by what the
    dose bends within a voxel.
    """
    masks = structure_masks(samples, None)
    at_samples = np.zeros(samples.sizes["sample"])
    judged = masks["cord"] | masks["target"]
    at_samples[judged] = interpolated(dose, samples["sample_position"].values[judged])
    volume, structure = samples["sample_volume"].values, samples["sample_structure"].values
    # other tissue counts as far as the grid reaches
    there = ~judged & ~_outside(dose, samples["sample_position"].values)
    at_samples[there] = interpolated(dose, samples["sample_position"].values[there])
    seen = judged | there
    goals = verdicts(case, at_samples[seen], volume[seen], structure[seen])
    total = case.prescription.total_gy_rbe
    cord, target = at_samples[masks["cord"]], at_samples[masks["target"]]
    cord_volume, target_volume = volume[masks["cord"]], volume[masks["target"]]
    return {
        "cord": {
            "max_gye": float(cord.max()),
            **{
                f"{name}_gye": dose_at_volume(cord, cord_volume, part)
                for name, part in CORD_VOLUMES_CM3.items()
            },
        },
        "tumour": {
            "volume_cm3": float(target_volume.sum()),
            "dmin_gye": float(target.min()),
            **{
                f"{name}_gye": dose_at_percent(target, target_volume, percent)
                for name, percent in TARGET_PERCENTS.items()
            },
            **{
                f"v{percent}_percent": volume_percent_at(target, target_volume, 0.01 * percent * total)
                for percent in (95, 90)
            },
        },
        "goals": goals,
        "limits_met": all(goal["met"] for goal in goals if goal["hard"]),
        "goals_met": all(goal["met"] for goal in goals if not goal["hard"]),
    }


def interpolated(dose: xr.Dataset, position: Array) -> Array:
    """Interpolate `dose_rbe` at positions (sample, 3) as x, y, z [mm], up to the faces of outer voxels."""
    index = []
    for place, axis in enumerate("zyx"):
        centres = dose[axis].values
        at = np.interp(position[:, 2 - place], centres, np.arange(len(centres)))
        outside = _outside_along(dose, position, axis)
        if outside.any():
            raise InputError(
                f"dose: expected to cover cord and target, got {int(outside.sum())} of {len(at)} samples "
                f"outside its grid along {axis} ({centres[0]:.0f} to {centres[-1]:.0f} mm)"
            )
        index.append(at)
    found = map_coordinates(dose["dose_rbe"].values.astype(np.float64), index, order=1, mode="nearest")
    if not np.isfinite(found).all():
        raise InputError("dose: expected finite values in cord and target, got some that are not")
    return np.asarray(found)


def _outside(dose: xr.Dataset, position: Array) -> Mask:
    return np.asarray(np.any([_outside_along(dose, position, axis) for axis in "zyx"], axis=0))


def _outside_along(dose: xr.Dataset, position: Array, axis: str) -> Mask:
    """Tell which positions lie beyond the faces of the outer voxels."""
    centres, at = dose[axis].values, position[:, "xyz".index(axis)]
    half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else np.inf
    return np.asarray((at < centres[0] - half) | (at > centres[-1] + half))
