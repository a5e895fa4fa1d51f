"""The planning problem on arrays: which samples it sees, what a plan does to them, and the hard limits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.biology.courses import course_dose, course_gradient
from doseplan.biology.models import rbe_model
from doseplan.planning.operators import Operator, adjoint_all, forward_all

Array = NDArray[np.float64]
Channels = tuple[Array, Array]
"""Linear and root channel of the scale's RBE model, (course, sample) each, totals over a course's days."""

ROOT_UNIT = 0.25
"""Root channel of about 1 Gy on either scale: weights are measured by what gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Samples that the optimiser works on.

    operators
        From spot weights to both channels, each in the samples of one scenario; all samples follow one
        another in this order.
    peak : (spot,)
        Largest root channel that 1e6 ions of each spot give anywhere in water.
    upper : (sample,) [Gy(RBE)]
        Hard limit, infinite where there is none.
    target : (target sample,)
        Indices of the samples of the target.
    course : (spot,)
        On which days each spot is given.
    fractions : (course,)
    """

    operators: Sequence[Operator]
    peak: Array
    upper: Array
    target: NDArray[np.int64]
    course: NDArray[np.int64]
    fractions: tuple[int, ...]
    prescription_gye: float
    scale: str = "NIRS"

    @property
    def spots(self) -> int:
        """Number of spots."""
        return self.peak.size


def influence_channels(problem: Problem, weight: Array) -> Channels:
    """Compute what weights [1e6 ions] give to both channels."""
    linear, root = np.empty((2, len(problem.fractions), problem.upper.size))
    for course, own in enumerate(_courses(problem)):
        given = weight if own is None else np.where(own, weight, 0.0)
        found = forward_all(problem.operators, given)
        linear[course] = np.concatenate([one for one, _ in found])
        root[course] = np.concatenate([other for _, other in found])
    return linear, root


def gather(problem: Problem, by_linear: Array, by_root: Array) -> Array:
    """Carry derivatives by the samples' channels, (course, sample) each, over to the spot weights."""
    out = np.zeros(problem.spots)
    for course, own in enumerate(_courses(problem)):
        found = adjoint_all(problem.operators, by_linear[course], by_root[course], own)
        out = found if own is None else np.where(own, found, out)
    return out


def rbe_dose(problem: Problem, channels: Channels) -> Array:
    """Compute Gy(RBE) of every sample."""
    return course_dose(rbe_model(problem.scale), *channels, problem.fractions)


def rbe_slopes(problem: Problem, channels: Channels) -> Channels:
    """Compute the derivatives of Gy(RBE) by both channels, (course, sample) each."""
    return course_gradient(rbe_model(problem.scale), *channels, problem.fractions)


def column_scale(problem: Problem) -> Array:
    """Give every spot the weight that makes its root-sum-square root channel in the samples `ROOT_UNIT`.

    The sum of squares is taken to be half the sum times the peak, as it is for the samples of a Gaussian.
    """
    total = root_totals(problem, np.ones(problem.upper.size))
    norm = np.sqrt(np.maximum(0.5 * total * problem.peak, 0.0))
    return np.where(norm > 0.0, ROOT_UNIT / np.maximum(norm, 1e-12), 0.0)


def root_totals(problem: Problem, share: Array) -> Array:
    """Sum the root channel that each spot gives to samples, (spot,), weighted by a share of each sample."""
    by_root = np.tile(share, (len(problem.fractions), 1))
    return gather(problem, np.zeros_like(by_root), by_root)


def _courses(problem: Problem) -> list[NDArray[np.bool_] | None]:
    """Tell which spots each course has, None for all."""
    if len(problem.fractions) == 1:
        return [None]
    return [problem.course == course for course in range(len(problem.fractions))]
