"""Comparison of fractionation schedules by the linear-quadratic model."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.messages import InputError


def eqd2(total: ArrayLike, *, fractions: int, alpha_beta: float) -> NDArray[np.float64]:
    """Compute the total dose in fractions of 2 Gy with the same effect.

    For photon dose, or for a dose that is photon-isoeffective by construction. Clinical dose of the NIRS
    scale (GyE) is not: the scale is not validated for this step, so there the number is a label, not a
    prediction.

    Parameters
    ----------
    total : any shape [Gy]
        Over the whole course.
    fractions
        Of equal dose.
    alpha_beta
        [Gy] of the tissue; 2 or 0.87 are in use for the cord.

    Notes
    -----
    n d (d + a/b) / (2 + a/b) for n fractions of d: Fowler, Br. J. Radiol. 62 (1989) 679,
    doi:10.1259/0007-1285-62-740-679.
    """
    if not fractions >= 1 or fractions != int(fractions):
        raise InputError(f"fractions: expected a whole number of at least 1, got {fractions}")
    if not (np.isfinite(alpha_beta) and alpha_beta > 0.0):
        raise InputError(f"alpha_beta: expected more than 0 Gy, got {alpha_beta:g}")
    dose = np.asarray(total, dtype=np.float64)
    if not (dose >= 0.0).all():
        raise InputError(f"total: expected values of at least 0 Gy, got {dose[~(dose >= 0.0)].flat[0]:g}")
    equivalent: NDArray[np.float64] = np.asarray(dose * (dose / fractions + alpha_beta) / (2.0 + alpha_beta))
    return equivalent
