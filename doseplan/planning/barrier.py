"""Newton's method on a barrier: the last GyE of the target minimum, which first-order steps do not reach.

Maximise t - s mean((1 - D)+^2) - r burden under D >= t in the target, D <= upper, t <= 1 and weights of at
least zero, with D in parts of the prescription. Where target and cord nearly touch, a few dozen samples
decide t, and they pull against each other along directions in which a penalty is thousands of times steeper
than along others; Newton's step takes all directions alike.

Every constraint keeps a distance to its bound, so each step is a plan within all of its limits. A step is
solved on a working set of samples, and all samples are looked at before it is taken: those that it would
bring near a bound join the working set while they are still inside.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from doseplan.planning.newton import Indices, newton_step
from doseplan.planning.point import Point, Setting, Watched
from doseplan.planning.problem import Array, Channels, influence_channels
from doseplan.planning.solver import Report
from doseplan.planning.way import TO_BOUND, Way, moved, reach_of_weights

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

ENOUGH, LEAST_STEPS = 0.005, 24
"""[1] the same sum at which a plan is good enough, about how far its objective is below the best nearby, and
steps taken in any case: the problem is not convex, and plans go on rising from where they lingered."""

CENTRED = 0.3
"""[1] a step of at least this length shows that the plan is near the central path, which is then followed."""

AGAIN, MOST_AGAIN = 0.3, 1
"""A step is solved again with samples that joined if they cut it to less than this part, and how often."""

FACTORS = np.cumprod(np.concatenate([np.ones(1), np.full(30_000, 0.999)]))
"""[1] by which weights are scaled down to be inside all limits: the first that is enough, down to 1e-13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """Result of the barrier.

    weight : (spot,) [1e6 ions]
    level : t [parts of the prescription], just below the target minimum
    gap : sum of all products of slack and multiplier [parts of the prescription]
    path : weight of the barrier
    below, above : (sample,) multipliers of D >= t and of D <= upper, zero outside the working set
    means : (mean,) multipliers of the limits of means
    spot : (spot,) multipliers of the scaled weights
    products : pairs of products with the working set's influence
    """

    weight: Array
    level: float
    gap: float
    path: float
    below: Array
    above: Array
    means: Array
    spot: Array
    products: int

    @property
    def chosen(self) -> Indices:
        """Give the numbers of the working set in the end, rising."""
        return np.flatnonzero(self.above > 0.0)


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
    setting = Setting(watched, chosen)
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
        means=point.means,
        spot=point.spot,
        products=products,
    )


def _begin(setting: Setting, weight: Array) -> tuple[Point, float]:
    """Go inside all constraints, on the central path of the level's own condition."""
    amount, channels = _inside(setting, weight, INSIDE)
    gye = setting.gye(channels)
    lowest = min(float(gye[setting.is_target].min()), 1.0)
    level = lowest - BELOW_GYE / setting.problem.prescription_gye
    mine = gye[setting.chosen[setting.working.target]]
    path = 1.0 / (float(np.sum(1.0 / (mine - level))) + 1.0 / (1.0 - level))
    point = Point(
        amount=amount,
        level=level,
        channels=channels,
        below=np.zeros(gye.size),
        above=np.zeros(gye.size),
        means=path / setting.left(channels),
        spot=path / amount,
    )
    return _joined(setting, point, path, setting.chosen), path


def _continued(setting: Setting, weight: Array, before: Raised) -> tuple[Point, float]:
    """Take up a plan with its multipliers, as far inside as samples need that were not seen before."""
    new = setting.chosen[before.above[setting.chosen] == 0.0]
    amount, channels = _inside(setting, weight, INSIDE_AGAIN)
    lowest = float(setting.gye(channels)[setting.is_target].min())
    path = max(before.path, RESUMED / setting.constraints())
    point = Point(
        amount=amount,
        level=before.level if lowest > before.level else lowest - (1.0 - INSIDE_AGAIN),
        channels=channels,
        below=before.below,
        above=before.above,
        means=before.means,
        spot=before.spot,
    )
    return _near_path(setting, _joined(setting, point, path, new), path), path


def _inside(setting: Setting, weight: Array, part: float) -> tuple[Array, Channels]:
    """Scale weights down until all samples are below this part of their limits."""
    reached = setting.scale > 0.0
    amount = np.where(reached, weight / np.where(reached, setting.scale, 1.0), 0.0)
    amount = np.maximum(amount, 1e-6 * amount.mean())
    linear, root = influence_channels(setting.problem, amount * setting.scale)

    def inside(factor: float) -> bool:
        channels = (factor * linear, factor * root)
        beyond = setting.gye(channels) > part * setting.upper
        return not (beyond.any() or (setting.left(channels) < (1.0 - part) * setting.most).any())

    factor = FACTORS[bisect_left(FACTORS, True, hi=FACTORS.size - 1, key=inside)]
    return factor * amount, (factor * linear, factor * root)


def _joined(setting: Setting, point: Point, path: float, numbers: Indices) -> Point:
    """Give samples the multipliers of the central path."""
    over, room = setting.slacks(point.channels, point.level)
    below, above = point.below.copy(), point.above.copy()
    below[numbers] = np.where(setting.is_target[numbers], path / over[numbers], 0.0)
    above[numbers] = path / room[numbers]
    return replace(point, below=below, above=above)


def _near_path(setting: Setting, point: Point, path: float) -> Point:
    """Hold the multipliers near those of the central path, so that no constraint is forgotten."""
    over, room = setting.slacks(point.channels, point.level)
    chosen = setting.chosen
    below, above = np.zeros_like(point.below), np.zeros_like(point.above)
    below[chosen] = _beside(point.below[chosen], path / over[chosen])
    above[chosen] = _beside(point.above[chosen], path / room[chosen])
    return replace(
        point,
        below=below,
        above=above,
        means=_beside(point.means, path / setting.left(point.channels)),
        spot=_beside(point.spot, path / point.amount),
    )


def _beside(dual: Array, central: Array) -> Array:
    return np.clip(dual, central / BESIDE_PATH, central * BESIDE_PATH)


def _gap(setting: Setting, point: Point) -> float:
    over, room = setting.slacks(point.channels, point.level)
    held = point.below > 0.0
    return float(
        np.sum(point.below[held] * over[held])
        + np.sum(point.above * room)
        + np.sum(point.means * setting.left(point.channels))
        + np.sum(point.amount * point.spot)
    )


def _stepped(setting: Setting, point: Point, path: float) -> tuple[Point, float, int]:
    """Take a step as far as all samples allow, and let those join that it brings near a bound."""
    products, guess = 0, None
    for again in range(MOST_AGAIN + 1):
        view = setting.view(point, path)
        step = newton_step(view, setting.known, guess)
        products += step.products
        way = Way(setting, point, step)
        wished = way.length(setting.chosen, reach_of_weights(point, step))
        near = way.near(wished)
        length = way.length(np.arange(setting.upper.size), wished) if near.size > 0 else wished
        if again == MOST_AGAIN or length >= AGAIN * wished:
            break
        setting.choose(np.union1d(setting.chosen, near))
        point, guess = _joined(setting, point, path, near), step.solved
    point = moved(point, view, step, way.at(length), length)
    if near.size > 0:
        setting.choose(np.union1d(setting.chosen, near))
        point = _joined(setting, point, path, near)
    return point, length, products
