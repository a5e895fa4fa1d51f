"""Comparison of fractionation schedules by the linear-quadratic model."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.messages import InputError

Array = NDArray[np.float64]


def eqd2(total: ArrayLike, *, fractions: int, alpha_beta: float) -> Array:
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

    Raises
    ------
    InputError
        A dose that is negative or not finite, fractions that are no whole number of at least 1, or an
        alpha/beta that is not above 0.

    Notes
    -----
    n d (d + a/b) / (2 + a/b) for n fractions of d: Fowler, Br. J. Radiol. 62 (1989) 679,
    doi:10.1259/0007-1285-62-740-679.
    """
    equivalent: Array = bed(total, fractions=fractions, alpha_beta=alpha_beta) / (1.0 + 2.0 / alpha_beta)
    return equivalent


def bed(total: ArrayLike, *, fractions: int, alpha_beta: float) -> Array:
    """Compute the biologically effective dose [Gy]; arguments and errors as for `eqd2`.

    Notes
    -----
    n d (1 + d / (a/b)) for n fractions of d: Fowler 1989, as for `eqd2`.
    """
    _check(fractions, alpha_beta)
    dose = _checked("total", total)
    effective: Array = np.asarray(dose * (1.0 + dose / (fractions * alpha_beta)))
    return effective


def total_of_eqd2(equivalent: ArrayLike, *, fractions: int, alpha_beta: float) -> Array:
    """Compute the total dose [Gy] in equal fractions whose `eqd2` is given: its inverse.

    Parameters
    ----------
    equivalent : any shape [Gy]
        EQD2 over the whole course.
    fractions, alpha_beta
        As for `eqd2`, with the same errors.

    Notes
    -----
    The positive root of D^2 / n + D a/b = EQD2 (2 + a/b), in the form that does not cancel.
    """
    _check(fractions, alpha_beta)
    effect = _checked("equivalent", equivalent) * (2.0 + alpha_beta)
    root = np.sqrt(alpha_beta**2 + 4.0 * effect / fractions)
    total: Array = np.asarray(2.0 * effect / (alpha_beta + root))
    return total


def _check(fractions: int, alpha_beta: float) -> None:
    if not (np.isfinite(fractions) and fractions >= 1 and fractions == int(fractions)):
        raise InputError(f"fractions: expected a whole number of at least 1, got {fractions}")
    if not (np.isfinite(alpha_beta) and alpha_beta > 0.0):
        raise InputError(f"alpha_beta: expected more than 0 Gy, got {alpha_beta:g}")


def _checked(name: str, stated: ArrayLike) -> Array:
    values = np.asarray(stated, dtype=np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0.0))
    if wrong.any():
        raise InputError(f"{name}: expected values of at least 0 Gy, got {values[wrong].flat[0]:g}")
    return values
