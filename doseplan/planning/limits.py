"""Hard limits of a case on its samples, and the exact scaling that makes a plan keep them."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology.mkm import HSG
from doseplan.biology.nirs import nirs_effect_limit
from doseplan.case.spec import Case
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]

AIM_BELOW_GYE = 0.01
"""[Gy(RBE)] plans are made this far below a limit, so that it holds strictly in the final dose."""

HOT_TISSUE_PERCENT = 110.0
"""[%] of the prescription: what tissue outside cord and target may get while planning; not a case limit."""

ASSUMPTIONS = (
    f"planning keeps tissue around the target below {HOT_TISSUE_PERCENT:g} % of the prescription",
    f"planning aims {AIM_BELOW_GYE:g} GyE below every hard limit",
)


def upper_limits(case: Case, samples: xr.Dataset) -> Array:
    """Find the dose that each sample must stay below, as planned: the tightest of its structure's limits.

    Returns
    -------
    (sample,) [Gy(RBE)]
        Infinite where the case states none.
    """
    structure = samples["sample_structure"].values
    total = case.prescription.total_gy_rbe
    upper = np.full(structure.size, np.inf)
    for limit in case.constraint:
        stated = limit.max_gy_rbe if limit.max_gy_rbe is not None else limit.max_percent
        assert stated is not None, "a constraint states exactly one maximum"
        gye = stated if limit.max_gy_rbe is not None else 0.01 * stated * total
        chosen = structure == STRUCTURES[limit.structure]
        upper[chosen] = np.minimum(upper[chosen], gye - AIM_BELOW_GYE)
    return upper


def largest_scale(dose: Array, dose_z_star: Array, upper: Array, *, fractions: int) -> float:
    """Find the largest factor on all weights, at most 1, that keeps every sample at or below its limit.

    Parameters
    ----------
    dose, dose_z_star : (sample,) [Gy], [Gy2]
    upper : (sample,) [Gy(RBE)]

    Notes
    -----
    A factor k turns the effect per fraction into k a + k^2 b with a = alpha0 d + beta d z* and b = beta d^2;
    k is the smallest positive root of k a + k^2 b = effect at the limit. Every limit falls with k.
    """
    limited = np.isfinite(upper) & (dose > 0.0)
    d, c = dose[limited] / fractions, dose_z_star[limited] / fractions
    linear, square = HSG.alpha0 * d + HSG.beta * c, HSG.beta * d * d
    effect = nirs_effect_limit(np.maximum(upper[limited], 0.0), fractions=fractions)
    # the root in the form that does not cancel
    factor = 2.0 * effect / (linear + np.sqrt(linear * linear + 4.0 * square * effect))
    return float(min(1.0, factor.min(initial=1.0)))
