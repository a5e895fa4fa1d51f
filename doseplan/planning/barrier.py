"""Newton's method on a barrier: the last GyE of the target minimum, which first-order steps do not reach.

Maximise t - s mean((1 - D)+^2) - r burden under D >= t in the target, D <= upper, t <= 1 and weights of at
least zero, with D in parts of the prescription. Where target and cord nearly touch, a few dozen samples
decide t, and they pull against each other along directions in which a penalty is thousands of times steeper
than along others; Newton's step takes all directions alike.

Every constraint keeps a distance to its bound, so each step is a plan within all of its limits. A step is
solved on a working set of samples, and all samples are looked at before it is taken: those that it would
bring near a bound join the working set while they are still inside.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from doseplan.planning.newton import Indices, Rows, Step, View, Written, newton_step
from doseplan.planning.problem import (
    Array,
    Channels,
    Problem,
    column_scale,
    influence_channels,
    rbe_dose,
    rbe_slopes,
)
from doseplan.planning.solver import Report, burden_of

FOR_SHORTFALL = 0.01
"""[1] part of the prescription that the target minimum, which comes first, gives at most for a smaller mean
squared shortfall f: this, divided by f, is the weight s of f, and what t gives is at most s f."""

LEAST_SHORTFALL = 5e-4
"""[1] f below which its weight does not rise any more."""

TO_BOUND = 0.9
"""[1] part of the way to its bound that a constraint may go in a step."""

BESIDE_PATH = 30.0
"""[1] factor by which a multiplier may differ from the one of the central path at the same plan."""

INSIDE, INSIDE_AGAIN = 0.97, 0.999
"""[1] part of every limit that the first plan is scaled down to, and a plan that goes on."""

RESUMED = 0.03
"""[1] sum of all products of slack and multiplier with which a plan goes on, in parts of the prescription."""

BELOW_GYE = 2.0
"""[Gy(RBE)] t begins this far below the first plan's target minimum."""

NEAREST = 3e-3
"""[1] sum of all products of slack and multiplier at which the barrier stays [parts of the prescription]."""

ENOUGH, LEAST_STEPS = 0.01, 24
"""[1] the same sum at which a plan is good enough, about how far its objective is below the best nearby, and
steps taken in any case: the problem is not convex, and plans go on rising from where they lingered."""

NEAR_GYE = 0.5
"""[Gy(RBE)] samples that a step brings this near to a bound join the working set."""

CENTRED = 0.3
"""[1] a step of at least this length shows that the plan is near the central path, which is then followed."""

AGAIN, MOST_AGAIN = 0.3, 1
"""A step is solved again with samples that joined if they cut it to less than this part, and how often."""

MOST_CUTS = 200
"""Times that a step is cut by a tenth before it is given up."""


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
    """

    problem: Problem
    part: Callable[[Indices], Problem]
    rows: Rows
    worst: Callable[[Indices, Array], Indices]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """Result of the barrier.

    weight : (spot,) [1e6 ions]
    level : t [parts of the prescription], just below the target minimum
    gap : sum of all products of slack and multiplier [parts of the prescription]
    path : weight of the barrier
    below, above : (sample,) multipliers of D >= t and of D <= upper, zero outside the working set
    spot : (spot,) multipliers of the scaled weights
    products : pairs of products with the working set's influence
    """

    weight: Array
    level: float
    gap: float
    path: float
    below: Array
    above: Array
    spot: Array
    products: int

    @property
    def chosen(self) -> Indices:
        """Give the numbers of the working set in the end, rising."""
        return np.flatnonzero(self.above > 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A plan inside all constraints, in scaled weights, with multipliers.

    amount, spot : (spot,) scaled weights and their multipliers
    level : t
    channels : both channels in all samples
    below, above : (sample,) multipliers of D >= t and D <= upper, zero outside the working set
    """

    amount: Array
    level: float
    channels: Channels
    below: Array
    above: Array
    spot: Array


class _Setting:
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

    def constraints(self) -> int:
        """Count those of the working set."""
        return int(self.chosen.size + self.working.target.size + self.scale.size)

    def view(self, point: _Point, path: float) -> View:
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
        )


