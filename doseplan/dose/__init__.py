"""Fields, spots, water-equivalent depth and the dose influence."""

from doseplan.dose.beam_data import beam_library
from doseplan.dose.bragg import depth_dose, energy_spectra, sensitivities
from doseplan.dose.daily import daily_counts, daily_dose, daily_shifts
from doseplan.dose.days import course_channels, spot_courses
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.errors import error_rays, scenario_dose
from doseplan.dose.fields import place_fields
from doseplan.dose.implants import implant_crossings
from doseplan.dose.influence import (
    EntryOperator,
    dose_influence,
    entry_operator,
    influence_rows,
    transpose,
)
from doseplan.dose.operator import DoseOperator, RayPairs, dose_operator, find_pairs
from doseplan.dose.point import point_dose, point_effect
from doseplan.dose.rays import Rays, trace_spots, with_range_error
from doseplan.dose.scenario import NOMINAL, Scenario, error_scenarios, has_scenarios
from doseplan.dose.spots import place_spots
from doseplan.dose.spread_out import spread_out_peak
from doseplan.dose.total import grid_dose, grid_effect, sample_dose

__all__ = [
    "NOMINAL",
    "DoseOperator",
    "EntryOperator",
    "RayPairs",
    "Rays",
    "Scenario",
    "beam_library",
    "course_channels",
    "daily_counts",
    "daily_dose",
    "daily_shifts",
    "depth_dose",
    "dose_influence",
    "dose_operator",
    "energy_spectra",
    "entry_operator",
    "error_rays",
    "error_scenarios",
    "find_pairs",
    "grid_dose",
    "grid_effect",
    "has_scenarios",
    "implant_crossings",
    "influence_rows",
    "place_fields",
    "place_spots",
    "point_dose",
    "point_effect",
    "sample_dose",
    "scenario_dose",
    "sensitivities",
    "spot_courses",
    "spread_out_peak",
    "trace_spots",
    "transpose",
    "water_equivalent_depth",
    "with_range_error",
]
