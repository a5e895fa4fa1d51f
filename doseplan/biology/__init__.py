"""From particle spectra to RBE-weighted dose."""

from doseplan.biology.models import nirs_dose, rbe_model
from doseplan.biology.nirs import rbe_attributes, require_same_scale

__all__ = ["nirs_dose", "rbe_attributes", "rbe_model", "require_same_scale"]
