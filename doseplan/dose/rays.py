"""Rays of the sub-spots through a phantom: depth, widening and loss of ions along each."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from doseplan.dose.air import NOZZLE_MM, drift_in_air
from doseplan.dose.depth import grid_frame
from doseplan.dose.matter import matter, water_attenuation
from doseplan.dose.scenario import NOMINAL, Scenario
from doseplan.dose.sub_spots import SubSpots, split_spots
from doseplan.kernels.rays import trace_rays as kernel

Floats = NDArray[np.float64]

STEP_MM = 1.0
"""[mm] nodes along a ray are at most this far apart, and at most a voxel; straight lines between them."""

BEYOND_MM = 5.0
"""[mm] scattering is compared with that of ions which end this far behind the longest range of a field."""

BATCH = 4096
"""Rays traced at a time."""

SHALLOW_MM = 0.5
"""[mm] in front of this depth beams are as wide as in water: there is nothing to compare."""


MODEL = (
    "each spot is split into sub-spots at most 2 mm apart, each with its own ray's water-equivalent depth",
    "scattering and reactions along a ray go by the materials that it crosses, spectra by its depth in water",
)
"""Assumptions that every dose states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rays:
    """Sub-spots of a spot set, and what their rays meet in one phantom.

    Attributes
    ----------
    isocentre : (3,) [mm]
        Where the beams aim at, in the patient.
    axes : (field, 3, 3) [1]
        u, v and direction of each field.
    first : (field,) [mm]
        Place of the first node along each field, from the isocentre.
    step_mm
        Distance of the nodes.
    drift : (field, 2) [mm], [1]
        Covariance and variance of the angle of the beam in air at the isocentre.
    met : (row, node, 4) float32
        As `kernels.rays.trace_rays` writes it.
    paths : (path, node) float32 [mm]
        Water-equivalent depth on the denser lattice of paths; `depths` is the same with the range error.
    nodes : (row, node, 5) float32
        Water-equivalent depth [mm]; factor of the variance in water, and of the ions, of primary ions; the
        same of their fragments.
    """

    sub_spots: SubSpots
    isocentre: Floats
    axes: Floats
    first: Floats
    step_mm: float
    drift: Floats
    met: NDArray[np.float32]
    paths: NDArray[np.float32]
    depths: NDArray[np.float32]
    nodes: NDArray[np.float32]

    def seen_from_beam(self, points: NDArray[np.floating], field: int) -> Floats:
        """Give u, v and w [mm] of points in one field, (point, 3)."""
        relative = np.asarray(points, dtype=np.float64) - self.isocentre
        return np.ascontiguousarray(np.einsum("ai,pi->pa", self.axes[field], relative))


