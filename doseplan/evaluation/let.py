"""Where the LET is high, and where it is high together with the dose."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from doseplan.evaluation.volume import cumulative_percent
from doseplan.messages import InputError

Array = NDArray[np.float64]


def let_volume_histogram(let_d: Array, volume: Array, *, levels: ArrayLike) -> Array:
    """Compute the share [%] of a volume whose dose-averaged LET is at least each level.

    Parameters
    ----------
    let_d, volume : (sample,) [keV/um], [cm3]
        Samples without dose have an LET of 0 and count as volume below every level.
    levels : (level,) [keV/um]

    Returns
    -------
    (level,) [%]

    Raises
    ------
    InputError
        No volume, or values that are negative, not finite or not one for each sample.
    """
    _check(let_d=let_d, volume=volume)
    _require_volume(volume)
    return cumulative_percent(let_d, volume, np.asarray(levels, dtype=np.float64))


def dose_let_histogram(
    dose: Array, let_d: Array, volume: Array, *, dose_edges: ArrayLike, let_edges: ArrayLike
) -> xr.Dataset:
    """Share a volume among bins of RBE-weighted dose and dose-averaged LET.

    Parameters
    ----------
    dose, let_d, volume : (sample,) [Gy(RBE)], [keV/um], [cm3]
    dose_edges, let_edges : rising [Gy(RBE)], [keV/um]
        The first and the last bin also take what lies beyond them.

    Returns
    -------
    Dataset
        `share` (dose_bin, let_bin) [%]; coordinates are the middles of the bins.

    Raises
    ------
    InputError
        No volume, edges that do not rise, or values as `let_volume_histogram` refuses them.
    """
    _check(dose=dose, let_d=let_d, volume=volume)
    _require_volume(volume)
    edges = {
        "dose_edges": np.asarray(dose_edges, dtype=np.float64),
        "let_edges": np.asarray(let_edges, dtype=np.float64),
    }
    for name, values in edges.items():
        if values.ndim != 1 or values.size < 2 or not (np.diff(values) > 0.0).all():
            raise InputError(f"{name}: expected at least two rising edges, got {values.tolist()}")
    kept = [
        np.clip(sample, values[0], np.nextafter(values[-1], values[0]))
        for sample, values in zip((dose, let_d), edges.values(), strict=True)
    ]
    counts, _ = np.histogramdd(kept, bins=list(edges.values()), weights=volume)
    middles = [0.5 * (values[1:] + values[:-1]) for values in edges.values()]
    share = xr.Variable(("dose_bin", "let_bin"), 100.0 * counts / volume.sum(), {"units": "%"})
    return xr.Dataset(
        {"share": share},
        coords={
            "dose_bin": xr.Variable("dose_bin", middles[0], {"units": "Gy(RBE)"}),
            "let_bin": xr.Variable("let_bin", middles[1], {"units": "keV/um"}),
        },
    )


def volume_above(dose: Array, let_d: Array, volume: Array, *, dose_gy_rbe: float, let_kev_um: float) -> float:
    """Compute the volume [cm3] that gets at least that dose at that LET or more.

    Parameters
    ----------
    dose, let_d, volume : (sample,) [Gy(RBE)], [keV/um], [cm3]
    dose_gy_rbe, let_kev_um
        [Gy(RBE)], [keV/um] both have to be reached.

    Raises
    ------
    InputError
        Thresholds or values that are negative or not finite.
    """
    _check(dose=dose, let_d=let_d, volume=volume)
    for name, threshold in (("dose_gy_rbe", dose_gy_rbe), ("let_kev_um", let_kev_um)):
        if not (np.isfinite(threshold) and threshold >= 0.0):
            raise InputError(f"{name}: expected at least 0, got {threshold:g}")
    return float(volume[(dose >= dose_gy_rbe) & (let_d >= let_kev_um)].sum())


def _check(**samples: Array) -> None:
    """Refuse values that would be counted wrongly: NaN is below every level, a negative volume cancels."""
    sizes = {name: values.shape for name, values in samples.items()}
    if len(set(sizes.values())) != 1:
        raise InputError(f"samples: expected as many values of each kind, got {sizes}")
    for name, values in samples.items():
        wrong = ~(np.isfinite(values) & (values >= 0.0))
        if wrong.any():
            raise InputError(f"{name}: expected finite values of at least 0, got {values[wrong][0]:g}")


def _require_volume(volume: Array) -> None:
    if not volume.sum() > 0.0:
        raise InputError("volume: expected samples with volume, got none")
