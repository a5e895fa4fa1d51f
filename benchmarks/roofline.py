"""How fast the memory can be read: what a product that streams its entries once is measured against."""

import numpy as np
from numba import njit, prange

from .table import Run

ENTRIES = 1 << 25
"""float32 numbers, 128 MiB: several times any cache that one core has to itself."""

CHUNKS = 64


@njit(parallel=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _sums(values, out):  # type: ignore[no-untyped-def]
    size = values.size // CHUNKS
    for chunk in prange(CHUNKS):
        own = values[chunk * size : (chunk + 1) * size]
        total = np.float32(0.0)
        for place in range(own.size):
            total += own[place]
        out[chunk] = total


def reading() -> tuple[Run, float]:
    """Prepare a sum over a large array; gives it and the bytes that it reads."""
    values, out = np.ones(ENTRIES, np.float32), np.empty(CHUNKS, np.float32)

    def read() -> np.ndarray:
        _sums(values, out)
        return out

    return read, float(values.nbytes)