def trace_spots(
    phantom: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    scenario: Scenario = NOMINAL,
    before: tuple[xr.Dataset, Rays] | None = None,
    pitch_mm: float | None = None,
) -> Rays:
    """Split spots into sub-spots, and trace the ray of each through a phantom.

    Parameters
    ----------
    phantom : Dataset
        `rsp`, with `density` and `tissue` where scattering and reactions differ from water of that stopping.
    spots : Dataset
        Spots with their fields.
    library : Dataset
        `air_sigma` and `r80`.
    scenario
        Shift of the patient and error of the range.
    before
        Another phantom on the same grid, or the same, with its rays of the same spots in any scenario:
        sub-spots, and rays that lie there and pass no voxel which differs, are taken over. The result is the
        same, bit for bit.
    pitch_mm : [mm]
        Of the sub-spots; None chooses, see `split_spots`.

    Notes
    -----
    The variance of scattering is that of water at the same depth times a factor: the ratio of the integrals
    of scattering power times squared distance, in millimetres of the patient for the ray and of water for the
    library. Its scattering power goes with 1 / residual range (Kanematsu, Phys. Med. Biol. 54 (2009) N67)
    and with the material. For fragments the ratio is that of the mean squared distances from where they
    were born. Primary ions are fewer, or more, by exp(-mu (q - depth)), fragments by the ratio of the
    reactions so far, where q is the depth of water with as many reactions.

    Depths are traced on a denser lattice as well: an ion that reaches a point beside its sub-spot's ray went,
    on average, beside it by the share that the variance in air has of the whole.
    """
    sub_spots = split_spots(spots, library, pitch_mm=pitch_mm) if before is None else before[1].sub_spots
    axes = np.stack([spots[name].values for name in ("u_axis", "v_axis", "direction")], axis=1)
    isocentre = spots["isocentre"].values - np.array(scenario.shift_mm)
    corner, edges = grid_frame(phantom)
    step = min(STEP_MM, float(edges.min()))
    first, count = _reach_of_grid(corner, edges, np.array(phantom["rsp"].shape[::-1]), isocentre, axes, step)
    longest = np.array([_longest_range(spots, library, field) for field in range(axes.shape[0])])
    lines = _Lines(axes, isocentre, first, step, count, longest + BEYOND_MM)
    both = (
        np.concatenate([sub_spots.row_field, sub_spots.path_field]),
        [sub_spots.row_uv, sub_spots.path_uv],
    )
    start, field = lines.start(both[0], np.concatenate(both[1])), both[0]
    chosen = np.ones(field.size, np.bool_)
    if before is not None and _same_lines(before[1], isocentre, first, count, step):
        chosen = _touched(before[0], phantom, start, axes[field, 2])
    rows = sub_spots.row_field.size
    met = np.empty((rows, count, 4), np.float32)
    paths = np.empty((field.size - rows, count), np.float32)
    if before is not None and not chosen.all():
        met[~chosen[:rows]] = before[1].met[~chosen[:rows]]
        paths[~chosen[rows:]] = before[1].paths[~chosen[rows:]]
    crossed = matter(phantom) if chosen.any() else np.empty((0, 0, 0, 3), np.float32)
    for batch in np.array_split(np.flatnonzero(chosen), 1 + int(chosen.sum()) // BATCH):
        for each in range(axes.shape[0]):
            own = batch[field[batch] == each]
            traced = lines.trace(crossed, corner, edges, start[own], each)
            met[own[own < rows]] = traced[own < rows]
            paths[own[own >= rows] - rows] = traced[own >= rows, :, 0]
    rays = Rays(
        sub_spots=sub_spots,
        isocentre=isocentre,
        axes=axes,
        first=first,
        step_mm=step,
        drift=drift_in_air(spots, library, nozzle_mm=float(spots.attrs.get("nozzle_mm", NOZZLE_MM))),
        met=met,
        paths=paths,
        depths=paths,
        nodes=np.empty((0, 0, 5), np.float32),
    )
    return with_range_error(rays, spots, library, scenario.range_percent)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Rays of all fields, and the nodes along them."""

    axes: Floats
    isocentre: Floats
    first: Floats
    step: float
    count: int
    reference: Floats

    def start(self, field: NDArray[np.int64], uv: Floats) -> Floats:
        """Find where rays cross the isocentre's plane, (ray, 3)."""
        found = self.isocentre + uv[:, :1] * self.axes[field, 0] + uv[:, 1:] * self.axes[field, 1]
        return np.asarray(found, dtype=np.float64)

    def trace(
        self, crossed: NDArray[np.float32], corner: Floats, edges: Floats, start: Floats, field: int
    ) -> NDArray[np.float32]:
        """Trace rays of one field, (ray, node, 4)."""
        out = np.empty((start.shape[0], self.count, 4), np.float32)
        direction = np.tile(self.axes[field, 2], (start.shape[0], 1))
        reference = np.full(start.shape[0], self.reference[field])
        kernel(crossed, corner, edges, start, direction, float(self.first[field]), self.step, reference, out)
        return out


def with_range_error(rays: Rays, spots: xr.Dataset, library: xr.Dataset, range_percent: float) -> Rays:
    """Scale the water-equivalent depth of rays that were traced without an error; nothing is traced again."""
    longest = np.array([_longest_range(spots, library, field) for field in range(rays.axes.shape[0])])
    reference = longest[rays.sub_spots.row_field] + BEYOND_MM
    if range_percent == 0.0:
        return replace(rays, nodes=_profiles(rays.met, reference, 1.0), depths=rays.paths)
    factor = 1.0 + 0.01 * range_percent
    depths = (rays.paths * np.float32(factor)).astype(np.float32)
    return replace(rays, nodes=_profiles(rays.met, reference, factor), depths=depths)


def _longest_range(spots: xr.Dataset, library: xr.Dataset, field: int) -> float:
    energy = spots["energy_index"].values[spots["field_index"].values == field]
    return float(library["r80"].values[energy].max()) if energy.size else 0.0


def _reach_of_grid(
    corner: Floats, edges: Floats, shape: NDArray[np.int64], isocentre: Floats, axes: Floats, step: float
) -> tuple[Floats, int]:
    """Find the first node of each field, and how many reach through the grid."""
    ends = np.stack([corner, corner + edges * shape])
    corners = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    along = (corners - isocentre) @ axes[:, 2].T
    first = (np.floor(along.min(axis=0) / step) - 1.0) * step
    count = int(np.ceil((along.max(axis=0) - first).max() / step)) + 2
    return np.ascontiguousarray(first), count


def _same_lines(other: Rays, isocentre: Floats, first: Floats, count: int, step: float) -> bool:
    return bool(
        np.array_equal(other.isocentre, isocentre)
        and np.array_equal(other.first, first)
        and other.met.shape[1] == count
        and other.step_mm == step
    )


def _touched(one: xr.Dataset, two: xr.Dataset, start: Floats, direction: Floats) -> NDArray[np.bool_]:
    """Tell which rays pass near a voxel in which two phantoms differ."""
    differ = np.zeros(one["rsp"].shape, np.bool_)
    for name in ("rsp", "density", "tissue"):
        if name in one and name in two:
            differ |= one[name].values != two[name].values
    if not differ.any():
        return np.zeros(start.shape[0], np.bool_)
    z, y, x = np.nonzero(differ)
    points = np.column_stack([one["x"].values[x], one["y"].values[y], one["z"].values[z]])
    half = 0.5 * float(np.linalg.norm(grid_frame(one)[1])) + 1e-6
    touched = np.zeros(start.shape[0], np.bool_)
    for along in np.unique(direction, axis=0):
        rows = np.flatnonzero((direction == along).all(axis=1))
        touched[rows] = _near_lines(start[rows], along, points, half)
    return touched


def _near_lines(start: Floats, along: Floats, points: Floats, reach: float) -> NDArray[np.bool_]:
    """Tell which parallel lines pass a point within reach."""
    flat = [each - np.outer(each @ along, along) for each in (points, start)]
    tree = cKDTree(np.unique(np.round(flat[0] / (0.25 * reach)), axis=0) * (0.25 * reach))
    # points were moved by up to 0.22 of the reach
    return np.asarray(tree.query(flat[1])[0] <= 1.25 * reach)


def _profiles(met: NDArray[np.float32], reference: Floats, factor: float) -> NDArray[np.float32]:
    """Turn what rays have met into factors of what water of the same depth does."""
    depth, scattering, lever, reactions = (met[..., column].astype(np.float64) for column in range(4))
    depth *= factor
    deep = depth > SHALLOW_MM
    # behind the range of all primary ions there is nothing to compare
    ions = deep & (depth < reference[:, np.newaxis])
    safe = np.where(deep, depth, 1.0)
    left = np.maximum(reference[:, np.newaxis] - safe, 1.0)
    in_water = 0.5 * safe**2 - left * safe + left**2 * np.log1p(safe / left)
    mu = water_attenuation()
    fewer = np.expm1(-mu * reactions) / np.expm1(-mu * safe)
    columns = (
        depth,
        np.where(ions, scattering / in_water, 1.0),
        np.exp(-mu * (reactions - depth)),
        np.where(deep, lever / (safe**2 / 3.0), 1.0),
        np.where(deep, fewer, 1.0),
    )
    return np.stack(columns, axis=-1).astype(np.float32)
