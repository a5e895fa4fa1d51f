"""The proof checker: from influence, limits and multipliers to "no plan reaches this level", or not.

It shares no code with the search. The argument, for weights w >= 0 that would give all target rows an effect
of E and keep all limits. Per fraction a = A w, b = B w; e = a + b^2.

1.  Every stored entry is right within a relative error d, so the stored channels of w give the target rows
    at least E (1 - d)^2 and the limited rows at most (1 + d)^2 times their limit.
2.  A cut says that the mixture a / b of a target row is at least, or at most, a ratio. One step after
    another refutes one side of a cut, so that the other holds. The leaves' paths split what is left into
    "at least" and "at most", and again; w lies in one of the leaves. Each refutes a level of its own; no
    plan gives all target rows the highest of them.
3.  There each target row's mixture lies between two rays (of its spots, and of cuts of the path). Where
    they meet the arc a + b^2 = E, at b1 <= b2, a + (b1 + b2) b = E + b1 b2; that is the chord. The arc is
    concave, so a point of effect E between the rays lies on or beyond the chord; of a larger effect, further
    out on its ray. Hence a + (b1 + b2) b - b1 b2 - E >= 0.
4.  A limit a + b^2 <= M gives M + t^2 - a - 2 t b >= 0 for any t, since (b - t)^2 >= 0.
5.  So the sum of these left sides times multipliers >= 0, with those of the cuts, is >= 0. It is a constant
    plus sum_i v_i w_i, and w_i <= u_i, the weight with which spot i alone reaches a limit. If the constant
    plus sum_i max(0, v_i) u_i < 0, there is no such w. Sums are taken with an allowance for rounding.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.evidence import Evidence
from doseplan.planning.relaxation import Leaf, Path, Proof

Array = NDArray[np.float64]

ENTRY_ERROR = 1e-6
"""[1] relative error of a stored entry, far too large: float32 rounds by 6e-8, the two kernels by 1e-14."""

SUM_ERROR = 1e-12
"""[1] of the sum of magnitudes: what float64 sums of up to 4000 rows, or of spots by pairs, may be off."""

LEAST_ENTRY = 1e-25
"""[1 per 1e6 ions] of each spot's largest limited entry; below, float32 would no longer be relative."""

TOGETHER = 32
"""Leaves whose sums are taken beside each other: they share the way of the influence through the memory."""


def holds(proof: Proof, evidence: Evidence) -> bool:
    """Tell whether the proof shows that no plan reaches its level."""
    parts = (*proof.steps, *proof.leaves)
    levels = all(leaf.level_gye <= proof.level_gye for leaf in parts)
    rows = all(
        0 <= cut.row < evidence.targets and np.isfinite(cut.ratio) for leaf in parts for cut in leaf.path
    )
    if not (levels and rows):
        return False
    known: Path = ()
    for step in proof.steps:
        presumed = len(step.path) - 1
        if presumed < 0 or step.path[:-1] != known[:presumed]:
            return False
        known = (*known, replace(step.path[-1], at_least=not step.path[-1].at_least))
    if any(leaf.path[: len(known)] != known for leaf in proof.leaves):
        return False
    left = tuple(leaf.path[len(known) :] for leaf in proof.leaves)
    return all_mixtures(left) and bool(np.all(sums(parts, evidence) < 0.0))


def sums(leaves: Sequence[Leaf], evidence: Evidence) -> Array:
    """Compute each leaf's sum [effect per fraction]; below zero it refutes its level on its path.

    Infinite where something is not as it must be.
    """
    linear, root = evidence.linear, evidence.root
    none = np.full(len(leaves), np.inf)
    if not (_proper(linear) and _proper(root) and _proper(evidence.most)):
        return none
    if float(root[evidence.targets :].max(axis=0).min()) < LEAST_ENTRY:
        return none
    most = evidence.most * (1.0 + 3.0 * ENTRY_ERROR)
    alone_linear, alone_root = linear[evidence.targets :], root[evidence.targets :]
    below = alone_linear + np.sqrt(alone_linear**2 + 4.0 * alone_root**2 * most[:, np.newaxis])
    with np.errstate(divide="ignore"):
        heaviest = (2.0 * most[:, np.newaxis] / below).min(axis=0) * (1.0 + SUM_ERROR)
    rays = _rays(evidence)
    out = none
    for first in range(0, len(leaves), TOGETHER):
        part = slice(first, first + TOGETHER)
        out[part] = _leaf_sums(leaves[part], evidence, (most, heaviest, rays))
    return out


