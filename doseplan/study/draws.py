"""Places in the unit cube that fill it evenly, and the anatomies that a population has there."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from doseplan.case import Case, Population, draw_anatomy
from doseplan.case.population import Anatomy
from doseplan.messages import InputError

MOST = 100_000
"""Anatomies of one population."""


def even_shares(count: int, width: int, *, seed: int) -> NDArray[np.float64]:
    """Give points that fill the unit cube more evenly than chance would: Sobol's, moved on by one draw.

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
    I. M. Sobol', USSR Comput. Math. Math. Phys. 7 (1967) 86, as scipy has it; the move, modulo 1, is that of
    R. Cranley and T. N. L. Patterson, SIAM J. Numer. Anal. 13 (1976) 904: each point by itself is uniform.
    """
    points = qmc.Sobol(width, scramble=False).random_base2(max(math.ceil(math.log2(count)), 0))[:count]
    moved: NDArray[np.float64] = (points + np.random.default_rng(seed).random(width)) % 1.0
    return moved


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
    if all(anatomy.case is None for anatomy in found):
        raise InputError(*dict.fromkeys(line for anatomy in found for line in anatomy.why))
    return found
