"""Dose in any points for given spot weights, in float64, nothing stored for pairs of spots and points."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.dose.channels import Channels
from doseplan.dose.curves import curve_table, effect_table
from doseplan.dose.operator import Curves, checked_points, ions_of_slots, make_curves, pair_geometry
from doseplan.dose.rays import Rays
from doseplan.kernels import pairs as kernels
from doseplan.messages import Progress, silent

Floats = NDArray[np.float64]


BRICK_MM = 4.0
"""[mm] points are worked on in bricks of this size."""

CHUNK = 400_000
"""Points looked at at a time."""


ALL = slice(None)


def point_dose(
    points: NDArray[np.floating],
    rays: Rays,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    components: slice = ALL,
    progress: Progress = silent,
) -> Channels:
    """Compute what all spots together do in points; the model is that of `dose_operator`.

    Parameters
    ----------
    points : (point, 3) [mm]
        Patient LPS.
    rays : Rays
        From `trace_spots`, of these spots.
    spots : Dataset
        Spots with weights.
    library : Dataset
        Beam library.
    components
        Which of its components count.

    Returns
    -------
    Channels of (point,) float64
        Totals over the whole course.
    """
    wanted = range(library["idd"].shape[1])[components]
    found = _sums(points, rays, spots, make_curves(rays, library, curve_table(library)), wanted, progress)
    return Channels(*found)


def point_effect(
    points: NDArray[np.floating], rays: Rays, spots: xr.Dataset, library: xr.Dataset, *, scale: str
) -> tuple[Floats, Floats]:
    """Compute the linear and the root channel of a scale's model in points, (point,) each.

    What `linear_and_root` makes of `point_dose`, in less time: the parameters are those of `point_dose`.
    """
    every = range(library["idd"].shape[1])
    curves = make_curves(rays, library, effect_table(library, scale))
    root, linear = _sums(points, rays, spots, curves, every, silent)
    return linear, root


def _sums(
    points: NDArray[np.floating],
    rays: Rays,
    spots: xr.Dataset,
    curves: Curves,
    wanted: range,
    progress: Progress,
) -> Floats:
    """Sum what the rays of some components give to points, (channel, point)."""
    checked_points(points)
    sub = rays.sub_spots
    geometry = pair_geometry(rays, curves)
    ions = ions_of_slots(sub, np.array(spots["weight"].values, dtype=np.float64))
    order = _bricks(points)
    out = np.zeros((points.shape[0], curves.channels))
    edges = np.searchsorted(sub.ray_part, np.arange(sub.part_field.size + 1))
    for part, field in enumerate(sub.part_field):
        if sub.part_component[part] not in wanted:
            continue
        first, end = int(edges[part]), int(edges[part + 1])
        if first < end and ions[sub.slot_start[first] : sub.slot_start[end]].any():
            behind = int(sub.energy_start[part])
            columns = int(curves.end[behind : sub.energy_start[part + 1]].max()) + 2 * curves.channels
            lines = np.empty((end - first, columns))
            kernels.ray_curves(
                first, sub.slot_start, behind, curves.rows, ions, curves.table, curves.end, lines
            )
            for low in range(0, points.shape[0], CHUNK):
                view = rays.seen_from_beam(points[order[low : low + CHUNK]], int(field))
                kernels.point_sums(view, part, first, *geometry, lines, out[low : low + CHUNK])  # type: ignore[call-arg]
        progress("dose", (part + 1) / sub.part_field.size)
    progress("dose", 1.0)
    found = np.empty((curves.channels, points.shape[0]))
    found[:, order] = out.T
    return found


def _bricks(points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Order points so that neighbours stand together: they find the same curves in the cache."""
    brick = np.floor(np.asarray(points, dtype=np.float64) / BRICK_MM).astype(np.int64)
    return np.lexsort((brick[:, 0], brick[:, 1], brick[:, 2])).astype(np.int64)
