"""Newton's method on a barrier: the last GyE of the target minimum, which first-order steps do not reach.

Maximise t - s mean((1 - D)+^2) - r burden under D >= t in the target, D <= upper, t <= 1 and weights of at
least zero, with D in parts of the prescription. Where target and cord nearly touch, a few dozen samples
decide t, and they pull against each other along directions in which a penalty is thousands of times steeper
than along others; Newton's step takes all directions alike.

Every constraint keeps a distance to its bound, so each step is a plan within all of its limits. A step solves
(Z / X + J' W J) d = g by conjugate gradients on the two products with the influence; the rows of J that weigh
most are written out and factorised (Woodbury) as the preconditioner.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from doseplan.planning.problem import (
    Channels,
    Problem,
    column_scale,
    gather,
    influence_channels,
    rbe_dose,
    rbe_slopes,
)
from doseplan.planning.solver import BURDEN_SHARE, Report, burden_of

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Rows = Callable[[Indices], Channels]
"""Gives both channels of some samples, written out: (row, spot), total over the course."""

SHORTFALL_SHARE = 0.2
"""[1] weight of the mean squared shortfall beside the target minimum, which comes first."""

HELD_SHARE = 10.0
"""[1] the same while the target minimum is held."""

WRITTEN_OUT = 600
"""Most rows in the preconditioner."""

STEPS_OF_CG = 25
"""Most steps of conjugate gradients for one Newton step."""

RESIDUAL = 0.03
"""[1] part of the residual that is left."""

TO_BOUND = 0.9
"""[1] part of the way to its bound that a constraint may go in a step."""

BESIDE_PATH = 10.0
"""[1] factor by which a multiplier may differ from the one of the central path at the same plan."""

INSIDE = 0.97
"""[1] part of every limit that the first plan is scaled down to."""

GIVING_WAY = 0.005
"""[1] level and limit give way by this much more than a sample that joins needs."""

AGAIN, NEAREST = 0.03, 3e-3
"""[1] sum of all products of slack and multiplier, in parts of the prescription: how far from the optimum a
plan may be by the barrier, when samples have joined, and in the end."""

PULL = 0.02
"""[1] multiplier with which a sample that joins begins; those of the target add up to 1."""

INSIDE_BY = 1e-7
"""[1] a sample is inside if it is so by more than the rounding of sums."""

BELOW_GYE = 2.0
"""[Gy(RBE)] t begins this far below the first plan's target minimum."""

MOST_CUTS = 200
"""Times that a step is cut by a tenth before it is given up."""