def raise_minimum(
    watched: Watched,
    chosen: Indices,
    weight: Array,
    *,
    steps: int,
    before: Raised | None = None,
    report: Report,
) -> Raised:
    """Raise the target minimum of a plan by Newton steps that all keep the limits.

    Parameters
    ----------
    chosen
        Numbers of the first working set, rising.
    weight : (spot,) [1e6 ions]
        Of a plan; it is scaled down until it is inside the limits.
    steps
        At most; fewer if the plan is good `ENOUGH` before, but not fewer than `LEAST_STEPS`.
    before
        Where steps before ended, with multipliers of these samples, zero for those that are new; the plan
        is close to a good one then.

    Returns
    -------
    Raised
    """
    setting = _Setting(watched, chosen)
    products = 0
    with threadpool_limits(1, user_api="blas"):
        point, path = _begin(setting, weight) if before is None else _continued(setting, weight, before)
        gap = _gap(setting, point)
        for number in range(steps):
            point, length, used = _stepped(setting, point, path)
            products += used
            if length > CENTRED:
                path = max(path * max(0.2, 1.0 - TO_BOUND * length), NEAREST / setting.constraints())
            point = _near_path(setting, point, path)
            gap = _gap(setting, point)
            report(point.level * watched.problem.prescription_gye)
            if gap < ENOUGH and number + 1 >= LEAST_STEPS:
                break
    return Raised(
        weight=point.amount * setting.scale,
        level=point.level,
        gap=gap,
        path=path,
        below=point.below,
        above=point.above,
        spot=point.spot,
        products=products,
    )


def _begin(setting: _Setting, weight: Array) -> tuple[_Point, float]:
    """Go inside all constraints, on the central path of the level's own condition."""
    amount, channels = _inside(setting, weight, INSIDE)
    gye = setting.gye(channels)
    lowest = min(float(gye[setting.is_target].min()), 1.0)
    level = lowest - BELOW_GYE / setting.problem.prescription_gye
    mine = gye[setting.chosen[setting.working.target]]
    path = 1.0 / (float(np.sum(1.0 / (mine - level))) + 1.0 / (1.0 - level))
    point = _Point(
        amount=amount,
        level=level,
        channels=channels,
        below=np.zeros(gye.size),
        above=np.zeros(gye.size),
        spot=path / amount,
    )
    return _joined(setting, point, path, setting.chosen), path


def _continued(setting: _Setting, weight: Array, before: Raised) -> tuple[_Point, float]:
    """Take up a plan with its multipliers, as far inside as samples need that were not seen before."""
    new = setting.chosen[before.above[setting.chosen] == 0.0]
    amount, channels = _inside(setting, weight, INSIDE_AGAIN if new.size > 0 else 1.0)
    lowest = float(setting.gye(channels)[setting.is_target].min())
    path = max(before.path, RESUMED / setting.constraints())
    point = _Point(
        amount=amount,
        level=before.level if lowest > before.level else lowest - (1.0 - INSIDE_AGAIN),
        channels=channels,
        below=before.below,
        above=before.above,
        spot=before.spot,
    )
    return _near_path(setting, _joined(setting, point, path, new), path), path


def _inside(setting: _Setting, weight: Array, part: float) -> tuple[Array, Channels]:
    """Scale weights down until all samples are below this part of their limits."""
    reached = setting.scale > 0.0
    amount = np.where(reached, weight / np.where(reached, setting.scale, 1.0), 0.0)
    amount = np.maximum(amount, 1e-6 * amount.mean())
    linear, root = influence_channels(setting.problem, amount * setting.scale)
    factor = 1.0
    while (setting.gye((factor * linear, factor * root)) > part * setting.upper).any():
        factor *= 0.999
    return factor * amount, (factor * linear, factor * root)


