"""Spots: rays on a lateral grid, energy layers on each ray."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose.curves import beams_eye_view
from doseplan.dose.depth import grid_frame, water_equivalent_depth
from doseplan.dose.patch import behind_cord_note, of_part, part_of_target
from doseplan.messages import InputError

ASSUMPTIONS = (
    "a voxel belongs to the spot target when at least half of it does",
    "each ray gets the layers between both ends of the target near it in any arm, one more on either side",
)

Rays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def place_spots(
    case: Case,
    phantom: xr.Dataset,
    fields: xr.Dataset,
    library: xr.Dataset,
    others: Sequence[xr.Dataset] = (),
) -> xr.Dataset:
    """Cover the unoperated target, seen from every field, with spots of weight 0.

    Rays stand on a regular grid through the isocentre wherever the target's projection is at most
    `spot_margin_mm` away. Layers are the library's energies nearest to multiples of `layer_spacing_mm`
    in r80, from `layer_margin_mm` in front of the target to as far behind it. A field that covers a part of
    the target gets those of these spots that lie nearer to that part than to the rest, so that neighbouring
    parts abut where they meet and have their margin elsewhere.

    Where a case is planned for errors, spots reach as much further to the side as the patient may lie off,
    and as much further along the beam, at either end, as ranges may be wrong.

    Parameters
    ----------
    others
        Phantoms of the other arms: what surgery puts in changes the depth in water, and one set of spots
        reaches the same places in all.

    Returns
    -------
    Dataset
        The fields, and spots in the order field, energy, v, u.

    Raises
    ------
    InputError
        A field has no ray that hits the target, or no part of the target to cover, or the target reaches
        deeper than the highest energy.
    """
    target = _target_points(phantom)
    depths = np.stack([water_equivalent_depth(arm, fields, target) for arm in (phantom, *others)])
    nearest, deepest = depths.min(axis=0), depths.max(axis=0)
    uv = beams_eye_view(fields, target)
    half_voxel = 0.5 * float(grid_frame(phantom)[1].max())
    r80 = library["r80"].values
    setup_mm, part = _planned_error(case)
    layers = _layers(r80, depths, case, part)
    found: list[tuple[NDArray[np.int64], ...]] = []
    notes = _error_notes(setup_mm, part)
    for field in range(fields.sizes["field"]):
        own = part_of_target(case, phantom, field, target)
        _check_depth(field, deepest[field, own], library)
        rays, proximal, distal = _rays(case, uv[field], nearest[field], deepest[field], half_voxel + setup_mm)
        if rays.size == 0:
            raise InputError(
                f"fields[{field}]: expected to hit the target, got no ray on a grid of "
                f"{case.delivery.spot_spacing_mm:g} mm within {case.delivery.spot_margin_mm:g} mm of it"
            )
        margin = case.delivery.depth_margin_mm
        lowest, highest = r80[layers].min(), r80[layers].max()
        low = np.minimum((1.0 - part) * proximal - margin, highest)
        high = np.maximum((1.0 + part) * distal + margin, lowest)
        notes += _shallow_note(field, float(nearest[field, own].min()), float(r80.min()))
        layer, ray = np.nonzero((r80[layers, np.newaxis] >= low) & (r80[layers, np.newaxis] <= high))
        places = np.column_stack([rays[ray], r80[layers[layer]]])
        kept = of_part(own, uv[field], (nearest[field], deepest[field]), places)
        layer, ray = layer[kept], ray[kept]
        if case.fields[field].part is not None:
            notes += behind_cord_note(phantom, fields, field, target[own])
        found.append((np.full(ray.size, field), layers[layer], rays[ray, 0], rays[ray, 1]))
    return _with_spots(fields, library, found, notes)


def _with_spots(
    fields: xr.Dataset,
    library: xr.Dataset,
    found: Sequence[tuple[NDArray[np.generic], ...]],
    notes: Sequence[str],
) -> xr.Dataset:
    field, energy, u, v = (np.concatenate(parts) for parts in zip(*found, strict=True))
    data = {
        "field_index": field,
        "energy_index": energy,
        "spot_energy": library["energy"].values[energy.astype(np.int64)],
        "spot_u": u,
        "spot_v": v,
        "weight": np.zeros(field.size),
    }
    spots = fields.assign({name: schema.variable(name, values) for name, values in data.items()})
    spots.attrs["assumptions"] = [*fields.attrs.get("assumptions", []), *ASSUMPTIONS, *notes]
    return schema.check(spots, *data, "direction", "u_axis", "v_axis", "isocentre")


def _target_points(phantom: xr.Dataset) -> NDArray[np.float64]:
    """List the centres (x, y, z) of the voxels that belong to the spot target."""
    z, y, x = np.nonzero(phantom["spot_target"].values >= 0.5)
    if z.size == 0:
        raise InputError("spot_target: expected a voxel that is at least half target, got none")
    centres = (phantom["x"].values[x], phantom["y"].values[y], phantom["z"].values[z])
    return np.column_stack(centres)


def _planned_error(case: Case) -> tuple[float, float]:
    """Give the setup error [mm] and the part of the range that a case is planned for, zero if for none."""
    if case.robustness is None or not case.robustness.plan:
        return 0.0, 0.0
    return case.robustness.setup_mm, 0.01 * case.robustness.range_percent


def _error_notes(setup_mm: float, part: float) -> list[str]:
    if setup_mm == 0.0 and part == 0.0:
        return []
    return [
        f"spots reach {setup_mm:g} mm further to the side and {100.0 * part:g} % of the depth further along "
        "the beam, for the errors that are planned for"
    ]


def _layers(
    r80: NDArray[np.float64], wepl: NDArray[np.float64], case: Case, part: float
) -> NDArray[np.int64]:
    """Choose energies, rising, whose r80 are nearest to multiples of the layer spacing around the target.

    Depths may be wrong by a part.
    """
    spacing_mm, margin_mm = case.delivery.layer_spacing_mm, case.delivery.depth_margin_mm
    first = np.floor(((1.0 - part) * wepl.min() - margin_mm) / spacing_mm)
    last = np.ceil(((1.0 + part) * wepl.max() + margin_mm) / spacing_mm)
    levels = spacing_mm * np.arange(first, last + 1.0)
    nearest = np.abs(r80[np.newaxis, :] - levels[:, np.newaxis]).argmin(axis=1)
    return np.unique(nearest).astype(np.int64)


def _rays(
    case: Case,
    uv: NDArray[np.float64],
    nearest: NDArray[np.float64],
    deepest: NDArray[np.float64],
    further_mm: float,
) -> Rays:
    """Find the rays of a field, v before u, and the target's proximal and distal depth near each [mm].

    Rays stand `further_mm` further around the target than the case's margin.
    """
    spacing = case.delivery.spot_spacing_mm
    margin = case.delivery.spot_margin_mm + further_mm
    low = np.floor((uv.min(axis=0) - margin) / spacing).astype(int)
    high = np.ceil((uv.max(axis=0) + margin) / spacing).astype(int)
    v, u = np.meshgrid(
        spacing * np.arange(low[1], high[1] + 1), spacing * np.arange(low[0], high[0] + 1), indexing="ij"
    )
    grid = np.column_stack([u.ravel(), v.ravel()])
    tree = cKDTree(uv)
    rays = grid[tree.query(grid)[0] <= margin]
    near = tree.query_ball_point(rays, max(margin, spacing))
    proximal = np.array([nearest[inside].min() for inside in near])
    distal = np.array([deepest[inside].max() for inside in near])
    return rays, proximal, distal


def _check_depth(field: int, wepl: NDArray[np.float64], library: xr.Dataset) -> None:
    deepest, reach = float(wepl.max()), float(library["r80"].values.max())
    if deepest > reach:
        raise InputError(
            f"fields[{field}]: expected a target within {reach:.1f} mm of water, the range at "
            f"{float(library['energy'].values.max()):g} MeV/u, got a target {deepest:.1f} mm deep"
        )


def _shallow_note(field: int, proximal: float, shortest: float) -> list[str]:
    if proximal >= shortest:
        return []
    return [
        f"fields[{field}]: the target begins at {proximal:.1f} mm, in front of the shortest range of the "
        f"library, {shortest:.1f} mm: that part is reached by plateaus only"
    ]
