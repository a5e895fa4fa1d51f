"""Dose influence: what 1e6 ions of every spot do to every sample, explicit and sparse.

Stored are the two additive channels that the RBE model of a scale reads. Optimisers multiply by the
`dose_operator` instead, which stores far less; proofs and comparisons need the entries themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.dose.curves import effect_table, peak_root
from doseplan.dose.operator import Curves, checked_points, make_curves, ray_pairs
from doseplan.dose.rays import Rays
from doseplan.kernels.composite import spot_rows
from doseplan.kernels.products import adjoint, forward
from doseplan.kernels.sorting import CHUNKS, transpose_entries
from doseplan.messages import InputError, Progress, silent

BYTES_PER_ENTRY = 24
"""Two float32 values and one int32 index, spot-major and again sample-major."""

BATCH_BYTES = 2**27
"""Rows of all spots are computed for as many samples at a time as fit into this."""

SPOT_MAJOR = ("entry_start", "sample_index", "entry_root", "entry_linear")
SAMPLE_MAJOR = ("row_start", "spot_index", "entry_root", "entry_linear")


def dose_influence(
    points: NDArray[np.floating],
    rays: Rays,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    scale: str = "NIRS",
    relative_cutoff: float = 1e-4,
    memory_gib: float = 6.0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute both channels of every spot in every sample point; the model is that of `dose_operator`.

    Parameters
    ----------
    points : (sample, 3) [mm]
        Patient LPS.
    rays : Rays
        From `trace_spots`, of these spots.
    spots : Dataset
        Spots with their fields.
    library : Dataset
        Beam library.
    scale
        Whose channels are stored.
    relative_cutoff
        Entries below this part of the largest root channel that the spot gives in water are left out; on the
        NIRS scale it goes with the absorbed dose.
    memory_gib
        The entries, stored spot-major and sample-major, may take this much.

    Returns
    -------
    Dataset
        `entry_start`, `sample_index`, `entry_root`, `entry_linear`, spot after spot, samples rising.

    Raises
    ------
    InputError
        The entries do not fit into `memory_gib`, or points are not finite.
    """
    checked_points(points)
    curves = make_curves(rays, library, effect_table(library, scale))
    threshold = relative_cutoff * peak_root(library, scale)[spots["energy_index"].values]
    count, samples = spots.sizes["spot"], points.shape[0]
    batch = max(1, BATCH_BYTES // (16 * count))
    parts = []
    for first in range(0, samples, batch):
        rows = _rows(points[first : first + batch], rays, curves, count)
        parts.append(_kept(rows, threshold))
        done = min(first + batch, samples)
        _check_memory(sum(part[1].size for part in parts), count, done, samples, memory_gib)
        progress("dose influence", done / samples)
    row_start = np.concatenate([[0], np.cumsum(np.concatenate([part[0] for part in parts]))]).astype(np.int64)
    spot, root, linear = (np.concatenate([part[place] for part in parts]) for place in (1, 2, 3))
    attributes = {"relative_cutoff": relative_cutoff, "samples": samples}
    return _dataset(SPOT_MAJOR, _turned(row_start, spot, root, linear, count), attributes)


def influence_rows(
    points: NDArray[np.floating], rays: Rays, spots: xr.Dataset, library: xr.Dataset, *, scale: str = "NIRS"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write out the linear and the root channel that 1e6 ions of every spot give to some samples.

    Returns
    -------
    linear, root : (sample, spot) float64
        The whole of it, without cut-off.
    """
    checked_points(points)
    curves = make_curves(rays, library, effect_table(library, scale))
    count = spots.sizes["spot"]
    linear, root = np.empty((2, points.shape[0], count))
    batch = max(1, BATCH_BYTES // (16 * count))
    for first in range(0, points.shape[0], batch):
        one = slice(first, first + batch)
        found = _rows(points[one], rays, curves, count)
        linear[one], root[one] = found[..., 1], found[..., 0]
    return linear, root


def transpose(influence: xr.Dataset) -> xr.Dataset:
    """Sort the influence by sample, spots rising within a sample.

    Returns
    -------
    Dataset
        `row_start`, `spot_index`, `entry_root`, `entry_linear`, sample after sample.
    """
    start, index, root, linear = (influence[name].values for name in SPOT_MAJOR)
    samples = int(influence.attrs["samples"])
    return _dataset(SAMPLE_MAJOR, _turned(start, index, root, linear, samples), dict(influence.attrs))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOperator:
    """Linear map from spot weights to two channels in samples, and its transpose, by the entries themselves.

    Attributes
    ----------
    spot_major
        `entry_start`, `sample_index`, `entry_root`, `entry_linear`.
    sample_major
        `row_start`, `spot_index`, `entry_root`, `entry_linear`.
    """

    spot_major: tuple[NDArray[np.generic], ...]
    sample_major: tuple[NDArray[np.generic], ...]

    @property
    def spots(self) -> int:
        """Number of spots."""
        return int(self.spot_major[0].size - 1)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.sample_major[0].size - 1)

    @property
    def nbytes(self) -> int:
        """Memory that products read, without the weights and the samples' channels."""
        return sum(array.nbytes for array in (*self.spot_major, *self.sample_major))

    def forward(self, weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the linear and the root channel of all samples, (sample,) each, of weights [1e6 ions]."""
        linear, root = np.empty(self.samples), np.empty(self.samples)
        forward(*self.sample_major, weight, root, linear)  # type: ignore[call-arg]
        return linear, root

    def adjoint(
        self,
        by_linear: NDArray[np.float64],
        by_root: NDArray[np.float64],
        *,
        of: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Carry derivatives by the samples' channels, (sample,) each, over to the spot weights, (spot,).

        All spots are computed, whichever are wanted.
        """
        out = np.empty(self.spots)
        adjoint(*self.spot_major, by_root, by_linear, out)  # type: ignore[call-arg]
        return out


def entry_operator(influence: xr.Dataset) -> EntryOperator:
    """Hold the entries of an influence in both orders."""
    by_sample = transpose(influence)
    return EntryOperator(
        spot_major=tuple(influence[name].values for name in SPOT_MAJOR),
        sample_major=tuple(by_sample[name].values for name in SAMPLE_MAJOR),
    )


def _dataset(
    names: tuple[str, ...], values: tuple[NDArray[np.generic], ...], attributes: Mapping[str, object]
) -> xr.Dataset:
    pairs = zip(names, values, strict=True)
    data = {name: schema.variable(name, array) for name, array in pairs}
    return schema.check(xr.Dataset(data, attrs=attributes), *names)


def _turned(
    start: NDArray[np.int64],
    index: NDArray[np.int32],
    root: NDArray[np.float32],
    linear: NDArray[np.float32],
    others: int,
) -> tuple[NDArray[np.generic], ...]:
    """Sort entries by the other index, of so many values; what they were sorted by rises within each."""
    other_start = np.empty(others + 1, np.int64)
    out = (np.empty(index.size, np.int32), np.empty(index.size, np.float32), np.empty(index.size, np.float32))
    space = np.empty((CHUNKS, others), np.int64)
    transpose_entries(start, index, root, linear, space, other_start, *out)
    return other_start, *out


def _rows(
    points: NDArray[np.floating],
    rays: Rays,
    curves: Curves,
    spots: int,
) -> NDArray[np.float64]:
    """Compute what all spots give to some samples, (sample, spot, 2)."""
    pairs = ray_pairs(points, rays, curves)
    sub = rays.sub_spots
    out = np.empty((points.shape[0], spots, 2))
    energies = (sub.ray_part, sub.slot_start, sub.energy_start, curves.rows, curves.table, curves.end)
    spot_rows(*pairs, *energies, sub.slot_spot_start, sub.slot_spot, sub.slot_share, out)
    return out


def _kept(
    rows: NDArray[np.float64], threshold: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Keep entries above the threshold of their spot: how many of each row, spot, root, linear."""
    there = (rows[..., 0] >= threshold) & (rows[..., 0] > 0.0)
    row, spot = np.nonzero(there)
    found = rows[row, spot].astype(np.float32)
    counts = there.sum(axis=1)
    return counts, spot.astype(np.int32), found[:, 0].copy(), found[:, 1].copy()


def _check_memory(found: int, spots: int, done: int, samples: int, memory_gib: float) -> None:
    """Refuse as soon as the entries so far tell that all will not fit."""
    entries = found * samples / done
    needed = (entries * BYTES_PER_ENTRY + 8 * (CHUNKS + 1) * (spots + samples)) / 2**30
    if needed > memory_gib:
        wider = 1.05 * (needed / memory_gib) ** 0.5
        raise InputError(
            f"dose influence: expected at most {memory_gib:g} GiB, got {needed:.3g} GiB "
            f"(about {entries:.0f} entries of {spots} spots in {samples} samples); "
            f"a spot_spacing_mm {wider:.1f} times as large would fit, or fewer samples, or a larger cut-off"
        )
