"""Spots split into sub-spots: Gaussians narrow enough that each sees one water-equivalent depth.

Each component of a field has a lattice of sub-spots of its own, as fine as its own width asks for; all stand
on lines through the isocentre. The lattice of the primary ions is the finest, and its rays are the field's.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from doseplan.messages import InputError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

PITCH_MM = 2.0
"""[mm] sub-spots of the primary ions are at most this far apart."""

NARROW = 0.8
"""[1] a sub-spot's sigma in parts of its pitch: a lattice of Gaussians is even to 7e-6 (twice
exp(-2 pi2 0.8^2)), and no wider than it need be."""

SPLIT = 0.3
"""[1] least variance, in parts of the squared pitch, of the weights that make a spot of sub-spots: their sum
is even to 0.5 % before they are made to add up to one."""

NARROWEST = 0.05
"""[1] least variance of a sub-spot, in parts of that of the narrowest spot."""

WIDEST = 3
"""Lattices of fragments are at most so many times as coarse as that of the primaries."""

SPLIT_CUT = 7.0
"""[1] weights end at this exponent, which leaves 0.6 % less variance; they still add up to one."""


PATHS_PER_PITCH = 2
"""Depths are traced on lines this many times as dense as the finest lattice, so that ions of a sub-spot that
pass beside its ray meet what lies there."""

BESIDE_MM = 8.0
"""[mm] beyond the outermost rays up to which depths are traced; further out those of the ray itself hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubSpots:
    """Lattices and rays of all parts, a part being one component of one field, and what each spot gives them.

    Attributes
    ----------
    part_field, part_component : (part,) int64
    pitch : (part,) [mm]
    variance : (part,) [mm2]
        Of a sub-spot in air at the isocentre.
    corner, shape : (part, 2) int64
        First lattice line along u and v, and the number of lines.
    cell : (part,) int64
        Where the lattice begins in `ray_of_cell`.
    ray_of_cell : (cell,) int32
        Negative where there is no ray.
    ray_part, ray_row : (ray,) int32
        Part of each ray, and where it runs among the rows.
    row_field : (row,) int64
    row_uv : (row, 2) [mm]
        Rays of all fields on the finest lattice.
    path_pitch : [mm]
        Of the lattice on which depths are traced.
    path_corner, path_shape : (field, 2) int64
    path_cell : (field,) int64
        Where the field's lattice begins in `path_of_cell`.
    path_of_cell : (path cell,) int32
        Negative where none is traced.
    path_field, path_uv : (path,), (path, 2) [mm]
    energies, energy_start : (part energy,), (part + 1,) int64
        Energies of each part, as indices of the library.
    slot_start : (ray + 1,) int64
        First energy slot of each ray.
    spot_start, slot, share : (spot + 1,) int64, (entry,) int32, (entry,)
        Parts of the ions of each spot that energy slots get; they add up to one in each component.
    slot_spot_start, slot_spot, slot_share : (slot + 1,) int64, (entry,) int32, (entry,)
        The same, slot after slot.
    """

    part_field: Counts
    part_component: Counts
    pitch: Floats
    variance: Floats
    corner: Counts
    shape: Counts
    cell: Counts
    ray_of_cell: NDArray[np.int32]
    ray_part: NDArray[np.int32]
    ray_row: NDArray[np.int32]
    row_field: Counts
    row_uv: Floats
    path_pitch: float
    path_corner: Counts
    path_shape: Counts
    path_cell: Counts
    path_of_cell: NDArray[np.int32]
    path_field: Counts
    path_uv: Floats
    energies: Counts
    energy_start: Counts
    slot_start: Counts
    spot_start: Counts
    slot: NDArray[np.int32]
    share: Floats
    slot_spot_start: Counts
    slot_spot: NDArray[np.int32]
    slot_share: Floats

    @property
    def slots(self) -> int:
        """Number of energy slots of all rays."""
        return int(self.slot_start[-1])


def split_spots(spots: xr.Dataset, library: xr.Dataset, *, pitch_mm: float | None = None) -> SubSpots:
    """Lay out the sub-spots of all fields.

    Parameters
    ----------
    spots : Dataset
        Spots with their fields.
    library : Dataset
        `air_sigma`; a sub-spot's variance is that of the spot less that of the weights, so widths are exact.
    pitch_mm : [mm]
        Of the primaries' lattice; None takes the largest whole part of the smallest distance between spots
        that is at most `PITCH_MM` and fine enough for the narrowest spot.

    Raises
    ------
    InputError
        A pitch too coarse for the narrowest spot.

    Notes
    -----
    A Gaussian of variance s2 is the sum of Gaussians of variance v on a lattice, weighted by a Gaussian of
    variance s2 - v.
    """
    air = library["air_sigma"].values ** 2
    field = spots["field_index"].values.astype(np.int64)
    energy = spots["energy_index"].values.astype(np.int64)
    uv = np.column_stack([spots["spot_u"].values, spots["spot_v"].values])
    fine = _fine_pitch(uv[field == field[0]], float(air[energy].min())) if pitch_mm is None else pitch_mm
    layout = _Layout(fine, air, field, energy, uv)
    components = library.sizes["component"] if "component" in library.sizes else library["idd"].shape[1]
    parts = [
        layout.part(each, component)
        for each in range(spots.sizes["field"])
        for component in range(components)
    ]
    return layout.joined(parts)


