"""What a row of the benchmark table is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Run = Callable[[], NDArray[np.floating]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The same work in several ways, at one size."""

    ways: Mapping[str, Run]
    """`kernel` is ours, `naive` its slow twin, `scipy` (or `numpy`) the usual tools on one core; others,
    such as another layout, are ours too and are timed on every number of threads."""

    pieces: float
    """How many of the row's `unit` one turn handles."""

    moved_bytes: float = 0.0
    """Least that one turn of the kernel has to bring through the memory; 0 where memory is not the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    prepare: Callable[..., Work]
    """Sizes by name, all with defaults (the timed size), to the ways."""

    unit: str
    """What a piece of the work is."""

    tolerance: float
    """How far a way may be from the naive one, as a part of the largest value; say why where it is set."""

    small: Mapping[str, int] = field(default_factory=dict)
    """Sizes at which the naive way ends in good time: ways are compared there."""

    growth: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Size by name -> values along which time must grow in a straight line."""
