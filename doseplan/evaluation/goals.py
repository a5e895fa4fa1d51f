"""Verdict on every limit and goal of a case."""

from typing import Any

from doseplan.biology import rbe_attributes, require_same_scale
from doseplan.case.spec import Case, Constraint, Goal
from doseplan.evaluation.volume import Array, Mask, volume_percent_at

Verdict = dict[str, Any]


def verdicts(case: Case, dose: Array, volume: Array, masks: dict[str, Mask]) -> list[Verdict]:
    """Judge every limit (hard) and goal (wish) of a case.

    Parameters
    ----------
    dose : (sample,) [Gy(RBE)]
    volume : (sample,) [cm3]
    masks
        Samples of "cord" and "target".

    Returns
    -------
    list of {name, structure, value, comparator, limit, unit, hard, met, scale, fractions}
        A limit on the cord is met below it, one on the target at it or below it.
    """
    limits = [
        _judge_constraint(case, constraint, dose[masks[constraint.structure]])
        for constraint in case.constraint
    ]
    goals = [
        _judge_goal(case, goal, dose[masks[goal.structure]], volume[masks[goal.structure]])
        for goal in case.goal
    ]
    return [*limits, *goals]


def limit_gy_rbe(case: Case, constraint: Constraint) -> float:
    """Give the maximum of a constraint in Gy(RBE)."""
    if constraint.max_gy_rbe is not None:
        return constraint.max_gy_rbe
    assert constraint.max_percent is not None
    return 0.01 * constraint.max_percent * case.prescription.total_gy_rbe


def _judge_constraint(case: Case, constraint: Constraint, dose: Array) -> Verdict:
    own = rbe_attributes(case.prescription.fractions)
    stated = {"scale": constraint.scale, "fractions": constraint.fractions}
    require_same_scale(own, {**own, **{key: value for key, value in stated.items() if value is not None}})
    highest, limit = float(dose.max()), limit_gy_rbe(case, constraint)
    strict = constraint.structure == "cord"
    in_percent = constraint.max_gy_rbe is None
    scale = 100.0 / case.prescription.total_gy_rbe if in_percent else 1.0
    return {
        "name": f"{constraint.structure} maximum",
        "structure": constraint.structure,
        "value": highest * scale,
        "comparator": "<" if strict else "<=",
        "limit": constraint.max_percent if in_percent else limit,
        "unit": "% of prescription" if in_percent else "Gy(RBE)",
        "hard": True,
        "met": highest < limit if strict else highest <= limit,
        "value_gye": highest,
        "limit_gye": limit,
        **_labels(case),
    }


def _judge_goal(case: Case, goal: Goal, dose: Array, volume: Array) -> Verdict:
    total = case.prescription.total_gy_rbe
    common = {"structure": goal.structure, "comparator": ">=", "hard": False, **_labels(case)}
    if goal.min_percent is not None:
        lowest, level = float(dose.min()), 0.01 * goal.min_percent * total
        return {
            "name": f"{goal.structure} minimum",
            "value": 100.0 * lowest / total,
            "limit": goal.min_percent,
            "unit": "% of prescription",
            "met": lowest >= level,
            "value_gye": lowest,
            "limit_gye": level,
            **common,
        }
    assert goal.dose_percent is not None
    assert goal.volume_percent is not None
    level = 0.01 * goal.dose_percent * total
    share = volume_percent_at(dose, volume, level)
    return {
        "name": f"{goal.structure} V{goal.dose_percent:g}",
        "value": share,
        "limit": goal.volume_percent,
        "unit": "% of volume",
        "met": share >= goal.volume_percent,
        "level_gye": level,
        **common,
    }


def _labels(case: Case) -> dict[str, Any]:
    attributes = rbe_attributes(case.prescription.fractions)
    return {"scale": attributes["scale"], "fractions": attributes["fractions"]}
