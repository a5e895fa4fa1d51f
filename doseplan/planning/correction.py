"""Monte Carlo over pencil beam, place by place, and planning with the pencil beam that it corrects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from doseplan import schema
from doseplan.biology.courses import course_dose, course_factor
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose import DoseOperator, EntryOperator
from doseplan.messages import InputError
from doseplan.montecarlo.voxels import coarse_mean, score_factors

Array = NDArray[np.float64]

BLUR_MM = 2.0
"""[mm] sigma with which both doses are spread before they are divided: one scored voxel."""

FROM = 0.1
"""[1] part of the prescription from which on the pencil beam is corrected."""

STAY_BELOW = 2.0
"""[1] standard deviations of the correction by which planning stays below every limit."""

ASSUMPTIONS = (
    f"corrected plan: both channels are multiplied by Monte Carlo over pencil beam of the plan before, both "
    f"spread by a Gaussian of {BLUR_MM:g} mm, drawn to 1 where noise explains the difference, and left alone "
    f"below {FROM:g} of the prescription; all doses of this run are corrected ones",
    f"corrected plan: planning stays {STAY_BELOW:g} standard deviations of the correction below every limit",
)


def correction_field(
    case: Case,
    phantom: xr.Dataset,
    pencil: tuple[Array, Array],
    monte_carlo: xr.Dataset,
    *,
    fractions: Sequence[int],
) -> xr.Dataset:
    """Find the factor on the pencil beam's channels that gives the Monte Carlo's dose.

    Parameters
    ----------
    pencil : (course, z, y, x) each
        Linear and root channel of the plan, on the phantom's voxels.
    monte_carlo : Dataset
        The plan's from `recalculate` with `blur_mm=BLUR_MM`.
    fractions : (course,)

    Returns
    -------
    Dataset
        On the scored voxels: `correction`, 1 where the pencil beam is taken as it is, and
        `correction_uncertainty`, one standard deviation.

    Notes
    -----
    Both are spread by the same Gaussian as additive channels, so a slope makes no difference of its own. The
    factor k found has variance s2 from the batches; with t2, the variance of k - 1 over the corrected voxels
    less the mean of s2, what is used is 1 + (k - 1) t2 / (t2 + s2), the best estimate if both are normal.
    """
    linear, root = smooth_pencil(phantom, pencil, monte_carlo)
    total = monte_carlo["smooth_dose_rbe"].values.astype(np.float64)
    model = rbe_model(case.prescription.scale)
    high = course_dose(model, linear, root, fractions) >= FROM * case.prescription.total_gy_rbe
    if not high.any():
        raise InputError("correction: expected a dose above a tenth of the prescription, got none")

    def found(dose: Array) -> Array:
        return course_factor(model, linear[:, high], root[:, high], dose[high], fractions)

    ratio = found(total)
    spread = found(total * (1.0 + monte_carlo["smooth_dose_rbe_uncertainty"].values)) - ratio
    real = max(float(np.mean((ratio - 1.0) ** 2) - np.mean(spread**2)), 0.0)
    share = real / np.maximum(real + spread**2, 1e-12)
    values, deviation = np.ones(total.shape), np.zeros(total.shape)
    values[high] += share * (ratio - 1.0)
    deviation[high] = np.sqrt(share) * spread
    data = {
        "correction": schema.variable("correction", values),
        "correction_uncertainty": schema.variable("correction_uncertainty", deviation),
    }
    attributes = {"blur_mm": BLUR_MM, "real_spread": real**0.5, "assumptions": list(ASSUMPTIONS)}
    return xr.Dataset(data, coords={name: monte_carlo[name] for name in "zyx"}, attrs=attributes)


def smooth_pencil(
    phantom: xr.Dataset, pencil: tuple[Array, Array], monte_carlo: xr.Dataset
) -> tuple[Array, Array]:
    """Spread both channels (course, z, y, x) of the pencil beam as the Monte Carlo's, on its voxels."""
    edge = np.array([float(np.diff(phantom[name].values[:2])[0]) for name in "xyz"])
    factor = score_factors(edge, float(np.diff(monte_carlo["x"].values[:2])[0]))
    sigma = float(monte_carlo.attrs["blur_mm"]) / (edge * factor)[::-1]
    linear, root = (
        np.stack([gaussian_filter(coarse_mean(course, factor), sigma) for course in values])
        for values in pencil
    )
    expected = monte_carlo["smooth_dose_rbe"].shape
    if linear.shape[1:] != expected:
        raise InputError(f"monte_carlo: expected {linear.shape[1:]} voxels, got {expected}")
    return linear, root


def on_grid(values: xr.DataArray, phantom: xr.Dataset) -> Array:
    """Interpolate a field on voxels to those of a phantom, (z, y, x), along one axis after another."""
    out = values.values.astype(np.float64)
    for axis, name in enumerate("zyx"):
        centre = values[name].values
        place = np.clip((phantom[name].values - centre[0]) / (centre[1] - centre[0]), 0.0, centre.size - 1.0)
        low = np.minimum(place.astype(np.int64), centre.size - 2)
        part = (place - low).reshape([-1 if other == axis else 1 for other in range(3)])
        out = out.take(low, axis=axis) * (1.0 - part) + out.take(low + 1, axis=axis) * part
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedOperator:
    """A map from spot weights to channels, with a factor on what each sample gets.

    factor : (sample,)
    """

    operator: DoseOperator | EntryOperator
    factor: Array

    @property
    def spots(self) -> int:
        """Number of spots."""
        return self.operator.spots

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.operator.samples

    def forward(self, weight: Array) -> tuple[Array, Array]:
        """Compute both channels of the samples."""
        linear, root = self.operator.forward(weight)
        return self.factor * linear, self.factor * root

    def adjoint(self, by_linear: Array, by_root: Array, *, of: NDArray[np.bool_] | None = None) -> Array:
        """Carry derivatives by the samples' channels over to the spot weights."""
        return self.operator.adjoint(self.factor * by_linear, self.factor * by_root, of=of)
