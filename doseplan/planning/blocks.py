"""Products with a wide matrix in blocks of columns, beside each other: same bits for any threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCKS = 8
"""Blocks of a matrix, whatever the number of threads."""


class Blocks:
    """A matrix (row, column) of few rows and many columns, which `made` computes in parts.

    The caller limits each product's own threads to one.
    """

    def __init__(self, made: Callable[[slice], Array], columns: int) -> None:
        edges = np.linspace(0, columns, BLOCKS + 1).astype(np.int64)
        self.edges = edges[1:-1]
        self.pool = ThreadPoolExecutor(numba.get_num_threads())
        self.parts = list(self.pool.map(lambda first, last: made(slice(first, last)), edges[:-1], edges[1:]))

    def gram(self) -> Array:
        """Multiply by the own transpose: (row, row)."""
        return _summed(self.pool.map(lambda part: part @ part.T, self.parts))

    def times(self, values: Array) -> Array:
        """Multiply (column,): (row,)."""
        return _summed(self.pool.map(np.matmul, self.parts, np.split(values, self.edges)))

    def back(self, values: Array) -> Array:
        """Multiply the transpose by (row,): (column,)."""
        return np.concatenate(list(self.pool.map(lambda part: part.T @ values, self.parts)))


def _summed(found: Iterable[Array]) -> Array:
    first, *others = found
    for each in others:
        first += each
    return first
