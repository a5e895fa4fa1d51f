"""One Newton step on the barrier: conjugate gradients on the influence, the heaviest rows factorised before.

The system (Z / X + J' W J) d = g has a row of J for each sample; a few hundred of them carry nearly all of W.
These are written out and inverted by Woodbury's formula; the products with the influence do the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from doseplan.planning.blocks import Blocks
from doseplan.planning.problem import Channels, Problem, gather, influence_channels
from doseplan.planning.solver import BURDEN_SHARE

Array = NDArray[np.float64]
Singles = NDArray[np.float32]
Indices = NDArray[np.int64]
Rows = Callable[[Indices], Channels]
"""Gives both channels of some samples, written out: (row, spot), total over the course."""

WRITTEN_OUT = 600
"""Most rows in the preconditioner."""

STEPS_OF_CG = 25
"""Most steps of conjugate gradients for one Newton step."""

RESIDUAL = 0.03
"""[1] part of the residual that is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A plan as a step sees it: on the samples of the working set, in parts of the prescription.

    Attributes
    ----------
    problem
        Of the working set.
    number : (sample,)
        Of its samples among all.
    scale, burden, amount, spot : (spot,)
        What one unit of scaled weight is, its burden, scaled weights and their multipliers.
    share
        Of the squared shortfall of a target sample in the objective.
    level
        Target minimum that is held on to.
    path
        Weight of the barrier.
    gye, room, above : (sample,)
        Dose, distance to the upper bound, and its multiplier.
    over, below : (target sample,)
        Distance to the level, and its multiplier.
    pull : (mean, spot)
        Derivatives of the limited mean doses by scaled weights.
    left, means : (mean,)
        Distance of each to its limit, and its multiplier.
    slopes
        Derivatives of the dose by both channels, (course, sample) each.
    """

    problem: Problem
    number: Indices
    scale: Array
    burden: Array
    share: float
    amount: Array
    spot: Array
    level: float
    path: float
    gye: Array
    slopes: Channels
    over: Array
    room: Array
    below: Array
    above: Array
    pull: Array
    left: Array
    means: Array

    def change(self, move: Array) -> Array:
        """Compute to first order what a move of scaled weights changes in the dose."""
        linear, root = influence_channels(self.problem, move * self.scale)
        return np.asarray(np.sum(self.slopes[0] * linear + self.slopes[1] * root, axis=0))

    def back(self, by_dose: Array) -> Array:
        """Carry derivatives by the dose over to scaled weights."""
        return self.scale * gather(self.problem, by_dose * self.slopes[0], by_dose * self.slopes[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A Newton step.

    move, level_move : of scaled weights, (spot,), and of the level
    change : (sample,) of the dose, to first order
    solved : (spot,) solution of the scaled system
    products : pairs of products that it took
    """

    move: Array
    level_move: float
    change: Array
    solved: Array
    products: int


def newton_step(view: View, known: "Written", guess: Array | None = None) -> Step:
    """Find the step of scaled weights and level.

    Parameters
    ----------
    guess : (spot,)
        `solved` of a similar step.
    """
    target = view.problem.target
    cap = 1.0 - view.level
    short = np.maximum(0.0, 1.0 - view.gye[target])
    by_dose = view.path / view.room
    by_dose[target] -= view.path / view.over + 2.0 * view.share * short
    downhill = view.path / view.amount - view.back(by_dose) - BURDEN_SHARE * view.burden
    downhill -= _weighted(view.path / view.left, view.pull)
    level_downhill = 1.0 - float(np.sum(view.path / view.over)) - view.path / cap
    stiff_below = np.zeros(view.gye.size)
    stiff_below[target] = view.below / view.over
    stiff = view.above / view.room + stiff_below
    stiff[target] += 2.0 * view.share * (short > 0.0)
    stiff_level = float(np.sum(stiff_below)) + view.path / cap**2
    stiff_means = view.means / view.left
    root = np.sqrt(view.amount / view.spot)

    # the level is eliminated: it follows the mean of the samples that hold it
    def apply(scaled: Array) -> Array:
        change = view.change(root * scaled)
        pull = stiff * change - stiff_below * (float(np.sum(stiff_below * change)) / stiff_level)
        of_means = stiff_means * np.sum(view.pull * (root * scaled), axis=1)
        return scaled + root * (view.back(pull) + _weighted(of_means, view.pull))

    right = root * (downhill + view.back(stiff_below * (level_downhill / stiff_level)))
    precondition = known.preconditioner(view, root, stiff, stiff_below, stiff_level)
    solved, used = _conjugate_gradients(apply, right, precondition, guess)
    move = root * solved
    change = view.change(move)
    return Step(
        move=move,
        level_move=(level_downhill + float(np.sum(stiff_below * change))) / stiff_level,
        change=change,
        solved=solved,
        products=used + 2,
    )


