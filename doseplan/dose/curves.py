"""The beam library as the dose kernels read it, and where points stand in its depth grid and in the beam."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.constants import GRAY_PER_MEV_PER_GRAM
from doseplan.dose.channels import CURVES, Channels, linear_and_root

GRAY_MM2_PER_IDD = 1e6 * GRAY_PER_MEV_PER_GRAM * 100.0
"""[Gy mm2 per 1e6 ions, for 1 MeV cm2/g per ion]; 100 is mm2 per cm2."""

VARIANCE = -1
"""Column of a curve table: the variance, behind its channels."""


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
    return _table([*_channels(library), _variance(library)])


def effect_table(library: xr.Dataset, scale: str) -> NDArray[np.float64]:
    """Tabulate what a model of a scale reads of a spot at each depth.

    Returns
    -------
    (energy, depth, component, 3) float64
        Lateral integrals of the root and the linear channel [mm2 per 1e6 ions], and the variance [mm2].
    """
    linear, root = linear_and_root(scale, _channels(library))
    return _table([root, linear, _variance(library)])


def peak_root(library: xr.Dataset, scale: str) -> NDArray[np.float64]:
    """Find the largest root channel that 1e6 ions give on the axis of a spot in water, (energy,)."""
    _, root = linear_and_root(scale, _channels(library))
    return np.asarray((root / (2.0 * np.pi * _variance(library))).sum(axis=1).max(axis=1))


def _channels(library: xr.Dataset) -> Channels:
    """Lateral integrals (energy, component, depth) [mm2 per 1e6 ions] of the channels."""
    return Channels(*(library[name].values * GRAY_MM2_PER_IDD for name in CURVES))


def _variance(library: xr.Dataset) -> NDArray[np.float64]:
    """Lateral variance (energy, component, depth) [mm2]: in air and in water, added in quadrature."""
    air = library["air_sigma"].values[:, np.newaxis, np.newaxis]
    return np.asarray(air**2 + library["lateral_sigma"].values ** 2)


def _table(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Put columns (energy, component, depth) side by side: (energy, depth, component, column)."""
    energies, components, depths = columns[0].shape
    out = np.empty((energies, depths, components, len(columns)))
    for place, column in enumerate(columns):
        out[..., place] = column.transpose(0, 2, 1)
    return out


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