CENTRED = 0.3
"""[1] a step of at least this length shows that the plan is near the central path, which is then followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A plan inside all constraints, in scaled weights, with multipliers.

    amount : (spot,) scaled weights
    level : t
    channels : both channels in the samples
    below, above, spot : multipliers of D >= t, D <= upper, weight >= 0
    """

    amount: Array
    level: float
    channels: Channels
    below: Array
    above: Array
    spot: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """Result of the barrier.

    weight : (spot,) [1e6 ions]
    level : t [parts of the prescription], just below the target minimum
    path : weight of the barrier
    below, above, spot : multipliers of D >= t, of D <= upper, and of the scaled weights
    products : pairs of products used so far
    """

    weight: Array
    level: float
    path: float
    below: Array
    above: Array
    spot: Array
    products: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What the steps have in common.

    upper : (sample,) limits, above them for samples that are still led there
    excess : (sample,) how far above
    given : (target sample,) how far below the level a sample may be that is still led there
    """

    problem: Problem
    scale: Array
    upper: Array
    burden: Array
    share: float
    held: bool
    excess: Array
    given: Array

    def gye(self, channels: Channels) -> Array:
        """Compute D in parts of the prescription."""
        return rbe_dose(self.problem, channels) / self.problem.prescription_gye

    def slopes(self, channels: Channels) -> Channels:
        """Compute the derivatives of D by both channels."""
        by_linear, by_root = rbe_slopes(self.problem, channels)
        return by_linear / self.problem.prescription_gye, by_root / self.problem.prescription_gye

    def forward(self, amount: Array) -> Channels:
        """Compute both channels of scaled weights."""
        return influence_channels(self.problem, amount * self.scale)

    def change(self, move: Array, slopes: Channels) -> tuple[Channels, Array]:
        """Compute what a move of scaled weights changes in both channels, and to first order in D."""
        linear, root = self.forward(move)
        return (linear, root), np.sum(slopes[0] * linear + slopes[1] * root, axis=0)

    def back(self, by_dose: Array, slopes: Channels) -> Array:
        """Carry derivatives by D over to scaled weights."""
        return self.scale * gather(self.problem, by_dose * slopes[0], by_dose * slopes[1])


def raise_minimum(
    problem: Problem,
    weight: Array,
    rows: Rows,
    *,
    steps: int,
    before: Raised | None = None,
    held: bool = False,
    report: Report,
) -> Raised:
    """Raise the target minimum of a plan by Newton steps that all keep the limits.

    Parameters
    ----------
    weight : (spot,) [1e6 ions]
        Of a plan; it is scaled down until it is inside the limits.
    rows
        Writes out the influence of some samples.
    before
        Where steps before ended, with multipliers of this problem's samples, zero for those that joined. The
        plan then stays as it is: samples that joined and miss level or limit are led there step by step.
    held
        Keep the target minimum, and bring the rest of the target nearer to the prescription instead.

    Returns
    -------
    Raised
    """
    scale = column_scale(problem)
    setting = _Setting(
        problem=problem,
        scale=scale,
        # a finite number, far above any dose, for no limit
        upper=np.minimum(problem.upper / problem.prescription_gye, 1e3),
        burden=burden_of(problem, scale),
        share=(HELD_SHARE if held else SHORTFALL_SHARE) / problem.target.size,
        held=held,
        excess=np.zeros(problem.upper.size),
        given=np.zeros(problem.target.size),
    )
    known = _Written(rows)
    with threadpool_limits(1, user_api="blas"):
        if before is None:
            point, path = _begin(setting, weight)
        else:
            setting, point, path = _continued(setting, before)
        nearest = NEAREST / _constraints(problem)
        products = 1 if before is None else before.products
        for _ in range(steps):
            move, level_move, used = _newton(setting, point, path, known)
            setting, point, length = _moved(setting, point, path, move, level_move)
            products += used + 2
            if length > CENTRED:
                path = max(path * max(0.2, 1.0 - TO_BOUND * length), nearest)
            point = _near_path(setting, point, path)
            report(point.level * problem.prescription_gye)
    return Raised(
        weight=point.amount * scale,
        level=point.level,
        path=path,
        below=point.below,
        above=point.above,
        spot=point.spot,
        products=products,
    )


def _begin(setting: _Setting, weight: Array) -> tuple[_Point, float]:
    """Go inside all constraints, on the central path of the level's own condition."""
    target = setting.problem.target
    amount = _scaled(setting, weight)
    amount = np.maximum(amount, 1e-3 * amount.mean())
    amount = amount * _inside(setting, setting.forward(amount))
    channels = setting.forward(amount)
    gye = setting.gye(channels)
    level = min(float(gye[target].min()), 1.0) - BELOW_GYE / setting.problem.prescription_gye
    path = 1.0 / (float(np.sum(1.0 / (gye[target] - level))) + 1.0 / (1.0 - level))
    point = _Point(amount=amount, level=level, channels=channels, below=gye[target], above=gye, spot=amount)
    return _near_path(setting, point, path, beside=1.0), path


def _continued(setting: _Setting, before: Raised) -> tuple[_Setting, _Point, float]:
    """Take up a plan; level and limits give way to samples that joined."""
    amount = np.maximum(_scaled(setting, before.weight), 1e-30)
    channels = setting.forward(amount)
    gye = setting.gye(channels)
    cold = gye[setting.problem.target]
    over, below = gye - setting.upper, before.level - cold
    upper = np.where(over < -INSIDE_BY, setting.upper, gye + np.maximum(GIVING_WAY, over))
    setting = replace(
        setting,
        upper=upper,
        excess=upper - setting.upper,
        given=np.where(below < -INSIDE_BY, 0.0, below + np.maximum(GIVING_WAY, below)),
    )
    point = _Point(
        amount=amount,
        level=before.level,
        channels=channels,
        below=np.where(setting.given > 0.0, np.maximum(before.below, PULL), before.below),
        above=np.where(setting.excess > 0.0, np.maximum(before.above, PULL), before.above),
        spot=before.spot,
    )
    # the farther samples have to be led, the more room all others need
    behind = max(float(setting.excess.max()), float(setting.given.max()))
    path = max(before.path, (AGAIN + behind) / _constraints(setting.problem))
    return setting, _near_path(setting, point, path), path


