"""The beam library as the dose kernels read it, and where points stand in its depth grid and in the beam."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.constants import GRAY_PER_MEV_PER_GRAM
from doseplan.dose.channels import CURVES, Channels, linear_and_root

GRAY_MM2_PER_IDD = 1e6 * GRAY_PER_MEV_PER_GRAM * 100.0
"""[Gy mm2 per 1e6 ions, for 1 MeV cm2/g per ion]; 100 is mm2 per cm2."""

FIRST, VARIANCE = 0, -1
"""Columns of a curve table: the first of its channels, and the variance behind them."""


def curve_table(library: xr.Dataset) -> NDArray[np.float64]:
    """Tabulate what a spot does at each depth: lateral integrals of the channels, and the lateral variance.

    Parameters
    ----------
    library : Dataset
        `CURVES` and `lateral_sigma` over energy, component, depth; `air_sigma`.

    Returns
    -------
    (energy, depth, component, channel + 1) float64
        Integrals [mm2 per 1e6 ions] of the `Channels`, in their order, and the variance [mm2]: spot size in
        air and spread in water added in quadrature.
    """
    integrals = [library[name].values * GRAY_MM2_PER_IDD for name in CURVES]
    air = library["air_sigma"].values[:, np.newaxis, np.newaxis]
    variance = air**2 + library["lateral_sigma"].values ** 2
    stacked = np.stack([*integrals, variance], axis=-1)
    return np.ascontiguousarray(stacked.transpose(0, 2, 1, 3), dtype=np.float64)


def effect_table(library: xr.Dataset, scale: str) -> NDArray[np.float64]:
    """Tabulate what a model of a scale reads of a spot at each depth.

    Returns
    -------
    (energy, depth, component, 3) float64
        Lateral integrals of the root and the linear channel [mm2 per 1e6 ions], and the variance [mm2].
    """
    table = curve_table(library)
    linear, root = linear_and_root(scale, Channels(*np.moveaxis(table[..., :VARIANCE], -1, 0)))
    return np.ascontiguousarray(np.stack([root, linear, table[..., VARIANCE]], axis=-1))


def peak_root(library: xr.Dataset, scale: str) -> NDArray[np.float64]:
    """Find the largest root channel that 1e6 ions give on the axis of a spot in water, (energy,)."""
    table = effect_table(library, scale)
    first, variance = table[..., FIRST], table[..., VARIANCE]
    return np.asarray((first / (2.0 * np.pi * variance)).sum(axis=2).max(axis=1))


def beams_eye_view(fields: xr.Dataset, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Project points onto the lateral axes of every field.

    Parameters
    ----------
    points : (point, 3) [mm]
        Patient LPS (x, y, z).

    Returns
    -------
    (field, point, 2) float64 [mm]
        u and v from the isocentre; the beams are parallel, so the distance to the source plays no part.
    """
    relative = np.asarray(points, dtype=np.float64) - fields["isocentre"].values
    axes = np.stack([fields["u_axis"].values, fields["v_axis"].values], axis=1)
    return np.ascontiguousarray(np.einsum("fai,pi->fpa", axes, relative))
