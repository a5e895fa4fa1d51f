"""Dose influence of pencil beam spots on sample points, sparse, spot after spot."""

import math

import numpy as np
from numba import njit, prange

DEAL = 256
CHUNKS = 8


@njit(parallel=True, cache=True, error_model="numpy")
def spot_entries(
    spot_field,
    spot_energy,
    spot_u,
    spot_v,
    search_radius,
    threshold,
    reach_squared,
    curves,
    cell_mm,
    grid_origin,
    grid_shape,
    cell_start,
    sorted_uv,
    sorted_depth,
    sorted_fraction,
    sorted_sample,
    fill,
    entry_start,
    out_sample,
    out_root,
    out_linear,
):
    """Count the entries of every spot, or write them where the counts of an earlier call put them.

    Samples are visited by square cells of the beam's eye view: the cells of one row are neighbours in
    memory. Within a spot the entries stand in the order of the cells.

    Parameters
    ----------
    spot_field, spot_energy : (spot,) int32
    spot_u, spot_v : (spot,) float64 [mm]
    search_radius : (energy,) float64 [mm]
        No sample further away is looked at.
    threshold : (energy,) float64 [1 per 1e6 ions]
        Smaller entries are left out.
    reach_squared : (energy, depth) float64 [mm2]
        Squared distance beyond which no entry between this depth and the next passes the threshold.
    curves : (energy, depth, component, 3) float64
        Lateral integrals of root and linear channel [mm2 per 1e6 ions], variance [mm2].
    cell_mm : float
    grid_origin : (field, 2) float64 [mm]
        Corner (u, v) of the cells.
    grid_shape : (field, 3) int64
        Number of cells along u and v, and where the field begins in `cell_start`.
    cell_start : (cell edge,) int64
        First sorted sample of each cell, field after field.
    sorted_uv : (field, sample, 2) float64 [mm]
    sorted_depth : (field, sample) int32
        Interval of the depth table; negative beyond its end.
    sorted_fraction : (field, sample) float64
        Part of the interval.
    sorted_sample : (field, sample) int32
    fill : bool
        False: write the number of entries of spot s to `entry_start[s]`; True: write the entries from
        `entry_start[s]` on.
    entry_start : (spot,) int64
    out_sample : (entry,) int32
    out_root : (entry,) float32 [1 per 1e6 ions]
    out_linear : (entry,) float32 [1 per 1e6 ions]
    """
    spots = spot_field.size
    components = curves.shape[2]
    for deal in prange(DEAL):
        for spot in range(np.int64(deal), spots, DEAL):
            field = spot_field[spot]
            energy = spot_energy[spot]
            radius = search_radius[energy]
            columns = grid_shape[field, 0]
            rows = grid_shape[field, 1]
            u = spot_u[spot]
            v = spot_v[spot]
            left = (u - grid_origin[field, 0]) / cell_mm
            low = (v - grid_origin[field, 1]) / cell_mm
            half = radius / cell_mm
            first_column = int(min(max(np.floor(left - half), 0.0), columns))
            last_column = int(max(min(np.floor(left + half), columns - 1.0), -1.0))
            first_row = int(min(max(np.floor(low - half), 0.0), rows))
            last_row = int(max(min(np.floor(low + half), rows - 1.0), -1.0))
            entry = entry_start[spot] if fill else 0
            for row in range(first_row, last_row + 1):
                if last_column < first_column:
                    break
                cell = grid_shape[field, 2] + row * columns
                for item in range(cell_start[cell + first_column], cell_start[cell + last_column + 1]):
                    depth = sorted_depth[field, item]
                    if depth < 0:
                        continue
                    across = sorted_uv[field, item, 0] - u
                    along = sorted_uv[field, item, 1] - v
                    squared = across * across + along * along
                    if squared > reach_squared[energy, depth]:
                        continue
                    part = sorted_fraction[field, item]
                    root = 0.0
                    linear = 0.0
                    for component in range(components):
                        near = curves[energy, depth, component]
                        far = curves[energy, depth + 1, component]
                        variance = near[2] + part * (far[2] - near[2])
                        spread = math.exp(-0.5 * squared / variance) / (2.0 * math.pi * variance)
                        root += spread * (near[0] + part * (far[0] - near[0]))
                        linear += spread * (near[1] + part * (far[1] - near[1]))
                    if root < threshold[energy] or root <= 0.0:
                        continue
                    if fill:
                        out_sample[entry] = sorted_sample[field, item]
                        out_root[entry] = root
                        out_linear[entry] = linear
                    entry += 1
            if not fill:
                entry_start[spot] = entry


@njit(parallel=True, cache=True, error_model="numpy")
def transpose_entries(
    entry_start,
    sample_index,
    root,
    linear,
    position,
    row_start,
    out_spot,
    out_root,
    out_linear,
):
    """Sort entries by sample, spots in rising order within a sample: a counting sort in fixed chunks.

    Parameters
    ----------
    entry_start : (spot + 1,) int64
    sample_index : (entry,) int32
    root : (entry,) float32 [1 per 1e6 ions]
    linear : (entry,) float32 [1 per 1e6 ions]
    position : (CHUNKS, sample) int64
        Work space, overwritten.
    row_start : (sample + 1,) int64
        Overwritten.
    out_spot : (entry,) int32
    out_root, out_linear : (entry,) float32
    """
    spots = entry_start.size - 1
    entries = entry_start[spots]
    samples = row_start.size - 1
    edge = np.empty(CHUNKS + 1, np.int64)
    for chunk in range(CHUNKS):
        edge[chunk] = np.searchsorted(entry_start[:spots], entries * chunk // CHUNKS)
    edge[0] = 0
    edge[CHUNKS] = spots
    for chunk in prange(CHUNKS):
        for sample in range(samples):
            position[chunk, sample] = 0
        for entry in range(entry_start[edge[chunk]], entry_start[edge[chunk + 1]]):
            position[chunk, sample_index[entry]] += 1
    total = 0
    for sample in range(samples):
        row_start[sample] = total
        for chunk in range(CHUNKS):
            count = position[chunk, sample]
            position[chunk, sample] = total
            total += count
    row_start[samples] = total
    for chunk in prange(CHUNKS):
        for spot in range(edge[chunk], edge[chunk + 1]):
            for entry in range(entry_start[spot], entry_start[spot + 1]):
                sample = sample_index[entry]
                place = position[chunk, sample]
                position[chunk, sample] = place + 1
                out_spot[place] = spot
                out_root[place] = root[entry]
                out_linear[place] = linear[entry]
