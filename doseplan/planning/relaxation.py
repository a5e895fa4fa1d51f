"""Linear programs that are weaker than the planning problem: chords for the target, tangents for limits.

Let a and b be the channels of a sample per fraction, e = a + b^2 its effect.

The target's "e >= E" is not convex; for a range of mixtures a / b it follows the chord of an arc (`chord`).
A limit "e <= M" is convex; it follows a tangent (`tangent_lines`).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.evidence import Evidence

Array = NDArray[np.float64]

ROUNDING = 1e-6
"""[1] relative error of a stored entry, taken far too large: float32 has 6e-8, the kernels 1e-14."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One side of a split: the mixture a / b of a target row is at least, or at most, a ratio."""

    row: int
    ratio: float
    at_least: bool


Path = tuple[Cut, ...]


def other_side(cut: Cut) -> Cut:
    """Give the other side of a split."""
    return replace(cut, at_least=not cut.at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Multipliers that refute a level for all mixtures on one path of cuts.

    Attributes
    ----------
    level_gye
        [Gy(RBE)] no plan on the path gives all target rows this much.
    path
        Cuts from the root.
    chords
        The first so many of them narrow the chords.
    target : (target row,)
    limit : (limited row,)
    cut : (len(path),)
    tangent : (limited row,)
        Root channel per fraction at which the limit's parabola is replaced by its tangent.
    """

    level_gye: float
    path: Path
    chords: int
    target: Array
    limit: Array
    cut: Array
    tangent: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """No plan gives all target rows `level_gye` while all limited rows keep their limits.

    Attributes
    ----------
    level_gye
        The highest of all leaves.
    steps
        Each refutes the mixtures behind the last cut of its path, so that its other side holds from then on;
        the cuts before that are what the first steps have shown.
    leaves
        Cover all mixtures that the steps have left: their paths begin with what all steps have shown.
    """

    level_gye: float
    steps: tuple[Leaf, ...]
    leaves: tuple[Leaf, ...]


def mixture_range(evidence: Evidence) -> tuple[Array, Array]:
    """Find the least and the largest a / b that any spot gives a target row; mixtures lie between."""
    linear, root = evidence.linear[: evidence.targets], evidence.root[: evidence.targets]
    some = root > 0.0
    ratio = linear / np.where(some, root, 1.0)
    lowest = np.where(some, ratio, np.inf).min(axis=1)
    highest = np.where(some, ratio, -np.inf).max(axis=1)
    # an entry of the linear channel beside a root channel that is zero has no ratio
    highest[((linear > 0.0) & ~some).any(axis=1)] = 1e9
    return lowest * (1.0 - 1e-12), highest * (1.0 + 1e-12)


def narrowed(mixture: tuple[Array, Array], path: Path) -> tuple[Array, Array]:
    """Apply the cuts of a path to the range of mixtures."""
    lowest, highest = mixture[0].copy(), mixture[1].copy()
    for cut in path:
        side = lowest if cut.at_least else highest
        side[cut.row] = (max if cut.at_least else min)(side[cut.row], cut.ratio)
    return lowest, highest


def root_on_arc(ratio: Array, effect: float) -> Array:
    """Compute b where the ray a = ratio b meets the arc a + b^2 = effect."""
    return np.asarray(2.0 * effect / (ratio + np.sqrt(ratio * ratio + 4.0 * effect)))


def chord(mixture: tuple[Array, Array], effect: float) -> tuple[Array, Array]:
    """Replace "a + b^2 >= effect" in a sector of mixtures by a + slope b >= effect + offset.

    The arc is concave, so it lies above its chord between the sector's two rays; a point of larger effect
    lies further out on its ray, where the left side, which no factor below zero enters, is larger still.

    Returns
    -------
    slope, offset : (target row,)
        Sum and product of b at both ends of the chord.
    """
    low, high = root_on_arc(mixture[1], effect), root_on_arc(mixture[0], effect)
    return low + high, low * high


def tangent_lines(evidence: Evidence, tangent: Array) -> tuple[Array, Array]:
    """Replace a + b^2 <= most, convex, by its tangent a + 2 t b <= most + t^2: weaker for every t.

    Returns
    -------
    slope, right : (limited row,)
        2 t, and the right side.
    """
    return 2.0 * tangent, evidence.most + tangent * tangent


def heaviest(evidence: Evidence) -> Array:
    """Find the weight of each spot with which it alone reaches one of the limits; infinite if none."""
    found = np.full(evidence.linear.shape[1], np.inf)
    limited = (evidence.linear[evidence.targets :], evidence.root[evidence.targets :], evidence.most)
    with np.errstate(divide="ignore"):
        for linear, root, limit in zip(*limited, strict=True):
            most = limit * (1.0 + 3.0 * ROUNDING)
            below = linear + np.sqrt(linear * linear + 4.0 * most * (root * root))
            np.minimum(found, 2.0 * most / below, out=found)
    return found


def row_effects(evidence: Evidence, weight: Array) -> Array:
    """Compute the effect per fraction of every row for given weights [1e6 ions]."""
    root = evidence.root @ weight
    return np.asarray(evidence.linear @ weight + root * root)
