"""From particle spectra to RBE-weighted dose."""

from doseplan.biology.nirs import (
    ASSUMPTIONS,
    nirs_dose,
    nirs_effect,
    nirs_effect_limit,
    nirs_gradient,
    rbe_attributes,
    require_same_scale,
)

__all__ = [
    "ASSUMPTIONS",
    "nirs_dose",
    "nirs_effect",
    "nirs_effect_limit",
    "nirs_gradient",
    "rbe_attributes",
    "require_same_scale",
]
