"""Which separations a margin needs plans and proofs of: few, for each takes minutes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FIRST_STEPS = 4
"""Steps from the first separation to the next that is tried: 2 mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was found at one separation.

    `cord_maximum_gye` is None in a case without a cord. `bound_gye` is the target minimum that no plan
    exceeds, None where no proof was tried or none was found.
    """

    separation_mm: float
    target_minimum_gye: float
    cord_maximum_gye: float | None
    goal_gye: float | None
    goals_met: bool
    bound_gye: float | None
    impossible: bool
    missed: tuple[str, ...]


def first_met(plan: Callable[[int], Tried], count: int, *, guess: int = 0) -> int | None:
    """Find the first separation whose plan meets all goals, as if more separation never made a plan worse.

    From a guess on by steps that double, then by halves; sooner where a straight line through the target
    minima of two plans that miss the goal says where it is reached.

    Parameters
    ----------
    plan
        Gives what is found at one of them, by its number in rising order.
    count
        Of separations.
    guess
        The first that is tried.

    Returns
    -------
    int or None
        None if the last does not meet all goals.
    """
    known: dict[int, Tried] = {}

    def met(index: int) -> bool:
        known[index] = plan(index)
        return known[index].goals_met

    low, high = -1, guess
    while not met(high):
        if high == count - 1:
            return None
        far = min(high + max(FIRST_STEPS, high - guess), count - 1)
        low, high = high, min(far, max(high + 1, _expected(known, far)))
    if low < 0 < high:  # a guess is good where the step below it misses
        low, high = (low, high - 1) if met(high - 1) else (high - 1, high)
    middle = _expected(known, 0) - 1
    while high - low > 1:
        middle = middle if low < middle < high else (low + high) // 2
        low, high = (low, middle) if met(middle) else (middle, high)
    return high


def _expected(known: dict[int, Tried], otherwise: int) -> int:
    """Find where the straight line through the last two misses reaches the goal for the target minimum."""
    missed = [
        (index, each.goal_gye - each.target_minimum_gye)
        for index, each in sorted(known.items())
        if not each.goals_met and each.goal_gye is not None
    ]
    if len(missed) < 2:
        return otherwise
    (first, more), (second, less) = missed[-2:]
    return math.ceil(second + (second - first) * less / (more - less)) if 0.0 < less < more else otherwise


def last_refuted(
    tried: dict[int, Tried], plan: Callable[[int], Tried], refuted: Callable[[int], bool], below: int
) -> int | None:
    """Find the largest separation that is proven impossible; None if none is.

    First the one right below the margin. If it can't be refuted, those where the plan misses the goal by more
    than the gap between plan and proof; others would be tried in vain, as are those where it meets the goal.
    """
    goal = plan(below).goal_gye
    if goal is None:
        return None
    gap, low, high = 0.0, -1, below
    if plan(below).target_minimum_gye < goal:
        if refuted(below):
            return below
        gap = _gap(tried[below])
    while high - low > 1:
        guess = _reach(tried, goal - gap)
        if guess <= low:
            break
        middle = min(guess, high - 1)
        if plan(middle).target_minimum_gye + gap >= goal:
            high = middle
        elif refuted(middle):
            low = middle
        else:
            high, gap = middle, max(gap, _gap(tried[middle]))
    return None if low < 0 else low


def _gap(tried: Tried) -> float:
    return math.inf if tried.bound_gye is None else tried.bound_gye - tried.target_minimum_gye


def _reach(tried: dict[int, Tried], level_gye: float) -> int:
    """Find up to where plans stay below a level, by straight lines between those tried; -1 if nowhere."""
    known = sorted(tried)
    every = np.arange(known[-1] + 1)
    minimum = np.interp(every, known, [tried[index].target_minimum_gye for index in known])
    reached = np.flatnonzero(minimum >= level_gye)
    return int(reached[0]) - 1 if reached.size else known[-1]
