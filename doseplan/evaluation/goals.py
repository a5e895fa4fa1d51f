"""Verdict on every limit and goal of a case."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doseplan.biology import rbe_attributes, require_same_scale
from doseplan.case.limits import limit_gy_rbe
from doseplan.case.spec import Case, Constraint, Goal
from doseplan.evaluation.volume import Array, dose_at_volume, volume_percent_at
from doseplan.messages import InputError
from doseplan.schema import STRUCTURES

Verdict = dict[str, Any]


def verdicts(case: Case, dose: Array, volume: Array, structure: NDArray[np.integer]) -> list[Verdict]:
    """Judge every limit (hard) and goal (wish) of a case.

    Parameters
    ----------
    dose : (sample,) [Gy(RBE)]
    volume : (sample,) [cm3]
    structure : (sample,)
        Codes of `schema.STRUCTURES`.

    Returns
    -------
    list of {name, structure, value, comparator, limit, unit, hard, met, scale, fractions}
        A limit on the cord is met below it, one on anything else at it or below it.

    Raises
    ------
    InputError
        A limit asks for the dose at more volume than its structure has.
    """

    def of(name: str) -> tuple[Array, Array]:
        own = structure == STRUCTURES[name]
        return dose[own], volume[own]

    limits = [_judge_constraint(case, limit, *of(limit.structure)) for limit in case.constraint]
    return [*limits, *(_judge_goal(case, goal, *of(goal.structure)) for goal in case.goal)]


def limit_name(limit: Constraint) -> str:
    """Name what a limit limits: "cord maximum", "cord D0.03cc", "other tissue mean"."""
    metric = {"max": "maximum", "volume": f"D{limit.volume_cm3 or 0.0:g}cc", "mean": "mean"}[limit.kind]
    return f"{'other tissue' if limit.structure == 'other' else limit.structure} {metric}"


def limited_value(limit: Constraint, dose: Array, volume: Array) -> float:
    """Compute what a limit speaks of [Gy(RBE)]: the maximum of a structure, its dose at a volume, its mean.

    Parameters
    ----------
    dose, volume : (sample,) [Gy(RBE)], [cm3]
        Of the structure; without samples its dose is 0.
    """
    if dose.size == 0:
        return 0.0
    if limit.kind == "max":
        return float(dose.max())
    if limit.kind == "mean":
        return float(np.sum(volume * dose) / volume.sum())
    assert limit.volume_cm3 is not None
    if limit.volume_cm3 >= volume.sum():
        raise InputError(
            f"constraint: volume_cm3: expected less than the {limit.structure} has "
            f"({volume.sum():.3g} cm3), got {limit.volume_cm3:g}"
        )
    return dose_at_volume(dose, volume, limit.volume_cm3)


def _judge_constraint(case: Case, constraint: Constraint, dose: Array, volume: Array) -> Verdict:
    own = rbe_attributes(case.prescription.fractions)
    stated = {"scale": constraint.scale, "fractions": constraint.fractions}
    require_same_scale(own, {**own, **{key: value for key, value in stated.items() if value is not None}})
    found, limit = limited_value(constraint, dose, volume), limit_gy_rbe(case, constraint)
    strict = constraint.structure == "cord"
    in_percent = constraint.percent is not None
    scale = 100.0 / case.prescription.total_gy_rbe if in_percent else 1.0
    return {
        "name": limit_name(constraint),
        "structure": constraint.structure,
        "value": found * scale,
        "comparator": "<" if strict else "<=",
        "limit": constraint.percent if in_percent else limit,
        "unit": "% of prescription" if in_percent else "Gy(RBE)",
        "hard": True,
        "met": found < limit if strict else found <= limit,
        "value_gye": found,
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
