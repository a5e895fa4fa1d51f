"""Run histories in a fixed number of batches: the same bits on any number of threads."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doseplan.kernels import montecarlo as kernel
from doseplan.messages import InputError, Progress, silent
from doseplan.montecarlo.tables import Tables

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BATCHES, TOGETHER = 16, 8
"""Batches of a simulation, whose differences tell its uncertainty, and how many run at the same time."""

TALLIES = 7


class Limits(NamedTuple):
    """Lengths of the steps.

    longest, shortest : [g/cm2 of water]
    share : of the residual range
    widest : [mm over the stopping power ratio of where the step begins]
    cut : [g/cm2] an ion with less residual range stops
    """

    longest: float = 0.5
    shortest: float = 0.02
    share: float = 0.2
    widest: float = 20.0
    cut: float = 0.004


class Source(NamedTuple):
    """Spots as the kernel takes them."""

    field: Integers
    lateral: Floats
    size: Floats
    range_mean: Floats
    range_sigma: Floats
    ripple: float
    direction: Floats
    u_axis: Floats
    v_axis: Floats


class Grid(NamedTuple):
    """Voxels, in the order x, y, z: corner [mm], edge [mm], shape."""

    corner: Floats
    edge: Floats
    shape: Integers


class Voxels(NamedTuple):
    """What ions cross, and where it is scored.

    media : (z, y, x, 3) float32
        Stopping power ratio; scattering and reactions as density [g/cm3] of water.
    place : (x,), (y,), (z,) int64
        Their sum is the row of the score.
    """

    media: NDArray[np.float32]
    grid: Grid
    place: tuple[Integers, Integers, Integers]
    rows: int


def simulate(
    tables: Tables,
    voxels: Voxels,
    source: Source,
    share: Floats,
    *,
    histories: int,
    seed: int,
    batches: int = BATCHES,
    limits: Limits | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[Floats, Floats]]:
    """Follow histories, and yield the score and the tally of each batch, per history.

    Parameters
    ----------
    share : (spot,)
        Part of the histories that each spot gets, to any factor.
    histories : int
        Rounded up to a whole number in every batch.
    seed : int
        0 to 2^64 - 1.

    Yields
    ------
    score : (row, channel) float64
        Response over stopping power ratio, per history. Valid until the next batch is asked for.
    tally : (7,) float64
        As the kernel names them, per history.

    Raises
    ------
    InputError
        Histories, batches or seed that make no sense.
    """
    check_numbers(histories, seed, batches)
    count = -(-histories // batches)
    words = np.array([seed & 0xFFFFFFFF, seed >> 32], dtype=np.uint64)
    cumulative = np.cumsum(share) / np.sum(share)
    channels = tables.ladder.response.shape[2]
    for first in range(0, batches, TOGETHER):
        progress("Monte Carlo", first / batches)
        many = min(TOGETHER, batches - first)
        score, tally = np.zeros((many, voxels.rows, channels)), np.zeros((many, TALLIES))
        kernel.histories(
            words, first, count, cumulative, tuple(source), voxels.media, tuple(voxels.grid), voxels.place,
            tuple(tables.ladder), tuple(limits or Limits()), tuple(tables.branches), score, tally,
        )  # fmt: skip
        for batch in range(many):
            yield score[batch] / count, tally[batch] / count
    progress("Monte Carlo", 1.0)


def check_numbers(histories: int, seed: int, batches: int = BATCHES) -> None:
    """Refuse histories, seed or batches that make no sense, all at once."""
    lines = []
    if not 2 <= batches <= histories < batches * 2**32:
        lines.append(f"histories: expected {max(batches, 2)} <= histories < 2^32 a batch, got {histories}")
    if not 0 <= seed < 2**64:
        lines.append(f"seed: expected 0 <= seed < 2^64, got {seed}")
    if lines:
        raise InputError(*lines)
