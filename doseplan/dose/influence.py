"""Dose influence: what 1e6 ions of every spot do to every sample, explicit and sparse.

Stored are the two additive channels that the RBE model of a scale reads.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.dose.curves import FIRST, VARIANCE, beams_eye_view, effect_table, locate_depth
from doseplan.kernels.influence import CHUNKS, spot_entries, transpose_entries
from doseplan.messages import InputError, Progress, silent

CELL_MM = 2.0
"""[mm] side of the cells of the beam's eye view in which samples are looked up."""

BYTES_PER_ENTRY = 24
"""Two float32 values and one int32 index, spot-major and again sample-major."""

BATCHES = 16

SPOT_MAJOR = ("entry_start", "sample_index", "entry_root", "entry_linear")
SAMPLE_MAJOR = ("row_start", "spot_index", "entry_root", "entry_linear")


class _Tables(NamedTuple):
    """What the kernel needs of the beam library, in its order."""

    search_radius: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reach_squared: NDArray[np.float64]
    curves: NDArray[np.float64]


class _Cells(NamedTuple):
    """Samples sorted into cells, in the kernel's order."""

    grid_origin: NDArray[np.float64]
    grid_shape: NDArray[np.int64]
    cell_start: NDArray[np.int64]
    sorted_uv: NDArray[np.float64]
    sorted_depth: NDArray[np.int32]
    sorted_fraction: NDArray[np.float64]
    sorted_sample: NDArray[np.int32]