def _constraints(problem: Problem) -> int:
    return problem.upper.size + problem.target.size + problem.spots


def _scaled(setting: _Setting, weight: Array) -> Array:
    reached = setting.scale > 0.0
    return np.asarray(np.where(reached, weight / np.where(reached, setting.scale, 1.0), 0.0))


def _inside(setting: _Setting, channels: Channels) -> float:
    """Find a factor on the weights that keeps all limits with room to spare."""
    factor = 1.0
    while (setting.gye((factor * channels[0], factor * channels[1])) > INSIDE * setting.upper).any():
        factor *= 0.999
    return factor


def _near_path(setting: _Setting, point: _Point, path: float, *, beside: float = BESIDE_PATH) -> _Point:
    """Hold the multipliers near those of the central path, so that no constraint is forgotten."""
    gye = setting.gye(point.channels)
    over, room = gye[setting.problem.target] + setting.given - point.level, setting.upper - gye
    # those that are still led to their bounds have multipliers of their own
    most = (
        np.where(setting.given > 0.0, np.inf, path / over * beside),
        np.where(setting.excess > 0.0, np.inf, path / room * beside),
        path / point.amount * beside,
    )
    below, above, spot = (
        np.clip(dual, path / slack / beside, high)
        for dual, slack, high in zip(
            (point.below, point.above, point.spot), (over, room, point.amount), most, strict=True
        )
    )
    return _Point(
        amount=point.amount, level=point.level, channels=point.channels, below=below, above=above, spot=spot
    )


def _newton(setting: _Setting, point: _Point, path: float, known: "_Written") -> tuple[Array, float, int]:
    """Find the step of scaled weights and level, and the pairs of products that it took."""
    target = setting.problem.target
    gye, slopes = setting.gye(point.channels), setting.slopes(point.channels)
    over, room = gye[target] + setting.given - point.level, setting.upper - gye
    cap = 1.0 - point.level
    short = np.maximum(0.0, 1.0 - gye[target])
    by_dose = path / room
    by_dose[target] -= path / over + 2.0 * setting.share * short
    # level and limits go back to where they belong, and samples that joined with them
    by_dose += point.above / room * setting.excess
    by_dose[target] -= point.below / over * setting.given
    downhill = path / point.amount - setting.back(by_dose, slopes) - BURDEN_SHARE * setting.burden
    pushed = path / over + point.below / over * setting.given
    level_downhill = 1.0 - float(np.sum(pushed)) - path / cap
    stiff_below = np.zeros(gye.size)
    stiff_below[target] = point.below / over
    stiff = point.above / room + stiff_below
    stiff[target] += 2.0 * setting.share * (short > 0.0)
    stiff_level = np.inf if setting.held else float(np.sum(stiff_below)) + path / cap**2
    root = np.sqrt(point.amount / point.spot)

    # the level is eliminated: it follows the mean of the samples that hold it
    def apply(scaled: Array) -> Array:
        _, change = setting.change(root * scaled, slopes)
        pull = stiff * change - stiff_below * (float(np.sum(stiff_below * change)) / stiff_level)
        return scaled + root * setting.back(pull, slopes)

    right = root * (downhill + setting.back(stiff_below * (level_downhill / stiff_level), slopes))
    precondition = known.preconditioner(setting, gye, slopes, root, stiff, stiff_below, stiff_level)
    scaled, used = _conjugate_gradients(apply, right, precondition)
    move = root * scaled
    _, change = setting.change(move, slopes)
    level_move = (level_downhill + float(np.sum(stiff_below * change))) / stiff_level
    return move, level_move, used


def _conjugate_gradients(
    apply: Callable[[Array], Array], right: Array, precondition: Callable[[Array], Array]
) -> tuple[Array, int]:
    """Solve a positive definite system as far as `RESIDUAL`."""
    found, left = np.zeros_like(right), right
    fine = precondition(left)
    way, size = fine, float(np.sum(left * fine))
    enough = RESIDUAL**2 * size
    for number in range(STEPS_OF_CG):
        image = apply(way)
        part = size / float(np.sum(way * image))
        found, left = found + part * way, left - part * image
        fine = precondition(left)
        before, size = size, float(np.sum(left * fine))
        if size <= enough:
            return found, number + 1
        way = fine + (size / before) * way
    return found, STEPS_OF_CG


