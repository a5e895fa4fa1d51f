"""The two products of the dose influence with a vector, both channels in one pass."""

import numpy as np
from numba import njit, prange

CHUNKS = 512


@njit(cache=True, error_model="numpy")
def _rows_of_chunk(start, entries, chunk):
    """Find the rows whose first entry lies in the chunk; empty rows at the end belong to the last chunk."""
    first = np.searchsorted(start, entries * chunk // CHUNKS) if chunk > 0 else 0
    last = np.searchsorted(start, entries * (chunk + 1) // CHUNKS) if chunk < CHUNKS - 1 else start.size
    return first, last


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def forward(row_start, spot_index, root, linear, weight, out_root, out_linear):
    """Sum both channels of all spots in every sample.

    Rows differ in length, so the work is dealt out in a fixed number of chunks of about equally many
    entries; a row is always summed whole, by one thread.

    Parameters
    ----------
    row_start : (sample + 1,) int64
        First entry of each sample, and the end.
    spot_index : (entry,) int32
    root : (entry,) float32 [1 per 1e6 ions]
    linear : (entry,) float32 [1 per 1e6 ions]
    weight : (spot,) float64 [1e6 ions]
    out_root : (sample,) float64
        Overwritten.
    out_linear : (sample,) float64
        Overwritten.
    """
    rows = out_root.size
    entries = row_start[rows]
    for chunk in prange(CHUNKS):
        first, last = _rows_of_chunk(row_start[:rows], entries, np.int64(chunk))
        for row in range(first, last):
            spots = spot_index[row_start[row] : row_start[row + 1]]
            row_root = root[row_start[row] : row_start[row + 1]]
            row_linear = linear[row_start[row] : row_start[row + 1]]
            total = 0.0
            linear_total = 0.0
            for entry in range(spots.size):
                ions = weight[np.uint32(spots[entry])]
                total += row_root[entry] * ions
                linear_total += row_linear[entry] * ions
            out_root[row] = total
            out_linear[row] = linear_total


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def adjoint(entry_start, sample_index, root, linear, gradient_root, gradient_linear, out):
    """Gather in every spot the gradient with respect to its weight.

    Parameters
    ----------
    entry_start : (spot + 1,) int64
        First entry of each spot, and the end.
    sample_index : (entry,) int32
    root : (entry,) float32 [1 per 1e6 ions]
    linear : (entry,) float32 [1 per 1e6 ions]
    gradient_root : (sample,) float64
        Derivative of the objective with respect to the dose of each sample.
    gradient_linear : (sample,) float64
        The same with respect to dose times z*.
    out : (spot,) float64
        Overwritten.
    """
    rows = out.size
    entries = entry_start[rows]
    for chunk in prange(CHUNKS):
        first, last = _rows_of_chunk(entry_start[:rows], entries, np.int64(chunk))
        for row in range(first, last):
            samples = sample_index[entry_start[row] : entry_start[row + 1]]
            row_root = root[entry_start[row] : entry_start[row + 1]]
            row_linear = linear[entry_start[row] : entry_start[row + 1]]
            total = 0.0
            for entry in range(samples.size):
                sample = np.uint32(samples[entry])
                total += row_root[entry] * gradient_root[sample]
                total += row_linear[entry] * gradient_linear[sample]
            out[row] = total
