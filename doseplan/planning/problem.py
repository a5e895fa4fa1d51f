"""The planning problem on arrays: which samples it sees, what a plan does to them, and the hard limits."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology.models import rbe_model
from doseplan.dose.influence import SAMPLE_MAJOR, SPOT_MAJOR, dose_influence, transpose
from doseplan.kernels.products import adjoint, forward
from doseplan.messages import InputError

Array = NDArray[np.float64]
Channels = tuple[Array, Array]
"""Linear and root channel of the scale's RBE model in the samples, totals over the course."""

ROOT_UNIT = 0.25
"""Root channel of about 1 Gy on either scale: weights are measured by what gives it."""

RELATIVE_CUTOFF = 1e-3
"""Entries below this part of a spot's peak are not stored; what they add is known exactly as `offset`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Samples that the optimiser works on.

    upper : (sample,) [Gy(RBE)]
        Hard limit, infinite where there is none.
    target : (target sample,)
        Indices of the samples of the target.
    offset : two of (sample,)
        What the stored influence leaves out of each channel.
    """

    spot_major: tuple[NDArray[np.generic], ...]
    sample_major: tuple[NDArray[np.generic], ...]
    upper: Array
    target: NDArray[np.int64]
    offset: Channels
    prescription_gye: float
    fractions: int
    scale: str = "NIRS"

    @property
    def spots(self) -> int:
        """Number of spots."""
        return int(self.spot_major[0].size - 1)


def build_problem(
    points: Array,
    wepl: Array,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    upper: Array,
    target: NDArray[np.bool_],
    prescription_gye: float,
    fractions: int,
    scale: str,
) -> Problem:
    """Compute the influence on the points in both orders.

    Parameters
    ----------
    points : (sample, 3) [mm]
    wepl : (field, sample) [mm]
    upper : (sample,) [Gy(RBE)]
    target : (sample,) bool

    Raises
    ------
    InputError
        No spot reaches a target sample.
    """
    influence = dose_influence(points, wepl, spots, library, scale=scale, relative_cutoff=RELATIVE_CUTOFF)
    by_sample = transpose(influence)
    unreached = target & (np.diff(by_sample["row_start"].values) == 0)
    if unreached.any():
        where = points[np.argmax(unreached)].round(1).tolist()
        raise InputError(
            f"target: expected every sample within reach of a spot, got {int(unreached.sum())} out of reach, "
            f"the first at {where} mm; more spot_margin_mm or another field may reach them"
        )
    return Problem(
        spot_major=tuple(influence[name].values for name in SPOT_MAJOR),
        sample_major=tuple(by_sample[name].values for name in SAMPLE_MAJOR),
        upper=upper,
        target=np.flatnonzero(target).astype(np.int64),
        offset=(np.zeros(upper.size), np.zeros(upper.size)),
        prescription_gye=prescription_gye,
        fractions=fractions,
        scale=scale,
    )


def with_exact_dose(problem: Problem, weight: Array, exact: Channels) -> Problem:
    """Make the problem's dose equal to the exact one at these weights: the difference becomes the offset."""
    stored = influence_channels(problem, weight)
    offset = (exact[0] - stored[0], exact[1] - stored[1])
    # float32 entries may add up to a little more; a negative offset could make a dose negative
    return replace(problem, offset=(np.maximum(offset[0], 0.0), np.maximum(offset[1], 0.0)))


def influence_channels(problem: Problem, weight: Array) -> Channels:
    """Multiply the stored influence by the weights [1e6 ions]; the offset is not in it."""
    linear, root = np.empty(problem.upper.size), np.empty(problem.upper.size)
    forward(*problem.sample_major, weight, root, linear)  # type: ignore[call-arg]
    return linear, root


def rbe_dose_and_slopes(problem: Problem, weight: Array) -> tuple[Array, Array, Array]:
    """Compute Gy(RBE) of every sample, and its derivatives by the linear and the root channel."""
    linear, root = influence_channels(problem, weight)
    linear += problem.offset[0]
    root += problem.offset[1]
    model = rbe_model(problem.scale)
    gye = model.dose(linear, root, fractions=problem.fractions)
    return gye, *model.gradient(linear, root, fractions=problem.fractions)


def gather(problem: Problem, by_linear: Array, by_root: Array) -> Array:
    """Carry derivatives by the samples' channels over to the spot weights."""
    out = np.empty(problem.spots)
    adjoint(*problem.spot_major, by_root, by_linear, out)  # type: ignore[call-arg]
    return out


def column_scale(problem: Problem) -> Array:
    """Give every spot the weight that makes its root-sum-square root channel in the samples `ROOT_UNIT`."""
    entry_start, _, root, _ = problem.spot_major
    total = np.concatenate([[0.0], np.cumsum(np.square(root, dtype=np.float64))])
    norm = np.sqrt(np.diff(total[entry_start.astype(np.int64)]))
    return np.where(norm > 0.0, ROOT_UNIT / np.maximum(norm, 1e-12), 0.0)
