"""What all spots do to samples, as an operator: composite curves of rays, not an entry for each spot."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.dose.curves import VARIANCE, effect_table
from doseplan.dose.rays import Rays
from doseplan.dose.sub_spots import SubSpots
from doseplan.kernels import composite as kernels
from doseplan.kernels import pairs as pair_kernels
from doseplan.kernels.sorting import CHUNKS, transpose_entries
from doseplan.messages import InputError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CUT = (6.0, 5.0, 4.0)
"""[1] exponents at which the Gaussians of primary ions, heavy and light fragments end. What lies beyond,
0.2 % of the primaries, 0.7 and 1.8 % of the fragments, which carry up to a tenth of the dose each, is given
to the rest."""

NOTHING = 1e-8
"""[1] parts of a curve's maximum below which the rest of the curve is left out."""

BYTES_PER_PAIR = 24
"""Ray or sample, place in the depth grid and Gaussian, sample-major and again ray-major."""

CURVE_COST = 0.5
"""[1] a value of a ray's composite curve costs so many pairs; only the balance of chunks depends on it."""


PAIRS_PER_SUM = 8
"""A chunk of rays has at least so many pairs for each sample, whose sums it has to clear and to give back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Depth curves of all parts, as the kernels read them.

    Attributes
    ----------
    table : (part energy, depth * channel) float64 [mm2 per 1e6 ions]
        Zero behind `end`.
    end : (part energy,) int64
        Column behind the last one that is not zero.
    rows : (part energy,) int64
        Row of the table of each of the sub-spots' energies.
    spread : (part, depth) float64 [mm2]
        Variance that water adds, the mean over the part's energies weighted by their dose.
    first_depth, depth_step : [mm]
    """

    channels: int
    table: Floats
    end: Counts
    rows: Counts
    spread: Floats
    first_depth: float
    depth_step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseOperator:
    """Linear map from spot weights to two channels in samples, and its transpose.

    Attributes
    ----------
    samples
        Number of samples.
    table : (part energy, depth * 2) float32 [mm2 per 1e6 ions]
    chunk_ray
        Rays are worked on in a fixed number of chunks; their edges.
    ray_start, sample, position, gauss
        Pairs of rays and samples, ray after ray.
    first, size
        The part of each ray's curve that samples look at.
    """

    rays: Rays
    curves: Curves
    samples: int
    table: NDArray[np.float32]
    chunk_ray: Counts
    ray_start: Counts
    sample: NDArray[np.int32]
    position: NDArray[np.float32]
    gauss: NDArray[np.float32]
    first: Counts
    size: Counts

    @property
    def spots(self) -> int:
        """Number of spots."""
        return self.rays.sub_spots.spot_start.size - 1

    @property
    def pairs(self) -> int:
        """Number of pairs of a sample and a ray."""
        return int(self.sample.size)

    @property
    def nbytes(self) -> int:
        """Memory that products read, without the weights and the samples' channels."""
        mine = (self.table, self.sample, self.position, self.gauss)
        sub = self.rays.sub_spots
        shares = (sub.slot, sub.share, sub.slot_spot, sub.slot_share)
        return sum(array.nbytes for array in (*mine, *shares))

    def forward(self, weight: Floats) -> tuple[Floats, Floats]:
        """Compute the linear and the root channel of all samples, (sample,) each, of weights [1e6 ions]."""
        return self.from_ions(ions_of_slots(self.rays.sub_spots, weight))

    def from_ions(self, ions: Floats) -> tuple[Floats, Floats]:
        """Do so from the ions of energy slots, (slot,) [1e6]."""
        out = np.empty((2, self.samples))
        private = np.empty((self.chunk_ray.size - 1, 2 * self.samples))
        before, behind = self._arguments()
        kernels.forward(*before, ions, *behind, private, out)  # type: ignore[call-arg]
        return out[1], out[0]

    def adjoint(self, by_linear: Floats, by_root: Floats, *, of: NDArray[np.bool_] | None = None) -> Floats:
        """Carry derivatives by the samples' channels, (sample,) each, over to the spot weights, (spot,).

        Rays that no spot `of` (spot,) uses are passed over: what other spots get has no meaning then.
        """
        return spots_of_slots(self.rays.sub_spots, self.to_slots(by_linear, by_root, of=of))

    def to_slots(self, by_linear: Floats, by_root: Floats, *, of: NDArray[np.bool_] | None = None) -> Floats:
        """Carry derivatives by the samples' channels over to the ions of energy slots, (slot,)."""
        sub = self.rays.sub_spots
        used = np.diff(sub.slot_spot_start) > 0
        if of is not None:
            used = ions_of_slots(sub, of.astype(np.float64)) > 0.0
        gradient = np.empty((self.samples, 2), np.float32)
        gradient[:, 0], gradient[:, 1] = by_root, by_linear
        slots = np.empty(sub.slots)
        before, behind = self._arguments()
        kernels.adjoint(*before, used, *behind, gradient.reshape(-1), slots)  # type: ignore[call-arg]
        return slots

    def _arguments(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        """Arrange what both kernels read, before and behind what differs."""
        sub = self.rays.sub_spots
        pairs = (self.chunk_ray, self.ray_start, self.sample, self.position, self.gauss)
        energies = (sub.ray_part, sub.slot_start, sub.energy_start, self.curves.rows)
        return (*pairs, *energies), (self.table, self.curves.end, self.first, self.size)


def dose_operator(
    points: NDArray[np.floating],
    rays: Rays,
    library: xr.Dataset,
    *,
    scale: str = "NIRS",
    memory_gib: float = 6.0,
) -> DoseOperator:
    """Find the rays near every sample point, and what they give to it.

    A spot is the sum of its sub-spots; a sub-spot gives, for each component, its depth curve at the
    water-equivalent depth that its own ray has reached beside the sample, times a round Gaussian. The
    variance is that of the sub-spot in air plus that of water at this depth times the ray's factor.

    Parameters
    ----------
    points : (sample, 3) [mm]
        Patient LPS.
    rays : Rays
        From `trace_spots`.
    library : Dataset
        Beam library.
    scale
        Whose two channels are carried.
    memory_gib
        The pairs, stored sample-major and ray-major, may take this much.

    Raises
    ------
    InputError
        Points that are not finite, or pairs that do not fit into `memory_gib`.
    """
    return find_pairs(points, rays, library, scale=scale, memory_gib=memory_gib).operator()


@dataclass(frozen=True, slots=True, kw_only=True)
class RayPairs:
    """Rays near samples, sample after sample: operators for any of these samples are made of them.

    Attributes
    ----------
    start : (sample + 1,)
        First pair of each sample.
    ray, position, gauss : (pair,)
        Ray, place in the depth grid and Gaussian.
    """

    rays: Rays
    curves: Curves
    start: Counts
    ray: NDArray[np.int32]
    position: NDArray[np.float32]
    gauss: NDArray[np.float32]

    def operator(self, chosen: Counts | None = None) -> DoseOperator:
        """Make the operator for some of the samples, or for all."""
        start, pairs = self.start, (self.ray, self.position, self.gauss)
        if chosen is not None:
            count = np.diff(self.start)[chosen]
            start = np.concatenate([[0], np.cumsum(count)])
            place = np.repeat(self.start[chosen] - start[:-1], count) + np.arange(start[-1])
            pairs = (self.ray[place], self.position[place], self.gauss[place])
        ray_start, sample, position, gauss = _transposed((start, *pairs), self.rays.sub_spots.ray_part.size)
        first, size = _lines(ray_start, position)
        return DoseOperator(
            rays=self.rays,
            curves=self.curves,
            samples=start.size - 1,
            table=self.curves.table.astype(np.float32),
            chunk_ray=_chunks(ray_start, size, start.size - 1),
            ray_start=ray_start,
            sample=sample,
            position=position,
            gauss=gauss,
            first=first,
            size=size,
        )


def find_pairs(
    points: NDArray[np.floating],
    rays: Rays,
    library: xr.Dataset,
    *,
    scale: str = "NIRS",
    memory_gib: float = np.inf,
) -> RayPairs:
    """Find the rays near every sample point; parameters and errors are those of `dose_operator`."""
    checked_points(points)
    curves = make_curves(rays, library, effect_table(library, scale))
    start, ray, position, gauss = ray_pairs(points, rays, curves, memory_gib=memory_gib)
    return RayPairs(rays=rays, curves=curves, start=start, ray=ray, position=position, gauss=gauss)


def ray_pairs(
    points: NDArray[np.floating], rays: Rays, curves: Curves, *, memory_gib: float = np.inf
) -> tuple[Counts, NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Find the rays near every point: first pair of each point, then ray, place in depth and Gaussian."""
    views = np.stack([rays.seen_from_beam(points, field) for field in range(rays.axes.shape[0])])
    geometry = pair_geometry(rays, curves)
    start, count = np.zeros(points.shape[0] + 1, np.int64), np.zeros(points.shape[0], np.int64)
    nothing = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))
    pair_kernels.ray_pairs(views, *geometry, False, start[1:], count, *nothing)  # type: ignore[call-arg]
    np.cumsum(start, out=start)
    most = int(start[-1])
    _check_memory(most, points.shape[0], memory_gib)
    found = (np.full(most, -1, np.int32), np.empty(most, np.float32), np.empty(most, np.float32))
    pair_kernels.ray_pairs(views, *geometry, True, start[:-1], count, *found)  # type: ignore[call-arg]
    there = found[0] >= 0
    start = np.concatenate([[0], np.cumsum(count)])
    return start, found[0][there], found[1][there], found[2][there]


def ions_of_slots(sub: SubSpots, weight: Floats) -> Floats:
    """Share out the ions of spots, (spot,), among energy slots, (slot,) [1e6]."""
    ions = np.empty(sub.slots)
    kernels.weighted_sums(sub.slot_spot_start, sub.slot_spot, sub.slot_share, weight, ions)
    return ions


def spots_of_slots(sub: SubSpots, slots: Floats) -> Floats:
    """Gather what energy slots have, (slot,), for the spots whose ions they share, (spot,)."""
    out = np.empty(sub.spot_start.size - 1)
    kernels.weighted_sums(sub.spot_start, sub.slot, sub.share, slots, out)
    return out


def checked_points(points: NDArray[np.floating]) -> None:
    """Refuse points of another shape, none, or some that are not finite."""
    if points.ndim != 2 or points.shape[1] != 3 or points.shape[0] == 0:
        raise InputError(f"points: expected shape (sample, 3) and at least one sample, got {points.shape}")
    if not np.isfinite(points).all():
        raise InputError("points: expected finite numbers, got NaN or infinity")


def make_curves(rays: Rays, library: xr.Dataset, table: Floats) -> Curves:
    """Tabulate the curves of all parts and energies.

    Parameters
    ----------
    table : (energy, depth, component, channel + 1)
        From `effect_table` or `curve_table`.
    """
    depth = library["depth"].values.astype(np.float64)
    step = (depth[-1] - depth[0]) / (depth.size - 1)
    # rounding of float64 depths up to 1 m
    if not np.allclose(np.diff(depth), step, rtol=0.0, atol=1e-9 * max(1.0, depth[-1])):
        raise InputError("library: expected evenly spaced depths, got another spacing")
    sub = rays.sub_spots
    channels = table.shape[-1] - 1
    air = library["air_sigma"].values ** 2
    rows = np.empty((sub.energies.size, depth.size * channels))
    end = np.empty(sub.energies.size, np.int64)
    spread = np.empty((sub.part_field.size, depth.size))
    for part, component in enumerate(sub.part_component):
        mine = slice(sub.energy_start[part], sub.energy_start[part + 1])
        energies = sub.energies[mine]
        curve = table[energies, :, component, :VARIANCE]
        peak = curve.max(axis=(1,), keepdims=True)
        there = (curve > NOTHING * peak).any(axis=2)
        behind = np.where(there.any(axis=1), depth.size - np.argmax(there[:, ::-1], axis=1), 0)
        kept = np.where(np.arange(depth.size) < behind[:, np.newaxis], 1.0, 0.0)
        rows[mine] = (curve * kept[..., np.newaxis]).reshape(energies.size, -1)
        end[mine] = behind * channels
        added = table[energies, :, component, VARIANCE] - air[energies, np.newaxis]
        spread[part] = _weighted_mean(added, library["idd"].values[energies, component])
    return Curves(
        channels=channels,
        table=rows,
        end=end,
        rows=np.arange(sub.energies.size, dtype=np.int64),
        spread=spread,
        first_depth=float(depth[0]),
        depth_step=float(step),
    )


def pair_geometry(rays: Rays, curves: Curves) -> tuple[object, ...]:
    """Arrange what the pair kernels need of lattices and rays, in their order."""
    sub = rays.sub_spots
    kind = np.minimum(sub.part_component, 1)
    cut = np.array([CUT[min(component, len(CUT) - 1)] for component in sub.part_component])
    return (
        sub.part_field,
        kind,
        cut,
        sub.variance,
        sub.pitch,
        sub.corner,
        sub.shape,
        sub.cell,
        sub.ray_of_cell,
        sub.ray_row,
        _deepest(rays, curves),
        rays.drift,
        rays.first,
        rays.step_mm,
        rays.nodes,
        _reach(rays, curves, kind, cut),
        curves.spread,
        curves.first_depth,
        curves.depth_step,
        rays.depths,
        sub.path_pitch,
        sub.path_corner,
        sub.path_shape,
        sub.path_cell,
        sub.path_of_cell,
    )


def _deepest(rays: Rays, curves: Curves) -> Floats:
    """Find behind which place of the depth grid each ray gives nothing, whatever the weights."""
    sub = rays.sub_spots
    used = np.bincount(sub.slot, minlength=sub.slots) > 0
    behind = np.repeat(sub.energy_start[sub.ray_part] - sub.slot_start[:-1], np.diff(sub.slot_start))
    depths = np.where(used, curves.end[behind + np.arange(sub.slots)] // curves.channels, 0)
    last: Counts = np.maximum.reduceat(depths, sub.slot_start[:-1]) if sub.slots else np.zeros(0, np.int64)
    # curves fall to zero in the interval behind their last value; rounding does not leave the last interval
    return np.asarray(np.minimum(last - 0.001, curves.spread.shape[1] - 1.001), dtype=np.float64)


def _weighted_mean(values: Floats, weight: Floats) -> Floats:
    """Average over the first axis; where nothing has weight, all weigh the same."""
    if values.shape[0] == 0:
        return np.zeros(values.shape[1])
    total = weight.sum(axis=0)
    even: Floats = values.mean(axis=0)
    enough = total > 1e-12 * total.max(initial=0.0)
    return np.asarray(np.divide((values * weight).sum(axis=0), total, out=even, where=enough))


def _reach(rays: Rays, curves: Curves, kind: Counts, cut: Floats) -> Floats:
    """Bound how far the widest ray of each part reaches between each node and the next."""
    sub = rays.sub_spots
    nodes = rays.nodes.shape[1]
    w = rays.first[:, np.newaxis] + rays.step_mm * np.arange(nodes)
    drift = w * (2.0 * rays.drift[:, :1] + w * rays.drift[:, 1:])
    reach = np.zeros((sub.part_field.size, nodes))
    depth_count = curves.spread.shape[1]
    for part, field in enumerate(sub.part_field):
        used = np.unique(sub.ray_row[sub.ray_part == part])
        if used.size == 0:
            continue
        near = rays.nodes[used]
        place = np.clip((near[..., 0] - curves.first_depth) / curves.depth_step, 0, depth_count - 1)
        # the largest spread up to the next whole depth, whichever way it goes
        widest = np.maximum.accumulate(curves.spread[part])
        added = near[..., 1 + 2 * kind[part]] * widest[np.ceil(place).astype(np.int64)]
        most = np.maximum(sub.variance[part] + drift[field] + added.max(axis=0), 0.25 * sub.variance[part])
        reach[part] = np.sqrt(2.0 * cut[part] * np.maximum(most, np.append(most[1:], most[-1])))
    return reach


def _check_memory(pairs: int, samples: int, memory_gib: float) -> None:
    needed = pairs * BYTES_PER_PAIR / 2**30
    if needed > memory_gib:
        raise InputError(
            f"dose operator: expected at most {memory_gib:g} GiB, got {needed:.3g} GiB "
            f"({pairs} pairs of rays and {samples} samples); {int(samples * memory_gib / needed)} samples "
            "would fit, or a larger spot_spacing_mm"
        )


def _transposed(
    pairs: tuple[Counts, NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]], rays: int
) -> tuple[Counts, NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Sort pairs by ray, samples rising within a ray."""
    count = pairs[1].size
    start = np.empty(rays + 1, np.int64)
    out = (np.empty(count, np.int32), np.empty(count, np.float32), np.empty(count, np.float32))
    transpose_entries(*pairs, np.empty((CHUNKS, rays), np.int64), start, *out)
    return start, *out


def _lines(ray_start: Counts, position: NDArray[np.float32]) -> tuple[Counts, Counts]:
    """Find the part of every ray's curve, of two channels, that samples look at: first column and size."""
    depth = position.astype(np.int64)
    used = np.diff(ray_start) > 0
    low, high = np.zeros(used.size, np.int64), np.zeros(used.size, np.int64)
    if depth.size:
        low[used] = np.minimum.reduceat(depth, ray_start[:-1][used])
        high[used] = np.maximum.reduceat(depth, ray_start[:-1][used]) + 2
    return 2 * low, 2 * (high - low)


def _chunks(ray_start: Counts, size: Counts, samples: int) -> Counts:
    """Deal rays out to chunks of about the same cost, few where clearing their sums would cost more."""
    count = int(np.clip(ray_start[-1] // (PAIRS_PER_SUM * samples), 2, kernels.CHUNKS))
    cost = np.concatenate([[0.0], np.cumsum(np.diff(ray_start) + CURVE_COST * size)])
    edges = np.searchsorted(cost, cost[-1] * np.arange(count + 1) / count)
    edges[0], edges[-1] = 0, size.size
    return np.asarray(edges, dtype=np.int64)
