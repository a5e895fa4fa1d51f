"""The clinical dose scale of the Japanese scanned carbon beams, by the modified MKM for HSG cells.

Doses in and out are totals over the course; every fraction is the same, and the one non-linear step is taken
per fraction.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.biology.mkm import HSG
from doseplan.messages import InputError

ALPHA_REFERENCE = 0.764
"""[1/Gy] linear coefficient of HSG cells in the reference carbon beam: Inaniwa et al., Phys. Med. Biol. 60
(2015) 3271, doi:10.1088/0031-9155/60/8/3271. Its quadratic coefficient is that of `HSG`."""

CLINICAL_FACTOR = 2.41
"""[1] from carbon-equivalent to clinical dose, as in the RBE actor of OpenGATE 10; refitted as 2.40 for
another planning system in doi:10.1186/s13014-023-02267-8."""

RBE_MODEL = "NIRS modified MKM (HSG, Inaniwa 2010; F 2.41)"
SCALE = "NIRS"

ASSUMPTIONS = (
    "GyE is the clinical dose of the NIRS scale, not photon gray: one set of HSG-cell constants and the "
    f"factor {CLINICAL_FACTOR:g} serve every tissue, the cord too",
    "every fraction gets the same dose, and all fields of a fraction act together",
)

Array = NDArray[np.float64]


def nirs_dose(dose: ArrayLike, dose_z_star: ArrayLike, *, fractions: int) -> Array:
    """Compute the clinical dose [Gy(RBE)] of a course.

    Parameters
    ----------
    dose : any shape [Gy]
        Absorbed dose.
    dose_z_star : as dose [Gy2]
        Absorbed dose times its mean z*, additive over beams.
    fractions
        Of equal dose.

    Returns
    -------
    float64 array of the common shape, 0-dimensional for scalars.

    Notes
    -----
    Per fraction, effect = alpha0 d + beta d z* + beta d^2 = alpha_r D + beta D^2 for the dose D of the
    reference beam; the clinical dose is 2.41 D. Inaniwa et al. 2015, doi:10.1088/0031-9155/60/8/3271.
    """
    effect = nirs_effect(dose, dose_z_star, fractions=fractions)
    # twice the effect over (alpha_r + root), not (root - alpha_r): no cancellation at small doses
    per_fraction = 2.0 * effect / (ALPHA_REFERENCE + _root(effect))
    total: Array = np.asarray(fractions * CLINICAL_FACTOR * per_fraction)
    return total


def nirs_effect(dose: ArrayLike, dose_z_star: ArrayLike, *, fractions: int) -> Array:
    """Compute the effect per fraction, -ln(surviving fraction), from totals; arguments as in `nirs_dose`."""
    _require_fractions(fractions)
    d = _checked("dose", dose) / fractions
    c = _checked("dose_z_star", dose_z_star) / fractions
    effect: Array = np.asarray(HSG.alpha0 * d + HSG.beta * c + HSG.beta * d * d)
    return effect


def nirs_gradient(dose: ArrayLike, dose_z_star: ArrayLike, *, fractions: int) -> tuple[Array, Array]:
    """Compute the derivatives of `nirs_dose` with respect to the totals `dose` and `dose_z_star`.

    Returns
    -------
    (Gy(RBE)/Gy, Gy(RBE)/Gy2)
        float64 arrays of the common shape of the arguments.
    """
    effect = nirs_effect(dose, dose_z_star, fractions=fractions)
    by_effect = CLINICAL_FACTOR / _root(effect)
    per_fraction = np.asarray(dose, dtype=np.float64) / fractions
    by_dose: Array = np.asarray(by_effect * (HSG.alpha0 + 2.0 * HSG.beta * per_fraction))
    by_dose_z_star: Array = np.asarray(by_effect * HSG.beta)
    return by_dose, by_dose_z_star


def nirs_effect_limit(gye_total: ArrayLike, *, fractions: int) -> Array:
    """Compute the effect per fraction at which `nirs_dose` reaches a total [Gy(RBE)]: its inverse.

    The effect is a convex function of the additive channels, so that a dose limit is a convex set of plans.
    """
    _require_fractions(fractions)
    reference = _checked("gye_total", gye_total) / (fractions * CLINICAL_FACTOR)
    effect: Array = np.asarray((ALPHA_REFERENCE + HSG.beta * reference) * reference)
    return effect


def rbe_attributes(fractions: int) -> dict[str, str | int]:
    """Give the attributes that every dose on this scale carries."""
    _require_fractions(fractions)
    return {"rbe_model": RBE_MODEL, "scale": SCALE, "fractions": int(fractions)}


def require_same_scale(a: Mapping[str, object], b: Mapping[str, object]) -> None:
    """Refuse to compare RBE-weighted doses of different scale or fractions.

    Parameters
    ----------
    a, b
        Attributes of the two doses, such as `rbe_attributes(16)`.

    Raises
    ------
    InputError
        An attribute is missing or differs.
    """
    for name in ("scale", "fractions"):
        for attributes in (a, b):
            if name not in attributes:
                raise InputError(f"{name}: expected on every RBE-weighted dose, got {sorted(attributes)}")
        if a[name] != b[name]:
            raise InputError(
                f"{name}: expected the same on both doses to compare them, got {a[name]} and {b[name]}"
            )


def _root(effect: Array) -> Array:
    root: Array = np.sqrt(ALPHA_REFERENCE**2 + 4.0 * HSG.beta * effect)
    return root


def _require_fractions(fractions: int) -> None:
    if not fractions >= 1 or fractions != int(fractions):
        raise InputError(f"fractions: expected a whole number of at least 1, got {fractions}")


def _checked(name: str, stated: ArrayLike) -> Array:
    values = np.asarray(stated, dtype=np.float64)
    if not (values >= 0.0).all():
        wrong = values[~(values >= 0.0)].flat[0]
        raise InputError(f"{name}: expected values of at least 0, got {wrong:g}")
    return values