def _joined(setting: _Setting, point: _Point, path: float, numbers: Indices) -> _Point:
    """Give samples the multipliers of the central path."""
    over, room = setting.slacks(point.channels, point.level)
    below, above = point.below.copy(), point.above.copy()
    below[numbers] = np.where(setting.is_target[numbers], path / over[numbers], 0.0)
    above[numbers] = path / room[numbers]
    return replace(point, below=below, above=above)


def _near_path(setting: _Setting, point: _Point, path: float) -> _Point:
    """Hold the multipliers near those of the central path, so that no constraint is forgotten."""
    over, room = setting.slacks(point.channels, point.level)
    chosen = setting.chosen
    below, above = np.zeros_like(point.below), np.zeros_like(point.above)
    below[chosen] = _beside(point.below[chosen], path / over[chosen])
    above[chosen] = _beside(point.above[chosen], path / room[chosen])
    return replace(point, below=below, above=above, spot=_beside(point.spot, path / point.amount))


def _beside(dual: Array, central: Array) -> Array:
    return np.clip(dual, central / BESIDE_PATH, central * BESIDE_PATH)


def _gap(setting: _Setting, point: _Point) -> float:
    over, room = setting.slacks(point.channels, point.level)
    held = point.below > 0.0
    return float(
        np.sum(point.below[held] * over[held])
        + np.sum(point.above * room)
        + np.sum(point.amount * point.spot)
    )


def _stepped(setting: _Setting, point: _Point, path: float) -> tuple[_Point, float, int]:
    """Take a step as far as all samples allow, and let those join that it brings near a bound."""
    products, guess = 0, None
    for again in range(MOST_AGAIN + 1):
        view = setting.view(point, path)
        step = newton_step(view, setting.known, guess)
        products += step.products
        way = _Way(setting, point, step)
        wished = way.length(setting.chosen, _reach_of_weights(point, step))
        near = way.near(wished)
        length = way.length(np.arange(setting.upper.size), wished) if near.size > 0 else wished
        if again == MOST_AGAIN or length >= AGAIN * wished:
            break
        setting.choose(np.union1d(setting.chosen, near))
        point, guess = _joined(setting, point, path, near), step.solved
    point = _moved(point, view, step, way.at(length), length)
    if near.size > 0:
        setting.choose(np.union1d(setting.chosen, near))
        point = _joined(setting, point, path, near)
    return point, length, products


class _Way:
    """Where a step leads, seen on all samples."""

    def __init__(self, setting: _Setting, point: _Point, step: Step) -> None:
        self.setting, self.point, self.step = setting, point, step
        self.move = influence_channels(setting.problem, step.move * setting.scale)
        self.before = setting.slacks(point.channels, point.level)

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
            if all(
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


def _reach_of_weights(point: _Point, step: Step) -> float:
    length = min(1.0, _reach(point.amount, step.move))
    if step.level_move > 0.0:
        length = min(length, TO_BOUND * (1.0 - point.level) / step.level_move)
    return length


def _moved(point: _Point, view: View, step: Step, channels: Channels, length: float) -> _Point:
    """Go along a step; multipliers go their own way."""
    duals = (view.below, view.above, point.spot)
    slacks = (view.over, view.room, point.amount)
    changes = (step.change[view.problem.target] - step.level_move, -step.change, step.move)
    moves = tuple(
        (view.path - dual * slack - dual * turn) / slack
        for dual, slack, turn in zip(duals, slacks, changes, strict=True)
    )
    part = min(1.0, *(_reach(dual, turn) for dual, turn in zip(duals, moves, strict=True)))
    below, above = point.below.copy(), point.above.copy()
    below[view.number[view.problem.target]] += part * moves[0]
    above[view.number] += part * moves[1]
    return _Point(
        amount=point.amount + length * step.move,
        level=point.level + length * step.level_move,
        channels=channels,
        below=below,
        above=above,
        spot=point.spot + part * moves[2],
    )


def _reach(values: Array, move: Array) -> float:
    """Find how far positive values may go, which keep a part of themselves."""
    fastest = float(np.max(np.where(values > 0.0, -move / np.where(values > 0.0, values, 1.0), 0.0)))
    return TO_BOUND / fastest if fastest > 0.0 else 1.0
