"""What the machine gives: how fast memory can be read, and how much two threads do that wait for nothing."""

import numpy as np
from numba import njit, prange

from .table import Run

ENTRIES = 1 << 25
"""float32 numbers, 128 MiB: several times any cache that one core has to itself."""

CHUNKS = 64

HELD = 1 << 10
"""float32 numbers, 4 KiB: they stay in the nearest cache."""

TIMES = 1 << 10

_sum = {"error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}


@njit(parallel=True, **_sum)
def _sums(values, out):  # type: ignore[no-untyped-def]
    size = values.size // CHUNKS
    for chunk in prange(CHUNKS):
        own = values[chunk * size : (chunk + 1) * size]
        total = np.float32(0.0)
        for place in range(own.size):
            total += own[place]
        out[chunk] = total


@njit(parallel=True, **_sum)
def _held_sums(values, out):  # type: ignore[no-untyped-def]
    for chunk in prange(CHUNKS):
        for time in range(TIMES):
            total, step = np.float32(0.0), np.float32(time)
            for place in range(values.size):
                total += abs(values[place] - step)
            out[chunk] += total


def reading() -> tuple[Run, float]:
    """Prepare a sum over a large array; gives it and the bytes that it reads."""
    values, out = np.ones(ENTRIES, np.float32), np.empty(CHUNKS, np.float32)

    def read() -> np.ndarray:
        _sums(values, out)
        return out

    return read, float(values.nbytes)


def adding() -> Run:
    """Prepare sums over a few numbers, which need neither memory nor each other."""
    values, out = np.ones(HELD, np.float32), np.zeros(CHUNKS, np.float32)

    def add() -> np.ndarray:
        _held_sums(values, out)
        return out

    return add