@dataclass(frozen=True, slots=True)
class _Part:
    """One lattice, before all are joined; `slot` counts from the part's first."""

    field: int
    component: int
    pitch: float
    variance: float
    corner: Counts
    shape: Counts
    ray_of_cell: Counts
    lines: Counts
    energies: Counts
    spot: Counts
    slot: Counts
    share: Floats


@dataclass(frozen=True, slots=True)
class _Layout:
    """Spots of all fields, and the pitch of the finest lattice."""

    fine: float
    air: Floats
    field: Counts
    energy: Counts
    uv: Floats

    def part(self, field: int, component: int) -> _Part:
        """Lay out one component of one field."""
        spots = np.flatnonzero(self.field == field)
        narrowest = float(self.air[self.energy[spots]].min()) if spots.size else 1.0
        multiple = WIDEST if component else 1
        while multiple > 1 and narrowest < (SPLIT + 0.05) * (multiple * self.fine) ** 2:
            multiple -= 1
        pitch = multiple * self.fine
        variance = min((NARROW * pitch) ** 2, narrowest - SPLIT * pitch**2)
        if variance < NARROWEST * narrowest:
            most = np.sqrt((1.0 - NARROWEST) * narrowest / SPLIT)
            raise InputError(
                f"pitch_mm: expected at most {most:.2f} mm for spots of {np.sqrt(narrowest):.2f} mm, "
                f"got {pitch:g}"
            )
        if spots.size == 0:
            none = np.empty(0, np.int64)
            corner, shape = np.zeros(2, np.int64), np.zeros(2, np.int64)
            lines = np.empty((0, 2), np.int64)
            return _Part(
                field, component, pitch, 1.0, corner, shape, none, lines, none, none, none, np.empty(0)
            )
        energies, level = np.unique(self.energy[spots], return_inverse=True)
        spot, line, share = _weights(self.uv[spots], self.air[self.energy[spots]] - variance, pitch)
        corner, shape, cell = _cells(line)
        used, ray = np.unique(cell, return_inverse=True)
        ray_of_cell = np.full(int(shape.prod()), -1, np.int64)
        ray_of_cell[used] = np.arange(used.size)
        lines = np.column_stack([used % shape[0], used // shape[0]]) + corner
        slot = ray * energies.size + level[spot]
        return _Part(
            field,
            component,
            pitch,
            variance,
            corner,
            shape,
            ray_of_cell,
            lines,
            energies,
            spots[spot],
            slot,
            share,
        )

    def joined(self, parts: list[_Part]) -> SubSpots:
        """Join all parts: rays, slots and rows are numbered one after the other."""
        rays = np.array([part.lines.shape[0] for part in parts])
        ray_start = np.concatenate([[0], np.cumsum(rays)])
        energies = np.array([part.energies.size for part in parts])
        slot_start = np.concatenate([[0], np.cumsum(np.repeat(energies, rays))]).astype(np.int64)
        cells = np.array([part.ray_of_cell.size for part in parts])
        numbered = [
            np.where(part.ray_of_cell >= 0, part.ray_of_cell + first, -1)
            for part, first in zip(parts, ray_start[:-1], strict=True)
        ]
        row_field, row_uv, ray_row = self._rows(parts)
        paths = _Paths.around(row_field, row_uv, self.fine / PATHS_PER_PITCH, parts[-1].field + 1)
        spot = np.concatenate([part.spot for part in parts])
        slot = np.concatenate(
            [part.slot + slot_start[first] for part, first in zip(parts, ray_start[:-1], strict=True)]
        )
        share = np.concatenate([part.share for part in parts])
        order, back = np.lexsort((slot, spot)), np.lexsort((spot, slot))
        counts = np.bincount(slot, minlength=int(slot_start[-1]))
        edges = np.searchsorted(spot[order], np.arange(self.field.size + 1))
        return SubSpots(
            part_field=np.array([part.field for part in parts]),
            part_component=np.array([part.component for part in parts]),
            pitch=np.array([part.pitch for part in parts]),
            variance=np.array([part.variance for part in parts]),
            corner=np.array([part.corner for part in parts], dtype=np.int64),
            shape=np.array([part.shape for part in parts], dtype=np.int64),
            cell=np.concatenate([[0], np.cumsum(cells)[:-1]]).astype(np.int64),
            ray_of_cell=np.concatenate(numbered).astype(np.int32),
            ray_part=np.repeat(np.arange(len(parts)), rays).astype(np.int32),
            ray_row=ray_row.astype(np.int32),
            row_field=row_field,
            row_uv=row_uv,
            path_pitch=self.fine / PATHS_PER_PITCH,
            path_corner=paths.corner,
            path_shape=paths.shape,
            path_cell=paths.cell,
            path_of_cell=paths.of_cell,
            path_field=paths.field,
            path_uv=paths.uv,
            energies=np.concatenate([part.energies for part in parts]),
            energy_start=np.concatenate([[0], np.cumsum(energies)]).astype(np.int64),
            slot_start=slot_start,
            spot_start=edges.astype(np.int64),
            slot=slot[order].astype(np.int32),
            share=share[order],
            slot_spot_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            slot_spot=spot[back].astype(np.int32),
            slot_share=share[back],
        )

    def _rows(self, parts: list[_Part]) -> tuple[Counts, Floats, Counts]:
        """List each ray of the finest lattice once, and where the rays of all parts are among them."""
        field = np.concatenate([np.full(part.lines.shape[0], part.field) for part in parts])
        lines = np.concatenate([part.lines * round(part.pitch / self.fine) for part in parts])
        rows, row = np.unique(np.column_stack([field, lines]), axis=0, return_inverse=True)
        return rows[:, 0].astype(np.int64), rows[:, 1:] * self.fine, row.reshape(-1)


@dataclass(frozen=True, slots=True)
class _Paths:
    """Lattice lines near the rays of each field, numbered."""

    corner: Counts
    shape: Counts
    cell: Counts
    of_cell: NDArray[np.int32]
    field: Counts
    uv: Floats

    @classmethod
    def around(cls, row_field: Counts, row_uv: Floats, pitch: float, fields: int) -> "_Paths":
        """List all lines within `BESIDE_MM` of a ray."""
        corner, shape = np.zeros((fields, 2), np.int64), np.zeros((fields, 2), np.int64)
        cells, found = [], [np.empty((0, 2))]
        number = 0
        for field in range(fields):
            rays = row_uv[row_field == field]
            if rays.shape[0]:
                corner[field] = np.floor((rays.min(axis=0) - BESIDE_MM) / pitch)
                shape[field] = np.ceil((rays.max(axis=0) + BESIDE_MM) / pitch) - corner[field] + 1
            v, u = np.meshgrid(*(np.arange(size) for size in shape[field, ::-1]), indexing="ij")
            lines = (np.column_stack([u.ravel(), v.ravel()]) + corner[field]) * pitch
            near = np.zeros(lines.shape[0], np.bool_)
            if rays.shape[0]:
                near = np.asarray(cKDTree(rays).query(lines)[0]) <= BESIDE_MM
            cells.append(np.where(near, number + np.cumsum(near) - 1, -1))
            found.append(lines[near])
            number += int(near.sum())
        sizes = np.array([cell.size for cell in cells])
        counts = [lines.shape[0] for lines in found[1:]]
        return cls(
            corner,
            shape,
            np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
            np.concatenate(cells).astype(np.int32),
            np.repeat(np.arange(fields), counts),
            np.concatenate(found),
        )


def _fine_pitch(uv: Floats, narrowest: float) -> float:
    """Divide the distance between neighbouring spots until sub-spots are near and narrow enough."""
    places = np.unique(uv, axis=0)
    spacing = PITCH_MM
    if places.shape[0] > 1:
        distance = np.asarray(cKDTree(places).query(places, k=2)[0])
        spacing = float(distance[:, 1].min())
    parts = max(int(np.ceil(spacing / PITCH_MM - 1e-9)), 1)
    while narrowest < (NARROW**2 + SPLIT) * (spacing / parts) ** 2:
        parts += 1
    return spacing / parts


def _weights(uv: Floats, variance: Floats, pitch: float) -> tuple[Counts, Counts, Floats]:
    """Share out each spot among the lattice points around it.

    Returns
    -------
    spot, line, share : (entry,), (entry, 2), (entry,)
    """
    half = int(np.ceil(np.sqrt(2.0 * SPLIT_CUT * float(variance.max())) / pitch)) + 1
    line = np.arange(-half, half + 1)
    window = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    # places are rounded so that a spot in the middle between two lines sees the same on both sides
    middle = np.floor(np.round(uv / pitch, 9) + 0.5).astype(np.int64)
    lines = middle[:, np.newaxis, :] + window
    squared = np.square(lines * pitch - uv[:, np.newaxis, :]).sum(axis=2)
    exponent = squared / (2.0 * variance[:, np.newaxis])
    inside = exponent <= SPLIT_CUT + 1e-9
    share = np.where(inside, np.exp(-exponent), 0.0)
    share /= share.sum(axis=1, keepdims=True)
    spot, place = np.nonzero(inside)
    return spot, lines[spot, place], share[spot, place]


def _cells(lines: Counts) -> tuple[Counts, Counts, Counts]:
    """Find the rectangle around lattice points, and the number of each in it, row after row."""
    corner = lines.min(axis=0)
    shape = lines.max(axis=0) - corner + 1
    place = lines - corner
    return corner, shape, place[:, 1] * shape[0] + place[:, 0]
