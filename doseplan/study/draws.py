"""Places in the unit cube that fill it evenly, and the anatomies that a population has there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from doseplan.case import Case, Population, draw_anatomy
from doseplan.case.population import Anatomy
from doseplan.messages import InputError

MOST = 100_000
"""Anatomies of one population."""

MOST_REASONS = 3
"""Lines that are said if every anatomy is refused."""


def even_shares(count: int, width: int, *, seed: int) -> NDArray[np.float64]:
    """Give points that fill the unit cube more evenly than chance would: Halton's, with scrambled digits.

    Of more points with the same seed the first are the same, so a population can be made larger later.

    Parameters
    ----------
    width
        Dimensions of the cube.

    Returns
    -------
    (count, width) : 0 <= share < 1

    References
    ----------
    A. B. Owen, A randomized Halton algorithm in R, arXiv:1706.02808 (2017), as scipy has it: each point by
    itself is uniform.
    """
    sampler = qmc.Halton(width, scramble=True, seed=np.random.default_rng(seed))
    points: NDArray[np.float64] = sampler.random(count)
    return points


def draw_anatomies(case: Case, population: Population, *, count: int, seed: int) -> list[Anatomy]:
    """Draw anatomies; those that the case reader refuses are among them, with its lines.

    Raises
    ------
    InputError
        The case has no anatomy that can be drawn, the reader refuses every draw, or `count` or `seed` is out
        of range.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"anatomies: expected 1 <= anatomies <= {MOST}, got {count}")
    if seed < 0:
        raise InputError(f"seed: expected seed >= 0, got {seed}")
    shares = even_shares(count, len(population.names), seed=seed)
    found = [
        draw_anatomy(case, population, tuple(map(float, row)), number) for number, row in enumerate(shares)
    ]
    refuse_all_refused(case, [anatomy.why for anatomy in found])
    return found


def refuse_all_refused(case: Case, whys: Sequence[Sequence[str]]) -> None:
    """Raise an `InputError` if every anatomy was refused, with some of the reasons."""
    if not all(whys):
        return
    lines = list(dict.fromkeys(line for why in whys for line in why))
    raise InputError(
        *lines[:MOST_REASONS],
        f"{case.name}: expected an anatomy that can be planned, got {len(whys)} that are refused as above",
    )
