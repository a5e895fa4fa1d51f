"""The pipeline of one case, and studies over many."""

from doseplan.study.pipeline import build_phantoms, plan_case, run_attributes
from doseplan.study.starter import scan_numbers, starter_case

__all__ = ["build_phantoms", "plan_case", "run_attributes", "scan_numbers", "starter_case"]
