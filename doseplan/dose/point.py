"""Dose in any points for given spot weights, in float64, without a stored influence or a cut-off."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.dose.channels import Channels
from doseplan.dose.curves import beams_eye_view, curve_table, locate_depth
from doseplan.kernels import point_dose as kernel


def point_dose(
    points: NDArray[np.floating], wepl: NDArray[np.floating], spots: xr.Dataset, library: xr.Dataset
) -> Channels:
    """Compute what all spots together do in points; the model is that of `dose_influence`.

    Parameters
    ----------
    points : (point, 3) [mm]
        Patient LPS.
    wepl : (field, point) [mm]
        Water-equivalent depth of the points.
    spots : Dataset
        Spots with weights, with their fields. Spots of weight 0 cost nothing; spots of one u, or v, share
        their exponentials, so a regular grid is fast.
    library : Dataset
        Beam library.

    Returns
    -------
    Channels of (point,) float64
        Totals over the whole course.
    """
    curves = curve_table(library)
    out = np.zeros((len(Channels._fields), points.shape[0]))
    for field in range(spots.sizes["field"]):
        add_field_dose(field, points, wepl[field], spots, library, curves, out)
    return Channels(*out)


def add_field_dose(
    field: int,
    points: NDArray[np.floating],
    wepl: NDArray[np.floating],
    spots: xr.Dataset,
    library: xr.Dataset,
    curves: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Add what one field does in points to `out`, (channel, point).

    Parameters
    ----------
    points : (point, 3) [mm]
    wepl : (point,) [mm]
        Water-equivalent depth along this field.
    curves : (energy, depth, component, channel + 1)
        `curve_table(library)`.
    """
    chosen = (spots["field_index"].values == field) & (spots["weight"].values != 0.0)
    if not chosen.any() or points.shape[0] == 0:
        return
    uv = beams_eye_view(spots.isel(field=[field]), points)[0]
    interval, fraction = locate_depth(library, wepl)
    kernel.point_dose(
        np.ascontiguousarray(uv[:, 0]),
        np.ascontiguousarray(uv[:, 1]),
        interval,
        fraction,
        curves,
        *_spot_rows(spots.isel(spot=np.flatnonzero(chosen))),
        out,
    )


def _spot_rows(
    spots: xr.Dataset,
) -> tuple[
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
]:
    """Arrange the spots of one field by layer, row and column, as the kernel takes them."""
    u, v = spots["spot_u"].values, spots["spot_v"].values
    energy = spots["energy_index"].values.astype(np.int64)
    order = np.lexsort((u, v, energy))
    u, v, energy = u[order], v[order], energy[order]
    column_u, column = np.unique(u, return_inverse=True)
    layer_energy, layer = np.unique(energy, return_index=True)
    new_row = np.flatnonzero((np.diff(v) != 0.0) | (np.diff(energy) != 0)) + 1
    row_start = np.concatenate([[0], new_row, [u.size]]).astype(np.int64)
    layer_edge = np.append(layer, u.size)
    layer_start = np.searchsorted(row_start, layer_edge).astype(np.int64)
    first = np.minimum.reduceat(column, layer)
    after = np.maximum.reduceat(column, layer) + 1
    return (
        column_u,
        layer_energy,
        np.ascontiguousarray(np.column_stack([first, after]), dtype=np.int64),
        layer_start,
        np.ascontiguousarray(v[row_start[:-1]]),
        row_start,
        column.astype(np.int64),
        spots["weight"].values[order],
    )
