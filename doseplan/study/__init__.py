"""The pipeline of one case, and studies over many."""

from doseplan.study.pipeline import plan_case

__all__ = ["plan_case"]
