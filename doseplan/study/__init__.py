"""The pipeline of one case, and studies over many."""

from doseplan.study.pipeline import build_phantoms, plan_case, run_attributes

__all__ = ["build_phantoms", "plan_case", "run_attributes"]