def dose_influence(
    points: NDArray[np.floating],
    wepl: NDArray[np.floating],
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    scale: str = "NIRS",
    relative_cutoff: float = 1e-4,
    memory_gib: float = 6.0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute both channels of every spot in every sample point.

    An entry is the sum over the library's components of a curve(E, wepl) times a round Gaussian of variance
    air_sigma(E)^2 + lateral_sigma(E, wepl)^2; both are linear in depth between the table's depths. The
    point's own water-equivalent depth is used.

    Parameters
    ----------
    points : (sample, 3) [mm]
        Patient LPS.
    wepl : (field, sample) [mm]
        Water-equivalent depth of the points.
    spots : Dataset
        Spots with their fields.
    library : Dataset
        Beam library.
    scale
        Whose channels are stored.
    relative_cutoff
        Entries below this part of the largest root channel that the spot gives anywhere are left out; on the
        NIRS scale it goes with the absorbed dose.
    memory_gib
        The entries, stored spot-major and sample-major, may take this much.

    Returns
    -------
    Dataset
        `entry_start`, `sample_index`, `entry_root`, `entry_linear`, spot after spot; within a spot
        in a fixed, but not rising, order of samples.

    Raises
    ------
    InputError
        The entries do not fit into `memory_gib`.
    """
    _check_shapes(points, wepl, spots)
    count = spots.sizes["spot"]
    tables, cells = _tables(library, scale, relative_cutoff), _cells(points, wepl, spots, library)
    nothing = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))
    entry_start = np.zeros(count + 1, np.int64)
    _run(spots, tables, cells, entry_start[1:], nothing, fill=False, progress=progress)
    np.cumsum(entry_start, out=entry_start)
    entries = int(entry_start[-1])
    _check_memory(entries, count, points.shape[0], memory_gib)
    out = (np.empty(entries, np.int32), np.empty(entries, np.float32), np.empty(entries, np.float32))
    _run(spots, tables, cells, entry_start[:-1], out, fill=True, progress=progress)
    attributes = {"relative_cutoff": relative_cutoff, "samples": points.shape[0]}
    return _dataset(SPOT_MAJOR, (entry_start, *out), attributes)


def transpose(influence: xr.Dataset) -> xr.Dataset:
    """Sort the influence by sample, spots rising within a sample.

    Returns
    -------
    Dataset
        `row_start`, `spot_index`, `entry_root`, `entry_linear`, sample after sample.
    """
    entries = influence.sizes["entry"]
    samples = int(influence.attrs["samples"])
    row_start = np.empty(samples + 1, np.int64)
    out = (np.empty(entries, np.int32), np.empty(entries, np.float32), np.empty(entries, np.float32))
    transpose_entries(
        influence["entry_start"].values,
        influence["sample_index"].values,
        influence["entry_root"].values,
        influence["entry_linear"].values,
        np.empty((CHUNKS, samples), np.int64),
        row_start,
        *out,
    )
    return _dataset(SAMPLE_MAJOR, (row_start, *out), dict(influence.attrs))


def _dataset(
    names: tuple[str, ...], values: tuple[NDArray[np.generic], ...], attributes: Mapping[str, object]
) -> xr.Dataset:
    pairs = zip(names, values, strict=True)
    data = {name: schema.variable(name, array) for name, array in pairs}
    return schema.check(xr.Dataset(data, attrs=attributes), *names)


def _check_shapes(points: NDArray[np.floating], wepl: NDArray[np.floating], spots: xr.Dataset) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or points.shape[0] == 0:
        raise InputError(f"points: expected shape (sample, 3) and at least one sample, got {points.shape}")
    expected = (spots.sizes["field"], points.shape[0])
    if wepl.shape != expected:
        raise InputError(f"wepl: expected shape (field, sample) = {expected}, got {wepl.shape}")
    if not np.isfinite(points).all() or not np.isfinite(wepl).all():
        raise InputError("points and wepl: expected finite numbers, got NaN or infinity")


def _check_memory(entries: int, spots: int, samples: int, memory_gib: float) -> None:
    needed = (entries * BYTES_PER_ENTRY + 8 * (spots + samples * (CHUNKS + 1))) / 2**30
    if needed > memory_gib:
        wider = 1.05 * (needed / memory_gib) ** 0.5
        raise InputError(
            f"dose influence: expected at most {memory_gib:g} GiB, got {needed:.1f} GiB "
            f"({entries} entries of {spots} spots in {samples} samples); "
            f"a spot_spacing_mm {wider:.1f} times as large would fit, or fewer samples, or a larger cut-off"
        )


def _run(
    spots: xr.Dataset,
    tables: _Tables,
    cells: _Cells,
    entry_start: NDArray[np.int64],
    out: tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
    *,
    fill: bool,
    progress: Progress,
) -> None:
    """Run the kernel over batches of spots: one pass of counting or of writing."""
    field, energy = spots["field_index"].values, spots["energy_index"].values
    u, v = spots["spot_u"].values, spots["spot_v"].values
    edges = np.linspace(0, entry_start.size, BATCHES + 1).astype(int)
    for batch, (first, last) in enumerate(pairwise(edges)):
        one = slice(first, last)
        spot_entries(
            field[one], energy[one], u[one], v[one], *tables, CELL_MM, *cells, fill, entry_start[one], *out
        )
        progress("dose influence", 0.5 * (fill + (batch + 1) / BATCHES))


def _tables(library: xr.Dataset, scale: str, relative_cutoff: float) -> _Tables:
    curves = effect_table(library, scale)
    threshold, reach_squared = _reach(curves, relative_cutoff)
    search_radius = np.sqrt(np.maximum(reach_squared.max(axis=1), 0.0))
    return _Tables(search_radius, threshold, reach_squared, curves)


def _reach(
    curves: NDArray[np.float64], relative_cutoff: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound how far a spot reaches between two depths.

    An entry is a sum over components, so if it passes the threshold t, one of n components passes t / n.
    Between two depths a component is at most max(curve) / (2 pi min(variance)) exp(-r^2 / (2 max(variance))).

    Returns
    -------
    threshold : (energy,) [1 per 1e6 ions]
    reach_squared : (energy, depth) [mm2]
        Negative where the spot reaches nothing, infinite without a cut-off.
    """
    first, variance = curves[..., FIRST], curves[..., VARIANCE]
    peak = (first / (2.0 * np.pi * variance)).sum(axis=2).max(axis=1)
    threshold = relative_cutoff * peak
    most = np.maximum(first[:, :-1], first[:, 1:])
    narrow = np.minimum(variance[:, :-1], variance[:, 1:])
    wide = np.maximum(variance[:, :-1], variance[:, 1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        amplitude = first.shape[2] * most / (2.0 * np.pi * narrow) / threshold[:, np.newaxis, np.newaxis]
        squared = np.where(most > 0.0, 2.0 * wide * np.log(amplitude), -1.0).max(axis=2)
    return threshold, np.ascontiguousarray(np.pad(squared, ((0, 0), (0, 1)), constant_values=-1.0))


def _cells(
    points: NDArray[np.floating], wepl: NDArray[np.floating], spots: xr.Dataset, library: xr.Dataset
) -> _Cells:
    """Sort the samples of every field into square cells of its beam's eye view."""
    uv = beams_eye_view(spots, points)
    interval, fraction = locate_depth(library, wepl)
    corner = uv.min(axis=1)
    column_row = np.floor((uv - corner[:, np.newaxis]) / CELL_MM).astype(np.int64)
    shape = column_row.max(axis=1) + 1
    cell = column_row[..., 1] * shape[:, np.newaxis, 0] + column_row[..., 0]
    order = np.argsort(cell, axis=1, kind="stable")
    # an edge more than cells per field, so that the end of a field's last cell is there too
    start = [
        np.searchsorted(row[chosen], np.arange(nu * nv + 1))
        for row, chosen, (nu, nv) in zip(cell, order, shape, strict=True)
    ]
    offset = np.concatenate([[0], np.cumsum([edges.size for edges in start])[:-1]])
    return _Cells(
        corner,
        np.ascontiguousarray(np.column_stack([shape, offset]), dtype=np.int64),
        np.concatenate(start).astype(np.int64),
        np.ascontiguousarray(np.take_along_axis(uv, order[..., np.newaxis], axis=1)),
        np.take_along_axis(interval, order, axis=1),
        np.take_along_axis(fraction, order, axis=1),
        order.astype(np.int32),
    )
