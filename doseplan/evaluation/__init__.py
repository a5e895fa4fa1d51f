"""Verdicts on a finished dose."""

from doseplan.evaluation.arm import evaluate_arm
from doseplan.evaluation.fractionation import eqd2
from doseplan.evaluation.run import evaluate
from doseplan.evaluation.volume import dose_volume_histogram

__all__ = ["dose_volume_histogram", "eqd2", "evaluate", "evaluate_arm"]
