"""Two doses of one plan side by side: the pencil beam's and the Monte Carlo's, with its uncertainty."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from doseplan.biology import require_same_scale
from doseplan.case.limits import cord_limit
from doseplan.case.spec import Case
from doseplan.dose.voxel_sums import BODY_RSP
from doseplan.evaluation.arm import separation_of
from doseplan.evaluation.gamma import GAMMA_MM, GAMMA_PERCENT, gamma_percent
from doseplan.evaluation.volume import Array, dose_at_percent, dose_at_volume, structure_masks
from doseplan.messages import InputError
from doseplan.montecarlo.voxels import coarse_mean, score_factors
from doseplan.schema import STRUCTURES

WHOLE = 0.999
"""[1] a scored voxel with at least this share of body is all body."""

VOLUMES_CM3 = {"d0_03cc": 0.03, "d1cc": 1.0}
PERCENTS = {"d98": 98.0, "d95": 95.0, "d50": 50.0, "d2": 2.0}

SPREAD_TOO = ("d0_03cc", "d98")
"""Doses at a volume that are given with less noise too: it makes hot parts hotter and cold ones colder."""

ASSUMPTIONS = (
    "scored voxels at the skin are compared with the part of them that is body, and left out of gamma: the "
    "pencil beam gives no dose to air",
    "at sample points the Monte Carlo is the pencil beam's dose plus the difference of both on the scored "
    "voxels, interpolated: the rims of structures are finer than the voxels",
    "where the difference is spread by a Gaussian, noise is a fraction and details finer than that are lost",
    "'at its place' is the Monte Carlo where the pencil beam is highest or lowest; the extreme of noisy "
    "doses ('anywhere') lies beyond the true one by one to three times the uncertainty",
)


def agreement(
    case: Case, phantom: xr.Dataset, samples: xr.Dataset, dose: xr.Dataset, monte_carlo: xr.Dataset
) -> dict[str, Any]:
    """Compare a plan's dose with its Monte Carlo.

    Parameters
    ----------
    phantom
        Of the arm: its grid, `rsp` and separation.
    samples
        Sample points with `sample_dose`, `sample_dose_rbe` of the pencil beam.
    dose
        `dose`, `dose_rbe` of the pencil beam on the phantom's grid.
    monte_carlo
        From `recalculate`.

    Returns
    -------
    dict
        `rows` [{structure, quantity, pencil_beam_gye, monte_carlo_gye, uncertainty_gye, limit_gye, met,
        met_monte_carlo}]; `gamma` {dose, dose_rbe} [% of voxels that pass, global to the prescription];
        `voxels` {dose, dose_rbe}: those above half the prescription, their mean `uncertainty_percent`,
        `mean_ratio` and `ratio_spread` of Monte Carlo over pencil beam.

    Raises
    ------
    InputError
        Doses on different scales, or on grids that do not fit.
    """
    require_same_scale(dose["dose_rbe"].attrs, monte_carlo["dose_rbe"].attrs)
    factor = _factor(phantom, monte_carlo)
    body = (phantom["rsp"].values >= BODY_RSP).astype(np.float64)
    share = coarse_mean(body, factor)
    pencil = {name: _body_mean(dose[name].values * body, share, factor) for name in ("dose", "dose_rbe")}
    masks = structure_masks(samples, separation_of(phantom))
    found = _at_points(samples, pencil["dose_rbe"], monte_carlo)
    rows = [*_cord_rows(case, samples, masks["cord"], *found)]
    rows += _target_rows(case, samples, masks["target"], *found)
    if "smooth_dose_rbe" in monte_carlo:
        spread = _spread_at_points(samples, pencil["dose_rbe"], monte_carlo)
        blur_mm = float(monte_carlo.attrs["blur_mm"])
        rows += _spread_rows(case, samples, masks, blur_mm, *spread)
    full = full_doses(case, samples)
    high = (monte_carlo["dose_rbe"].values >= 0.5 * case.prescription.total_gy_rbe) & (share > 0.0)
    if not high.any():
        raise InputError("monte_carlo: expected voxels above half the prescription, got none")
    return {
        "histories": int(monte_carlo.attrs["histories"]),
        "seed": int(monte_carlo.attrs["seed"]),
        "scale": str(dose["dose_rbe"].attrs["scale"]),
        "rows": rows,
        "gamma": {
            name: gamma_percent(
                dose[name], monte_carlo[name], factor, full_dose=full[name], counted=share > WHOLE
            )
            for name in pencil
        },
        "gamma_percent": GAMMA_PERCENT,
        "gamma_mm": GAMMA_MM,
        "voxels": {name: _voxels(pencil[name], monte_carlo, name, high) for name in pencil},
        "assumptions": [*ASSUMPTIONS, *map(str, monte_carlo.attrs.get("assumptions", []))],
    }


def full_doses(case: Case, samples: xr.Dataset) -> dict[str, float]:
    """Give what per cent of gamma are of: the prescription, and the absorbed dose [Gy] that goes with it.

    A prescription is one of RBE-weighted dose; the absorbed dose is taken in the target's mean proportion.
    """
    target = samples["sample_structure"].values == STRUCTURES["target"]
    mean = [float(samples[name].values[target].mean()) for name in ("sample_dose", "sample_dose_rbe")]
    total = case.prescription.total_gy_rbe
    return {"dose": total * mean[0] / mean[1], "dose_rbe": total}


def _factor(phantom: xr.Dataset, monte_carlo: xr.Dataset) -> NDArray[np.int64]:
    """Find how many of the phantom's voxels make a scored one, along x, y, z."""
    edges = [float(np.diff(phantom[name].values[:2])[0]) for name in "xyz"]
    wide = float(np.diff(monte_carlo["x"].values[:2])[0])
    factor = score_factors(np.array(edges), wide)
    expected = tuple(-(-phantom.sizes[name] // int(step)) for name, step in zip("xyz", factor, strict=True))
    found = tuple(monte_carlo.sizes[name] for name in "xyz")
    if expected != found:
        raise InputError(f"monte_carlo: expected {expected} voxels along x, y, z, got {found}")
    return factor


def _body_mean(values: NDArray[np.floating], share: Array, factor: NDArray[np.int64]) -> Array:
    """Average over the part of each scored voxel that is body; 0 where there is none."""
    mean = coarse_mean(values, factor)
    return np.divide(mean, share, out=np.zeros_like(mean), where=share > 0.0)


def _at_points(
    samples: xr.Dataset, coarse_pencil: Array, monte_carlo: xr.Dataset
) -> tuple[Array, Array, Array]:
    """Give dose of the pencil beam, of the Monte Carlo, and its uncertainty [Gy(RBE)] at the samples."""
    other = monte_carlo["dose_rbe"].astype(np.float64)
    points, pencil = samples["sample_position"].values, samples["sample_dose_rbe"].values
    moved = at_points(other - coarse_pencil, points)
    spread = at_points(other * monte_carlo["dose_rbe_uncertainty"], points)
    return pencil, np.maximum(pencil + moved, 0.0), spread


def _spread_at_points(
    samples: xr.Dataset, coarse_pencil: Array, monte_carlo: xr.Dataset
) -> tuple[Array, Array, Array]:
    """Do the same with the difference spread by the Gaussian that `smooth_dose_rbe` was spread by."""
    other = monte_carlo["dose_rbe"].astype(np.float64)
    edge = np.array([float(np.diff(monte_carlo[name].values[:2])[0]) for name in "zyx"])
    difference = other.copy(data=gaussian_filter(other - coarse_pencil, monte_carlo.attrs["blur_mm"] / edge))
    points, pencil = samples["sample_position"].values, samples["sample_dose_rbe"].values
    smooth = monte_carlo["smooth_dose_rbe"].astype(np.float64)
    doubt = at_points(smooth * monte_carlo["smooth_dose_rbe_uncertainty"], points)
    return pencil, np.maximum(pencil + at_points(difference, points), 0.0), doubt


def at_points(values: xr.DataArray, points: Array) -> Array:
    """Interpolate a field on voxels to points (x, y, z) [mm]; beyond the voxels as at their edge."""
    place = []
    for axis, name in ((2, "z"), (1, "y"), (0, "x")):
        centre = values[name].values
        place.append((points[:, axis] - centre[0]) / (centre[1] - centre[0]))
    return np.asarray(map_coordinates(values.values.astype(np.float64), place, order=1, mode="nearest"))


def _cord_rows(
    case: Case, samples: xr.Dataset, mask: NDArray[np.bool_], pencil: Array, monte_carlo: Array, spread: Array
) -> list[dict[str, Any]]:
    limit = cord_limit(case)
    one, other, sigma = pencil[mask], monte_carlo[mask], spread[mask]
    hottest, anywhere = int(one.argmax()), int(other.argmax())
    rows = [
        _row("cord", "maximum, at its place", one[hottest], other[hottest], sigma[hottest], limit),
        _row("cord", "maximum, anywhere", one[hottest], other[anywhere], sigma[anywhere], limit),
    ]
    volume = samples["sample_volume"].values[mask]
    for name, cm3 in VOLUMES_CM3.items():
        pair = [dose_at_volume(values, volume, cm3) for values in (one, other)]
        rows.append(_row("cord", name, pair[0], pair[1], None, None))
    return rows


def _target_rows(
    case: Case, samples: xr.Dataset, mask: NDArray[np.bool_], pencil: Array, monte_carlo: Array, spread: Array
) -> list[dict[str, Any]]:
    one, other, sigma = pencil[mask], monte_carlo[mask], spread[mask]
    coldest, anywhere = int(one.argmin()), int(other.argmin())
    rows = [
        _row("target", "minimum, at its place", one[coldest], other[coldest], sigma[coldest], None),
        _row("target", "minimum, anywhere", one[coldest], other[anywhere], sigma[anywhere], None),
    ]
    volume = samples["sample_volume"].values[mask]
    for name, percent in PERCENTS.items():
        pair = [dose_at_percent(values, volume, percent) for values in (one, other)]
        rows.append(_row("target", name, pair[0], pair[1], None, None))
    return rows


def _spread_rows(
    case: Case,
    samples: xr.Dataset,
    masks: dict[str, NDArray[np.bool_]],
    blur_mm: float,
    pencil: Array,
    monte_carlo: Array,
    spread: Array,
) -> list[dict[str, Any]]:
    """Give extremes and doses at a volume of cord and target with less noise, and less detail."""
    name = f"difference spread by {blur_mm:g} mm"
    parts = []
    for rows, mask in ((_cord_rows, masks["cord"]), (_target_rows, masks["target"])):
        parts += rows(case, samples, mask, pencil, monte_carlo, spread)
    return [
        {**row, "quantity": f"{row['quantity']}, {name}"}
        for row in parts
        if "at its place" in row["quantity"] or row["quantity"] in SPREAD_TOO
    ]


def _row(
    structure: str, quantity: str, pencil: float, other: float, sigma: float | None, limit: float | None
) -> dict[str, Any]:
    return {
        "structure": structure,
        "quantity": quantity,
        "pencil_beam_gye": float(pencil),
        "monte_carlo_gye": float(other),
        "uncertainty_gye": None if sigma is None else float(sigma),
        "limit_gye": limit,
        "met": None if limit is None else bool(pencil < limit),
        "met_monte_carlo": None if limit is None else bool(other < limit),
    }


def _voxels(pencil: Array, monte_carlo: xr.Dataset, name: str, high: NDArray[np.bool_]) -> dict[str, float]:
    """Compare both doses in the voxels that get most."""
    ratio = monte_carlo[name].values[high] / np.maximum(pencil[high], 1e-9)
    return {
        "count": int(high.sum()),
        "uncertainty_percent": float(100.0 * monte_carlo[f"{name}_uncertainty"].values[high].mean()),
        "mean_ratio": float(ratio.mean()),
        "ratio_spread": float(ratio.std()),
    }
