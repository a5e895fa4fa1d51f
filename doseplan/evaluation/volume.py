"""Dose to volume and volume to dose of weighted sample points."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.messages import InputError
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STRIP_MM = 5.0
"""[mm] depth of the strip, added to the separation."""


def dose_at_volume(dose: Array, volume: Array, hottest_cm3: float) -> float:
    """Compute the dose [Gy(RBE)] that the hottest part of a structure gets at least.

    Parameters
    ----------
    dose : (sample,) [Gy(RBE)]
    volume : (sample,) [cm3]
        Samples of no volume (points on a surface) are left out.
    hottest_cm3
        The part; more than the structure has gives the lowest dose.

    Notes
    -----
    Samples are sorted by falling dose. Each stands at the middle of its share of the cumulative volume, and
    doses between are interpolated linearly; before the first and beyond the last they stay constant.
    """
    part = volume > 0.0
    order = np.argsort(-dose[part], kind="stable")
    sorted_dose, sorted_volume = dose[part][order], volume[part][order]
    middle = np.cumsum(sorted_volume) - 0.5 * sorted_volume
    return float(np.interp(hottest_cm3, middle, sorted_dose))


def dose_at_percent(dose: Array, volume: Array, percent: float) -> float:
    """Compute D_percent: the dose [Gy(RBE)] that the hottest `percent` of the volume get at least."""
    return dose_at_volume(dose, volume, 0.01 * percent * float(volume.sum()))


def volume_percent_at(dose: Array, volume: Array, level: float) -> float:
    """Compute the share [%] of the volume whose samples get at least `level` [Gy(RBE)]."""
    return float(100.0 * volume[dose >= level].sum() / volume.sum())


def structure_masks(samples: xr.Dataset, separation_mm: float | None) -> dict[str, Mask]:
    """Tell which samples belong to the cord, the target and the strip: (sample,) each.

    The strip is the target within `separation_mm` + 5 mm of the dura; without surgery the separation counts
    as 0.
    """
    structure = samples["sample_structure"].values
    target = structure == STRUCTURES["target"]
    near = samples["sample_dura_distance"].values <= (separation_mm or 0.0) + STRIP_MM
    return {"cord": structure == STRUCTURES["cord"], "target": target, "strip": target & near}


def dose_volume_histogram(
    samples: xr.Dataset, dose: xr.Dataset, *, separation_mm: float | None, bin_gy_rbe: float = 0.1
) -> xr.Dataset:
    """Compute the cumulative dose-volume histograms of cord, target and strip; empty ones are left out.

    Parameters
    ----------
    samples
        Dataset of `place_samples`.
    dose
        `sample_dose_rbe` over the same samples.
    separation_mm
        Of the arm, None without surgery.
    bin_gy_rbe
        Distance of the dose levels, from 0 to the first beyond the highest dose.

    Returns
    -------
    Dataset over (structure, dose_bin)
        `dvh` [%], `dvh_dose` [Gy(RBE)], `dvh_volume` [cm3].
    """
    if not bin_gy_rbe > 0.0:
        raise InputError(f"bin_gy_rbe: expected more than 0, got {bin_gy_rbe:g}")
    volume, dose_rbe = samples["sample_volume"].values, dose["sample_dose_rbe"].values
    masks = structure_masks(samples, separation_mm)
    masks = {name: mask for name, mask in masks.items() if volume[mask].sum() > 0.0}
    highest = max((float(dose_rbe[mask].max()) for mask in masks.values()), default=0.0)
    levels: Array = bin_gy_rbe * np.arange(int(highest / bin_gy_rbe) + 2, dtype=np.float64)
    curves = [cumulative_percent(dose_rbe[mask], volume[mask], levels) for mask in masks.values()]
    attributes = {name: dose["sample_dose_rbe"].attrs[name] for name in schema.RBE_ATTRIBUTES}
    data = {
        "dvh": schema.variable("dvh", np.reshape(curves, (len(masks), levels.size)), **attributes),
        "dvh_dose": schema.variable("dvh_dose", levels, **attributes),
        "dvh_volume": schema.variable("dvh_volume", [volume[mask].sum() for mask in masks.values()]),
    }
    return schema.check(xr.Dataset(data, coords={"structure": list(masks)}), *data)


def cumulative_percent(dose: Array, volume: Array, levels: Array) -> Array:
    """Compute the share [%] of the volume whose dose, or any other value, is at least each level.

    One running sum serves all levels, so that the share never rises by a rounding.
    """
    order = np.argsort(dose, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(volume[order])])
    share = below[np.searchsorted(dose[order], levels, side="left")] / below[-1]
    above: Array = 100.0 * (1.0 - share)
    return above