def _weighted(share: Array, rows: Array) -> Array:
    return np.asarray(np.sum(share[:, np.newaxis] * rows, axis=0))


def _conjugate_gradients(
    apply: Callable[[Array], Array],
    right: Array,
    precondition: Callable[[Array], Array],
    guess: Array | None,
) -> tuple[Array, int]:
    """Solve a positive definite system as far as `RESIDUAL`."""
    way = precondition(right)
    enough = RESIDUAL**2 * float(np.sum(right * way))
    found, left, used = np.zeros_like(right), right, 0
    if guess is not None:
        found, left, used = guess, right - apply(guess), 1
        way = precondition(left)
    size = float(np.sum(left * way))
    while size > enough and used < STEPS_OF_CG:
        image = apply(way)
        part = size / float(np.sum(way * image))
        found, left = found + part * way, left - part * image
        fine = precondition(left)
        before, size = size, float(np.sum(left * fine))
        way = fine + (size / before) * way
        used += 1
    return found, used


class Written:
    """Rows that were written out in float32, so that a row is computed once."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.number = np.empty(0, np.int64)
        self.there: tuple[Singles, Singles] = (np.empty((0, 0), np.float32), np.empty((0, 0), np.float32))

    def get(self, chosen: Indices) -> tuple[Singles, Singles]:
        """Give the rows of some samples, rising; those that are not asked for any more are forgotten."""
        known = np.isin(chosen, self.number)
        place = np.searchsorted(self.number, chosen[known])
        new = self.rows(chosen[~known]) if not known.all() else None
        found = []
        for part in (0, 1):
            width = self.there[part].shape[1] if new is None else new[part].shape[1]
            out = np.empty((chosen.size, width), np.float32)
            if known.any():
                out[known] = self.there[part][place]
            if new is not None:
                out[~known] = new[part]
            found.append(out)
        self.number, self.there = chosen, (found[0], found[1])
        return self.there

    def preconditioner(
        self, view: View, root: Array, stiff: Array, stiff_below: Array, stiff_level: float
    ) -> Callable[[Array], Array]:
        """Invert the system with only the rows that weigh most, by Woodbury's formula in float64."""
        # a sample's row is about as long as its dose is high
        weighty = np.argsort(-stiff * view.gye * view.gye, kind="stable")[:WRITTEN_OUT]
        chosen = np.sort(weighty[stiff[weighty] > 0.0])
        linear, other = self.get(view.number[chosen])
        size = np.sqrt(stiff[chosen])
        slopes = [(slope[:, chosen] * size).T for slope in view.slopes]
        scaled = view.scale * root

        def made(columns: slice) -> Array:
            by_linear, by_root = (slope[:, view.problem.course[columns]] for slope in slopes)
            by_linear *= linear[:, columns]
            by_root *= other[:, columns]
            by_linear += by_root
            by_linear *= scaled[columns]
            return by_linear

        held = stiff_below[chosen] / size
        blocks = Blocks(made, root.size)
        normal = blocks.gram()
        normal[np.diag_indices(chosen.size)] += 1.0
        rest = stiff_level - float(np.sum(held * held))
        normal += np.outer(held, held) / max(rest, 1e-12 * float(np.sum(stiff_below)))
        factor = cho_factor(normal, lower=True, check_finite=False, overwrite_a=True)

        def precondition(left: Array) -> Array:
            return left - blocks.back(cho_solve(factor, blocks.times(left), check_finite=False))

        return precondition
