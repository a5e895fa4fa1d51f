"""A phantom as the Monte Carlo crosses it: stopping, scattering and reactions of every voxel."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.dose.depth import grid_frame
from doseplan.dose.matter import matter
from doseplan.messages import InputError
from doseplan.montecarlo.simulate import Grid, Voxels


def crossed_voxels(phantom: xr.Dataset, *, score_mm: float) -> Voxels:
    """Prepare the voxels of an arm and the coarser grid on which it is scored.

    Parameters
    ----------
    phantom : Dataset
        `rsp`, `density`, `tissue` on an even grid.
    score_mm : float [mm]
        Edge of the scored voxels: rounded to a whole number of the phantom's.

    Returns
    -------
    Voxels
        Energy loss goes by `rsp`; scattering by density times the ratio of scattering lengths, reactions by
        density times the ratio of reactions per mass, both of the composition of the voxel's tissue.

    Raises
    ------
    InputError
        An uneven grid, or a score of no size.
    """
    corner, edge = grid_frame(phantom)
    if not score_mm > 0.0:
        raise InputError(f"score_mm: expected more than 0, got {score_mm}")
    crossed = matter(phantom)
    # a vacuum would have no end of a step
    np.maximum(crossed, np.float32(1e-5), out=crossed)
    shape = np.array(phantom["rsp"].shape[::-1], dtype=np.int64)
    factor = score_factors(edge, score_mm)
    coarse = -(-shape // factor)
    ix, iy, iz = (np.arange(size) // step for size, step in zip(shape, factor, strict=True))
    place = (ix, iy * coarse[0], iz * coarse[0] * coarse[1])
    return Voxels(crossed, Grid(corner, edge, shape), place, int(coarse.prod()))


def score_factors(edge: NDArray[np.float64], score_mm: float) -> NDArray[np.int64]:
    """Count the voxels (x, y, z) along the edge of a scored one."""
    return np.maximum(np.rint(score_mm / edge), 1.0).astype(np.int64)


def coarse_mean(values: NDArray[np.floating], factor: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average an array (z, y, x) over scored voxels; those at the end may be smaller."""
    out = values.astype(np.float64)
    for axis, step in enumerate(factor[::-1]):
        first = np.arange(0, out.shape[axis], step)
        counts = np.diff(np.append(first, out.shape[axis]))
        shape = [-1 if other == axis else 1 for other in range(3)]
        out = np.add.reduceat(out, first, axis=axis) / counts.reshape(shape)
    return out