def all_mixtures(paths: Sequence[Path]) -> bool:
    """Tell whether paths are the leaves of a tree of splits, so that they leave no mixture out."""
    if len(paths) == 1:
        return len(paths[0]) == 0
    if any(len(path) == 0 for path in paths) or len(paths) == 0:
        return False
    first = paths[0][0]
    if any((path[0].row, path[0].ratio) != (first.row, first.ratio) for path in paths):
        return False
    sides = [[path[1:] for path in paths if path[0].at_least == side] for side in (True, False)]
    return all(all_mixtures(side) for side in sides)


def _leaf_sums(
    leaves: Sequence[Leaf], evidence: Evidence, known: tuple[Array, Array, tuple[Array, Array]]
) -> Array:
    """Add up step 5 for some leaves, from above."""
    most, heaviest, rays = known
    written = [_written(leaf, evidence, most, rays) for leaf in leaves]
    fit = np.array([each is not None for each in written])
    out = np.full(len(leaves), np.inf)
    if not fit.any():
        return out
    factors = np.stack([each[0] for each in written if each is not None], axis=1)
    allowed, against = np.array([each[1:] for each in written if each is not None]).T
    value = factors[0] @ evidence.linear + factors[1] @ evidence.root
    size = factors[2] @ evidence.linear + factors[3] @ evidence.root
    spots = np.sum(np.maximum(value + SUM_ERROR * size, 0.0) * heaviest, axis=1)
    out[fit] = allowed + spots - against + SUM_ERROR * (allowed + spots + against)
    return out


def _written(
    leaf: Leaf, evidence: Evidence, most: Array, rays: tuple[Array, Array]
) -> tuple[Array, float, float] | None:
    """Write the sum of a leaf out: None if something is not as it must be.

    Returns
    -------
    (4, row)
        Factors of the linear and the root channel, and the same with all terms counted as positive.
    float, float
        What limits allow, and what the level asks for.
    """
    effect = evidence.effect(leaf.level_gye) * (1.0 - 3.0 * ENTRY_ERROR)
    if not (effect > 0.0 and leaf.chords >= 0):
        return None
    shapes = (leaf.target.size, leaf.limit.size, leaf.tangent.size, leaf.cut.size)
    if shapes != (evidence.targets, most.size, most.size, len(leaf.path)):
        return None
    if not all(_proper(each) for each in (leaf.target, leaf.limit, leaf.tangent, leaf.cut)):
        return None
    ends = _ends(leaf.path[: leaf.chords], rays, effect)
    of_linear = np.concatenate([leaf.target, -leaf.limit])
    of_root = np.concatenate([leaf.target * (ends[0] + ends[1]), -2.0 * leaf.limit * leaf.tangent])
    size_linear, size_root = np.abs(of_linear), np.abs(of_root)
    for cut, multiplier in zip(leaf.path, leaf.cut, strict=True):
        sign = 1.0 if cut.at_least else -1.0
        of_linear[cut.row] += sign * multiplier
        of_root[cut.row] -= sign * multiplier * cut.ratio
        size_linear[cut.row] += multiplier
        size_root[cut.row] += multiplier * abs(cut.ratio)
    against = float(np.sum(leaf.target * (effect + ends[0] * ends[1])))
    allowed = float(np.sum(leaf.limit * (most + leaf.tangent**2)))
    return np.stack([of_linear, of_root, size_linear, size_root]), allowed, against


def _rays(evidence: Evidence) -> tuple[Array, Array]:
    """Find the least and the largest a / b that a spot gives to each target row."""
    linear, root = evidence.linear[: evidence.targets], evidence.root[: evidence.targets]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = linear / root
    none = np.isnan(ratio)
    return np.where(none, np.inf, ratio).min(axis=1), np.where(none, 0.0, ratio).max(axis=1)


def _ends(path: Path, rays: tuple[Array, Array], effect: float) -> tuple[Array, Array]:
    """Find b at both ends of every target row's chord; the rays are taken a little too far apart."""
    lowest, highest = rays[0].copy(), rays[1].copy()
    for cut in path:
        if cut.at_least:
            lowest[cut.row] = max(lowest[cut.row], cut.ratio)
        else:
            highest[cut.row] = min(highest[cut.row], cut.ratio)
    lowest, highest = lowest * (1.0 - SUM_ERROR), highest * (1.0 + SUM_ERROR)
    near = 2.0 * effect / (highest + np.sqrt(highest**2 + 4.0 * effect))
    far = 2.0 * effect / (lowest + np.sqrt(lowest**2 + 4.0 * effect))
    return near, far


def _proper(values: Array) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0.0).all())
