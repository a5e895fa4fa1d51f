"""Fields on different days: the RBE step once for each course, days added after it.

Fields of one day are mixed before the non-linear step: their channels are summed. Channels here are totals
over the days of a course, (course, ...), and `fractions` counts those days.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.biology.models import RbeModel, largest_factor
from doseplan.messages import InputError

Array = NDArray[np.float64]

HALVINGS = 100
"""At most; float64 ends a bisection after about 60."""


def course_dose(model: RbeModel, linear: ArrayLike, root: ArrayLike, fractions: Sequence[int]) -> Array:
    """Compute the RBE-weighted dose [Gy(RBE)] of all courses together.

    Parameters
    ----------
    linear, root : (course, ...)
        Channels of each course, totals over its days.
    fractions : (course,)

    Returns
    -------
    (...) float64
        Of a single course the very dose of the model.

    Raises
    ------
    InputError
        No course, or channels of another number of courses.
    """
    parts = _courses(linear, root, fractions)
    dose = model.dose(parts[0][0], parts[0][1], fractions=parts[0][2])
    for one, two, count in parts[1:]:
        dose = dose + model.dose(one, two, fractions=count)
    return dose


def course_gradient(
    model: RbeModel, linear: ArrayLike, root: ArrayLike, fractions: Sequence[int]
) -> tuple[Array, Array]:
    """Compute the derivatives of `course_dose` with respect to both channels of each course."""
    found = [
        model.gradient(one, two, fractions=count) for one, two, count in _courses(linear, root, fractions)
    ]
    if len(found) == 1:  # a view, no copy: planning comes here in every step
        return found[0][0][np.newaxis], found[0][1][np.newaxis]
    return np.stack([by_linear for by_linear, _ in found]), np.stack([by_root for _, by_root in found])


def course_factor(
    model: RbeModel, linear: ArrayLike, root: ArrayLike, total: ArrayLike, fractions: Sequence[int]
) -> Array:
    """Find the factor on all weights at which `course_dose` reaches a total [Gy(RBE)]; infinite without dose.

    Of a single course it is `largest_factor`. Of several it is the largest number, to the last bits, whose
    dose was seen to be at or below the total: no course alone may exceed the total, and if none exceeds its
    even share of it, neither does the sum; bisection goes on between these two factors.

    Parameters
    ----------
    linear, root : (course, ...)
    total : scalar or (...)
    """
    parts = _courses(linear, root, fractions)
    if len(parts) == 1:
        return largest_factor(model, parts[0][0], parts[0][1], total, fractions=parts[0][2])
    goal = np.asarray(total, dtype=np.float64)
    alone, share = (
        np.min([largest_factor(model, one, two, most, fractions=count) for one, two, count in parts], axis=0)
        for most in (goal, goal / len(parts))
    )
    dosed = np.isfinite(alone)
    high = np.where(dosed, alone, 0.0)
    # a hair below the factor of the even shares, whose sum may exceed the total in the last bit
    low = np.where(dosed, (1.0 - 1e-12) * share, 0.0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if ((middle <= low) | (middle >= high)).all():
            break
        below = course_dose(model, middle * np.asarray(linear), middle * np.asarray(root), fractions) <= goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(dosed, low, np.inf)


def _courses(linear: ArrayLike, root: ArrayLike, fractions: Sequence[int]) -> list[tuple[Array, Array, int]]:
    """Take the channels apart by course."""
    first, second = np.asarray(linear, dtype=np.float64), np.asarray(root, dtype=np.float64)
    count = len(fractions)
    if count == 0 or first.shape[:1] != (count,) or first.shape != second.shape:
        raise InputError(
            f"courses: expected channels of shape (course, ...) for {count} courses (one or more), "
            f"got {first.shape} and {second.shape}"
        )
    return list(zip(first, second, fractions, strict=True))
