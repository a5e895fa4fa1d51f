"""Verdicts on a finished dose."""

from doseplan.evaluation.agreement import agreement
from doseplan.evaluation.arm import evaluate_arm
from doseplan.evaluation.bodies import body_doses
from doseplan.evaluation.cord_model import CordRisk, radiosurgery_share, schultheiss
from doseplan.evaluation.daily import daily_bands, daily_metrics
from doseplan.evaluation.definitions import doses_by_definition
from doseplan.evaluation.fractionation import bed, eqd2, total_of_eqd2
from doseplan.evaluation.gamma import gamma_percent
from doseplan.evaluation.grid import judge_grid
from doseplan.evaluation.let import dose_let_histogram, let_volume_histogram, volume_above
from doseplan.evaluation.robust import histogram_bands, robust_metrics, scenario_name
from doseplan.evaluation.run import evaluate, judge_arm
from doseplan.evaluation.staging import dumbbell_score, phantom_numbers, sins, staging
from doseplan.evaluation.volume import dose_volume_histogram

__all__ = [
    "CordRisk",
    "agreement",
    "bed",
    "body_doses",
    "daily_bands",
    "daily_metrics",
    "dose_let_histogram",
    "dose_volume_histogram",
    "doses_by_definition",
    "dumbbell_score",
    "eqd2",
    "evaluate",
    "evaluate_arm",
    "gamma_percent",
    "histogram_bands",
    "judge_arm",
    "judge_grid",
    "let_volume_histogram",
    "phantom_numbers",
    "radiosurgery_share",
    "robust_metrics",
    "scenario_name",
    "schultheiss",
    "sins",
    "staging",
    "total_of_eqd2",
    "volume_above",
]