def _moved(
    setting: _Setting, point: _Point, path: float, move: Array, level_move: float
) -> tuple[_Setting, _Point, float]:
    """Go along a step as far as all constraints allow; multipliers go their own way."""
    target = setting.problem.target
    gye, slopes = setting.gye(point.channels), setting.slopes(point.channels)
    over, room = gye[target] + setting.given - point.level, setting.upper - gye
    (linear, root), change = setting.change(move, slopes)
    duals = (point.below, point.above, point.spot)
    slacks = (over, room, point.amount)
    changes = (change[target] - level_move - setting.given, -change - setting.excess, move)
    dual_moves = tuple(
        (path - dual * slack - dual * turn) / slack
        for dual, slack, turn in zip(duals, slacks, changes, strict=True)
    )
    length = min(1.0, _reach(point.amount, move))
    if level_move > 0.0:
        length = min(length, TO_BOUND * (1.0 - point.level) / level_move)
    for _ in range(MOST_CUTS):
        channels = (point.channels[0] + length * linear, point.channels[1] + length * root)
        after, level = setting.gye(channels), point.level + length * level_move
        upper, given = setting.upper - length * setting.excess, (1.0 - length) * setting.given
        kept = after[target] + given - level > (1.0 - TO_BOUND) * over
        if kept.all() and (upper - after > (1.0 - TO_BOUND) * room).all():
            break
        length *= 0.9
    else:
        return setting, point, 0.0
    dual_length = min(1.0, *(_reach(dual, turn) for dual, turn in zip(duals, dual_moves, strict=True)))
    below, above, spot = (dual + dual_length * turn for dual, turn in zip(duals, dual_moves, strict=True))
    moved = _Point(
        amount=point.amount + length * move,
        level=level,
        channels=channels,
        below=below,
        above=above,
        spot=spot,
    )
    excess = (1.0 - length) * setting.excess
    excess, given = (np.where(each > INSIDE_BY, each, 0.0) for each in (excess, given))
    setting = replace(setting, upper=upper, excess=excess, given=given)
    return setting, moved, length


def _reach(values: Array, move: Array) -> float:
    """Find how far positive values may go, which keep a part of themselves."""
    fastest = float(np.max(np.where(values > 0.0, -move / np.where(values > 0.0, values, 1.0), 0.0)))
    return TO_BOUND / fastest if fastest > 0.0 else 1.0


class _Written:
    """Rows that were written out, so that a row is computed once."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.there: dict[int, tuple[Array, Array]] = {}

    def get(self, chosen: Indices) -> Channels:
        """Give the rows of some samples; those that are not asked for any more are forgotten."""
        new = np.array([number for number in chosen if int(number) not in self.there], dtype=np.int64)
        found = {int(number): self.there[int(number)] for number in chosen if int(number) in self.there}
        if new.size > 0:
            linear, root = self.rows(new)
            found |= {int(number): (linear[row], root[row]) for row, number in enumerate(new)}
        self.there = found
        linear, root = (np.array([found[int(number)][part] for number in chosen]) for part in (0, 1))
        return linear, root

    def preconditioner(
        self,
        setting: _Setting,
        gye: Array,
        slopes: Channels,
        root: Array,
        stiff: Array,
        stiff_below: Array,
        stiff_level: float,
    ) -> Callable[[Array], Array]:
        """Invert the system with only the rows that weigh most, by Woodbury's formula in float64."""
        # a sample's row is about as long as its dose is high
        weighty = np.argsort(-stiff * gye * gye, kind="stable")[:WRITTEN_OUT]
        chosen = np.sort(weighty[stiff[weighty] > 0.0])
        linear, other = self.get(chosen)
        by_linear, by_root = (slope[:, chosen][setting.problem.course].T for slope in slopes)
        matrix = linear * by_linear + other * by_root
        size = np.sqrt(stiff[chosen])
        matrix *= (setting.scale * root) * size[:, np.newaxis]
        held = stiff_below[chosen] / size
        normal = matrix @ matrix.T
        normal[np.diag_indices(chosen.size)] += 1.0
        rest = stiff_level - float(np.sum(held * held))
        normal += np.outer(held, held) / max(rest, 1e-12 * float(np.sum(stiff_below)))
        factor = cho_factor(normal, lower=True, check_finite=False, overwrite_a=True)

        def precondition(left: Array) -> Array:
            return np.asarray(left - matrix.T @ cho_solve(factor, matrix @ left, check_finite=False))

        return precondition
