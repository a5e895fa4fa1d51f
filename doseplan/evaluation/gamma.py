"""Gamma index: which voxels get the right dose, or have it near enough."""

from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter

from doseplan.messages import InputError

Array = NDArray[np.float64]

GAMMA_PERCENT, GAMMA_MM, GAMMA_FROM = 2.0, 1.0, 0.1
"""[%] of the full dose, [mm], and part of the full dose from which on voxels count."""

SEARCH_MM = 0.25
"""[mm] distance of the places around a voxel that are searched for the same dose."""


def gamma_percent(
    fine: xr.DataArray,
    coarse: xr.DataArray,
    factor: NDArray[np.int64],
    *,
    full_dose: float,
    percent: float = GAMMA_PERCENT,
    distance_mm: float = GAMMA_MM,
    counted: NDArray[np.bool_] | None = None,
) -> float:
    """Compute the share [%] of voxels whose gamma is at most 1.

    Parameters
    ----------
    fine : (z, y, x)
        The dose that is judged; averaged over boxes of the size of coarse voxels, at every fine place.
    coarse : (z, y, x)
        The reference, on voxels of `factor` fine ones along x, y, z.
    full_dose : float
        What per cent are of, in the unit of both doses: that of the prescription.
    percent, distance_mm : float
        Of the full dose; and how far the same dose may lie away. Voxels from `GAMMA_FROM` of the full dose
        on count.
    counted : (z, y, x), optional
        Coarse voxels that count at all.

    Raises
    ------
    InputError
        No voxel counts.

    Notes
    -----
    Low et al., Med. Phys. 25 (1998) 656, global dose difference; the search stops at `distance_mm`, beyond
    which no voxel passes.
    """
    reference = coarse.values.astype(np.float64)
    boxes, axes = boxed(fine, factor)
    chosen = reference >= GAMMA_FROM * full_dose
    if counted is not None:
        chosen &= counted
    if not (full_dose > 0.0 and chosen.any()):
        raise InputError(f"gamma: expected voxels above {GAMMA_FROM:g} of the full dose, got none")
    place = np.argwhere(chosen)
    centre = [
        (coarse[name].values[index] - axis[0]) / (axis[1] - axis[0])
        for name, index, axis in zip("zyx", place.T, axes, strict=True)
    ]
    edge = np.array([axis[1] - axis[0] for axis in axes])
    wanted, allowed = reference[chosen], 0.01 * percent * full_dose
    lowest = np.full(len(place), np.inf)
    for away in _sphere(distance_mm):
        found = map_coordinates(
            boxes, np.array(centre) + (away / edge)[:, np.newaxis], order=1, mode="nearest"
        )
        squared = float(away @ away) / distance_mm**2 + ((found - wanted) / allowed) ** 2
        np.minimum(lowest, squared, out=lowest)
    return float(100.0 * np.mean(lowest <= 1.0 + 1e-9))


def boxed(fine: xr.DataArray, factor: NDArray[np.int64]) -> tuple[Array, list[Array]]:
    """Average a dose over boxes of `factor` voxels (x, y, z) around every place.

    Returns
    -------
    (z, y, x) means, and the centres z, y, x [mm] of their boxes: those of an even number of voxels lie half
    a voxel in front of the voxel.
    """
    size = factor[::-1]
    means = uniform_filter(fine.values.astype(np.float64), size=tuple(size), mode="nearest")
    axes = []
    for name, count in zip("zyx", size, strict=True):
        centre = fine[name].values.astype(np.float64)
        axes.append(centre if count % 2 else centre - 0.5 * (centre[1] - centre[0]))
    return means, axes


def _sphere(radius_mm: float) -> Array:
    """List places (place, 3) [mm] of an even lattice within a distance."""
    count = int(radius_mm / SEARCH_MM + 1e-9)
    line = SEARCH_MM * np.arange(-count, count + 1)
    lattice = np.array(list(product(line, line, line)))
    return np.asarray(lattice[(lattice**2).sum(axis=1) <= radius_mm**2 * (1.0 + 1e-9)])
