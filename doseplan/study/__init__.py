"""The pipeline of one case, and studies over many."""

from doseplan.study.pipeline import plan_case, run_attributes

__all__ = ["plan_case", "run_attributes"]
