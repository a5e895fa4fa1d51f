"""Fields, spots, water-equivalent depth and the dose influence."""

from doseplan.dose.beam_data import beam_library, depth_dose
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.fields import place_fields
from doseplan.dose.influence import dose_influence, transpose
from doseplan.dose.point import point_dose
from doseplan.dose.spots import place_spots
from doseplan.dose.total import grid_dose, sample_dose

__all__ = [
    "beam_library",
    "depth_dose",
    "dose_influence",
    "grid_dose",
    "place_fields",
    "place_spots",
    "point_dose",
    "sample_dose",
    "transpose",
    "water_equivalent_depth",
]
