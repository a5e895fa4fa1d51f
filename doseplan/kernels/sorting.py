"""Sparse entries sorted by their other index."""

import numpy as np
from numba import njit, prange

CHUNKS = 8


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
