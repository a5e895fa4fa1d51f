"""The clinical dose scale of the Japanese scanned carbon beams, by the modified MKM for HSG cells.

Doses in and out are totals over the course; every fraction is the same, and the one non-linear step is taken
per fraction.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

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


def rbe_attributes(fractions: int) -> dict[str, str | int]:
    """Give the attributes that every dose on this scale carries."""
    _require_fractions(fractions)
    return {"rbe_model": RBE_MODEL, "scale": SCALE, "fractions": int(fractions)}


def require_same_scale(a: Mapping[str, object], b: Mapping[str, object]) -> None:
    """Refuse to compare RBE-weighted doses of different scale, model or fractions.

    Parameters
    ----------
    a, b
        Attributes of the two doses, such as `rbe_attributes(16)`.

    Raises
    ------
    InputError
        An attribute is missing or differs.
    """
    for name in ("scale", "rbe_model", "fractions"):
        for attributes in (a, b):
            if name not in attributes:
                raise InputError(f"{name}: expected on every RBE-weighted dose, got {sorted(attributes)}")
        if a[name] != b[name]:
            raise InputError(
                f"{name}: expected the same on both doses to compare them, got {a[name]} and {b[name]}"
            )


def _require_fractions(fractions: int) -> None:
    if not fractions >= 1 or fractions != int(fractions):
        raise InputError(f"fractions: expected a whole number of at least 1, got {fractions}")
