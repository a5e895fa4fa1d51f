"""The planning problem on arrays: which samples it sees, what a plan does to them, and the hard limits."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology.models import rbe_model
from doseplan.dose import DoseOperator, EntryOperator, Rays, dose_operator
from doseplan.dose.curves import peak_root
from doseplan.messages import InputError

Array = NDArray[np.float64]
Channels = tuple[Array, Array]
"""Linear and root channel of the scale's RBE model in the samples, totals over the course."""

ROOT_UNIT = 0.25
"""Root channel of about 1 Gy on either scale: weights are measured by what gives it."""


REACHED = 1e-3
"""[1] a target sample that all spots together give less than this part of the usual is out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Samples that the optimiser works on.

    operator
        From spot weights to both channels in the samples.
    peak : (spot,)
        Largest root channel that 1e6 ions of each spot give anywhere in water.
    upper : (sample,) [Gy(RBE)]
        Hard limit, infinite where there is none.
    target : (target sample,)
        Indices of the samples of the target.
    offset : two of (sample,)
        What the operator leaves out of each channel.
    """

    operator: DoseOperator | EntryOperator
    peak: Array
    upper: Array
    target: NDArray[np.int64]
    offset: Channels
    prescription_gye: float
    fractions: int
    scale: str = "NIRS"

    @property
    def spots(self) -> int:
        """Number of spots."""
        return self.operator.spots


def build_problem(
    points: Array,
    rays: Rays,
    spots: xr.Dataset,
    library: xr.Dataset,
    *,
    upper: Array,
    target: NDArray[np.bool_],
    prescription_gye: float,
    fractions: int,
    scale: str,
) -> Problem:
    """Find what the spots do to the points.

    Parameters
    ----------
    points : (sample, 3) [mm]
    rays : Rays
        Of the spots.
    upper : (sample,) [Gy(RBE)]
    target : (sample,) bool

    Raises
    ------
    InputError
        No spot reaches a target sample.
    """
    operator = dose_operator(points, rays, library, scale=scale)
    together = operator.forward(np.ones(operator.spots))[1]
    usual = float(np.median(together[target])) if target.any() else 0.0
    unreached = target & (together <= REACHED * usual)
    if unreached.any():
        where = points[np.argmax(unreached)].round(1).tolist()
        raise InputError(
            f"target: expected every sample within reach of a spot, got {int(unreached.sum())} out of reach, "
            f"the first at {where} mm; more spot_margin_mm or another field may reach them"
        )
    return Problem(
        operator=operator,
        peak=peak_root(library, scale)[spots["energy_index"].values],
        upper=upper,
        target=np.flatnonzero(target).astype(np.int64),
        offset=(np.zeros(upper.size), np.zeros(upper.size)),
        prescription_gye=prescription_gye,
        fractions=fractions,
        scale=scale,
    )


def influence_channels(problem: Problem, weight: Array) -> Channels:
    """Compute what weights [1e6 ions] give to both channels; the offset is not in it."""
    return problem.operator.forward(weight)


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
    return problem.operator.adjoint(by_linear, by_root)


def column_scale(problem: Problem) -> Array:
    """Give every spot the weight that makes its root-sum-square root channel in the samples `ROOT_UNIT`.

    The sum of squares is taken to be half the sum times the peak, as it is for the samples of a Gaussian.
    """
    total = gather(problem, np.zeros(problem.upper.size), np.ones(problem.upper.size))
    norm = np.sqrt(np.maximum(0.5 * total * problem.peak, 0.0))
    return np.where(norm > 0.0, ROOT_UNIT / np.maximum(norm, 1e-12), 0.0)
