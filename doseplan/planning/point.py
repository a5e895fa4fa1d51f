"""Where the barrier stands: a plan inside all constraints, with multipliers, seen on a working set."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from doseplan.planning.newton import Indices, Rows, View, Written
from doseplan.planning.problem import (
    Array,
    Channels,
    Problem,
    column_scale,
    gather,
    rbe_dose,
    rbe_slopes,
)
from doseplan.planning.solver import burden_of

FOR_SHORTFALL = 0.01
"""[1] part of the prescription that the target minimum, which comes first, gives at most for a smaller mean
squared shortfall f: this, divided by f, is the weight s of f, and what t gives is at most s f."""

LEAST_SHORTFALL = 5e-4
"""[1] f below which its weight does not rise any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A limit of a mean dose.

    share : (sample,) part of the mean that each of all samples has; they add up to 1
    upper : [Gy(RBE)]
    """

    share: Array
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """All samples that a plan answers for, and how a working set of them is seen.

    Attributes
    ----------
    problem
        Of all samples.
    part
        Gives the problem of some of them, numbers in rising order.
    rows
        Writes out the influence of some.
    worst
        Of numbers and how bad they are, chooses those that join.
    means
        Limits of mean doses.
    """

    problem: Problem
    part: Callable[[Indices], Problem]
    rows: Rows
    worst: Callable[[Indices, Array], Indices]
    means: tuple[Mean, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A plan inside all constraints, in scaled weights, with multipliers.

    amount, spot : (spot,) scaled weights and their multipliers
    level : t
    channels : both channels in all samples
    below, above : (sample,) multipliers of D >= t and D <= upper, zero outside the working set
    means : (mean,) multipliers of the limits of means
    """

    amount: Array
    level: float
    channels: Channels
    below: Array
    above: Array
    means: Array
    spot: Array


class Setting:
    """What the steps have in common, and the working set, which grows."""

    def __init__(self, watched: Watched, chosen: Indices) -> None:
        problem = watched.problem
        self.watched, self.problem = watched, problem
        self.scale = column_scale(problem)
        self.burden = burden_of(problem, self.scale)
        # a finite number, far above any dose, for no limit
        self.upper = np.minimum(problem.upper / problem.prescription_gye, 1e3)
        self.is_target = np.zeros(problem.upper.size, np.bool_)
        self.is_target[problem.target] = True
        self.share = np.array([mean.share for mean in watched.means]).reshape(-1, problem.upper.size)
        self.most = np.array([mean.upper for mean in watched.means]) / problem.prescription_gye
        self.known = Written(watched.rows)
        self.choose(chosen)

    def choose(self, chosen: Indices) -> None:
        """Take another working set."""
        self.chosen, self.working = chosen, self.watched.part(chosen)

    def gye(self, channels: Channels) -> Array:
        """Compute D of all samples in parts of the prescription."""
        return rbe_dose(self.problem, channels) / self.problem.prescription_gye

    def slacks(self, channels: Channels, level: float) -> tuple[Array, Array]:
        """Compute how far samples are above the level, if they are of the target, and below their bound."""
        gye = self.gye(channels)
        return np.where(self.is_target, gye - level, np.inf), self.upper - gye

    def left(self, channels: Channels) -> Array:
        """Compute how far means are below their limits."""
        if self.most.size == 0:
            return self.most
        return np.asarray(self.most - np.sum(self.share * self.gye(channels), axis=1))

    def pull(self, channels: Channels) -> Array:
        """Differentiate the means by scaled weights: (mean, spot)."""
        if self.most.size == 0:
            return np.empty((0, self.scale.size))
        slopes = rbe_slopes(self.problem, channels)
        found = [gather(self.problem, *(share * slope for slope in slopes)) for share in self.share]
        return np.array(found) * (self.scale / self.problem.prescription_gye)

    def constraints(self) -> int:
        """Count those of the working set."""
        return int(self.chosen.size + self.working.target.size + self.scale.size + self.most.size)

    def view(self, point: Point, path: float) -> View:
        """See a plan on the working set."""
        linear, root = (channel[:, self.chosen] for channel in point.channels)
        gye = rbe_dose(self.working, (linear, root)) / self.problem.prescription_gye
        by_linear, by_root = rbe_slopes(self.working, (linear, root))
        target = self.working.target
        shortfall = float(np.mean(np.maximum(0.0, 1.0 - gye[target]) ** 2))
        return View(
            problem=self.working,
            number=self.chosen,
            scale=self.scale,
            burden=self.burden,
            share=FOR_SHORTFALL / max(shortfall, LEAST_SHORTFALL) / target.size,
            amount=point.amount,
            spot=point.spot,
            level=point.level,
            path=path,
            gye=gye,
            slopes=(by_linear / self.problem.prescription_gye, by_root / self.problem.prescription_gye),
            over=gye[target] - point.level,
            room=self.upper[self.chosen] - gye,
            below=point.below[self.chosen[target]],
            above=point.above[self.chosen],
            pull=self.pull(point.channels),
            left=self.left(point.channels),
            means=point.means,
        )
