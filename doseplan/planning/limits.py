"""Hard limits of a case on its samples, and the exact scaling that makes a plan keep them."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology.courses import course_factor
from doseplan.biology.models import rbe_model
from doseplan.case.limits import limit_gy_rbe
from doseplan.case.spec import Case
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]

AIM_BELOW_GYE = 0.01
"""[Gy(RBE)] plans are made this far below a limit, so that it holds strictly in the final dose."""

ASSUMPTIONS = (f"planning aims {AIM_BELOW_GYE:g} GyE below every hard limit",)


def upper_limits(case: Case, samples: xr.Dataset) -> Array:
    """Find the dose that each sample must stay below, as planned: the tightest of its structure's maxima.

    Returns
    -------
    (sample,) [Gy(RBE)]
        Infinite where the case states none.
    """
    structure = samples["sample_structure"].values
    upper = np.full(structure.size, np.inf)
    for limit in case.constraint:
        if limit.kind == "max":
            chosen = structure == STRUCTURES[limit.structure]
            upper[chosen] = np.minimum(upper[chosen], limit_gy_rbe(case, limit) - AIM_BELOW_GYE)
    return upper


def largest_scale(linear: Array, root: Array, upper: Array, *, scale: str, fractions: Sequence[int]) -> float:
    """Find the largest factor on all weights, at most 1, that keeps every sample at or below its limit.

    Parameters
    ----------
    linear, root : (course, sample)
        Channels of the scale's RBE model, totals over the days of a course.
    upper : (sample,) [Gy(RBE)]
    """
    limited = np.isfinite(upper)
    if not limited.any():
        return 1.0
    factor = course_factor(
        rbe_model(scale), linear[:, limited], root[:, limited], np.maximum(upper[limited], 0.0), fractions
    )
    return float(min(1.0, factor.min()))
