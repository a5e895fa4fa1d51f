"""The pipeline of one case, and studies over many."""

from doseplan.planning.bound import require_provable
from doseplan.study.definitions import definitions_csv, margins_by_definition
from doseplan.study.dicom_verdict import judge_dicom
from doseplan.study.field_choice import Choice
from doseplan.study.field_sets import choose_fields
from doseplan.study.margin import Margin, smallest_margin
from doseplan.study.margin_against import Against, margin_against, require_other_number
from doseplan.study.margin_errors import margins_of_levels, uncertainty_levels
from doseplan.study.pipeline import build_phantoms, plan_case, run_attributes
from doseplan.study.population import sample_population
from doseplan.study.population_dataset import population_csv, population_numbers, population_rows
from doseplan.study.proof import add_bounds, prove_arms
from doseplan.study.starter import scan_numbers, starter_case
from doseplan.study.sweep_table import sweep_csv, sweep_rows
from doseplan.study.sweeping import sweep
from doseplan.study.workers import Workers

__all__ = [
    "Against",
    "Choice",
    "Margin",
    "Workers",
    "add_bounds",
    "build_phantoms",
    "choose_fields",
    "definitions_csv",
    "judge_dicom",
    "margin_against",
    "margins_by_definition",
    "margins_of_levels",
    "plan_case",
    "population_csv",
    "population_numbers",
    "population_rows",
    "prove_arms",
    "require_other_number",
    "require_provable",
    "run_attributes",
    "sample_population",
    "scan_numbers",
    "smallest_margin",
    "starter_case",
    "sweep",
    "sweep_csv",
    "sweep_rows",
    "uncertainty_levels",
]
