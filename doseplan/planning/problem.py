"""The planning problem on arrays: which samples it sees, what a plan does to them, and the hard limits."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology import nirs_dose, nirs_gradient
from doseplan.dose.influence import SAMPLE_MAJOR, SPOT_MAJOR, dose_influence, transpose
from doseplan.kernels.products import adjoint, forward
from doseplan.messages import InputError

Array = NDArray[np.float64]
Channels = tuple[Array, Array]
"""Absorbed dose [Gy] and dose times z* [Gy2] of the samples."""

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
        Dose and dose times z* that the stored influence leaves out.
    """

    spot_major: tuple[NDArray[np.generic], ...]
    sample_major: tuple[NDArray[np.generic], ...]
    upper: Array
    target: NDArray[np.int64]
    offset: Channels
    prescription_gye: float
    fractions: int

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
    influence = dose_influence(points, wepl, spots, library, relative_cutoff=RELATIVE_CUTOFF)
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
    )


def with_exact_dose(problem: Problem, weight: Array, exact: Channels) -> Problem:
    """Make the problem's dose equal to the exact one at these weights: the difference becomes the offset."""
    stored = influence_dose(problem, weight)
    offset = (exact[0] - stored[0], exact[1] - stored[1])
    # float32 entries may add up to a little more; a negative offset could make a dose negative
    return replace(problem, offset=(np.maximum(offset[0], 0.0), np.maximum(offset[1], 0.0)))


def influence_dose(problem: Problem, weight: Array) -> Channels:
    """Multiply the stored influence by the weights [1e6 ions]; the offset is not in it."""
    dose, dose_z_star = np.empty(problem.upper.size), np.empty(problem.upper.size)
    forward(*problem.sample_major, weight, dose, dose_z_star)  # type: ignore[call-arg]
    return dose, dose_z_star


def rbe_dose_and_slopes(problem: Problem, weight: Array) -> tuple[Array, Array, Array]:
    """Compute GyE of every sample, and its derivatives by dose and by dose times z*."""
    dose, dose_z_star = influence_dose(problem, weight)
    dose += problem.offset[0]
    dose_z_star += problem.offset[1]
    gye = nirs_dose(dose, dose_z_star, fractions=problem.fractions)
    by_dose, by_dose_z_star = nirs_gradient(dose, dose_z_star, fractions=problem.fractions)
    return gye, by_dose, by_dose_z_star


def gather(problem: Problem, by_dose: Array, by_dose_z_star: Array) -> Array:
    """Carry derivatives by the samples' channels over to the spot weights."""
    out = np.empty(problem.spots)
    adjoint(*problem.spot_major, by_dose, by_dose_z_star, out)  # type: ignore[call-arg]
    return out


def column_scale(problem: Problem) -> Array:
    """Give every spot the weight that makes its root-sum-square dose in the samples 1 Gy."""
    entry_start, _, dose, _ = problem.spot_major
    total = np.concatenate([[0.0], np.cumsum(np.square(dose, dtype=np.float64))])
    norm = np.sqrt(np.diff(total[entry_start.astype(np.int64)]))
    return np.where(norm > 0.0, 1.0 / np.maximum(norm, 1e-12), 0.0)
