"""How far a step of the barrier may go, and what it brings near a bound."""

import numpy as np

from doseplan.planning.newton import Indices, Step, View
from doseplan.planning.point import Point, Setting
from doseplan.planning.problem import Array, Channels, influence_channels

TO_BOUND = 0.9
"""[1] part of the way to its bound that a constraint may go in a step."""

NEAR_GYE = 0.5
"""[Gy(RBE)] samples that a step brings this near to a bound join the working set."""

MOST_CUTS = 200
"""Times that a step is cut by a tenth before it is given up."""


class Way:
    """Where a step leads, seen on all samples."""

    def __init__(self, setting: Setting, point: Point, step: Step) -> None:
        self.setting, self.point, self.step = setting, point, step
        self.move = influence_channels(setting.problem, step.move * setting.scale)
        self.before = setting.slacks(point.channels, point.level)
        self.left = setting.left(point.channels)

    def at(self, length: float) -> Channels:
        """Give the channels of all samples after a part of the step."""
        return (
            self.point.channels[0] + length * self.move[0],
            self.point.channels[1] + length * self.move[1],
        )

    def slacks(self, length: float) -> tuple[Array, Array]:
        """Compute the distances of all samples to their bounds after a part of the step."""
        return self.setting.slacks(self.at(length), self.point.level + length * self.step.level_move)

    def length(self, numbers: Indices, longest: float) -> float:
        """Find how long a step some samples allow, zero if they allow none."""
        length = longest
        for _ in range(MOST_CUTS):
            after = self.slacks(length)
            inside = (self.setting.left(self.at(length)) >= (1.0 - TO_BOUND) * self.left).all()
            if inside and all(
                (now[numbers] >= (1.0 - TO_BOUND) * then[numbers]).all()
                for now, then in zip(after, self.before, strict=True)
            ):
                return length
            length *= 0.9
        return 0.0

    def near(self, length: float) -> Indices:
        """Find samples outside the working set that come near a bound."""
        near = NEAR_GYE / self.setting.problem.prescription_gye
        after = np.minimum(*self.slacks(length))
        within = after < np.maximum(near, (1.0 - TO_BOUND) * np.minimum(*self.before))
        within[self.setting.chosen] = False
        found = np.flatnonzero(within)
        return self.setting.watched.worst(found, -after[found]) if found.size > 0 else found


def reach_of_weights(point: Point, step: Step) -> float:
    """Find how far weights and level may go, 1 at most."""
    length = min(1.0, _reach(point.amount, step.move))
    if step.level_move > 0.0:
        length = min(length, TO_BOUND * (1.0 - point.level) / step.level_move)
    return length


def moved(point: Point, view: View, step: Step, channels: Channels, length: float) -> Point:
    """Go along a step; multipliers go their own way."""
    duals = (view.below, view.above, view.means, point.spot)
    slacks = (view.over, view.room, view.left, point.amount)
    of_means = np.sum(view.pull * step.move, axis=1)
    changes = (step.change[view.problem.target] - step.level_move, -step.change, -of_means, step.move)
    moves = tuple(
        (view.path - dual * slack - dual * turn) / slack
        for dual, slack, turn in zip(duals, slacks, changes, strict=True)
    )
    part = min(1.0, *(_reach(dual, turn) for dual, turn in zip(duals, moves, strict=True)))
    below, above = point.below.copy(), point.above.copy()
    below[view.number[view.problem.target]] += part * moves[0]
    above[view.number] += part * moves[1]
    return Point(
        amount=point.amount + length * step.move,
        level=point.level + length * step.level_move,
        channels=channels,
        below=below,
        above=above,
        means=point.means + part * moves[2],
        spot=point.spot + part * moves[3],
    )


def _reach(values: Array, move: Array) -> float:
    """Find how far positive values may go, which keep a part of themselves."""
    fastest = float(
        np.max(np.where(values > 0.0, -move / np.where(values > 0.0, values, 1.0), 0.0), initial=0.0)
    )
    return TO_BOUND / fastest if fastest > 0.0 else 1.0
