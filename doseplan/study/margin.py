"""The smallest separation that meets every goal: a plan above it, a proof below it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doseplan.case import Case
from doseplan.case.spec import Robustness
from doseplan.dose import has_scenarios
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import PROGRAMS, require_provable
from doseplan.study.margin_search import Tried, first_met, last_refuted
from doseplan.study.points import (
    TOTAL,
    Point,
    Record,
    Study,
    begin_study,
    check_voxels,
    is_finished,
    make_point,
    planned_point,
    proven_point,
)
from doseplan.study.sweep_table import is_impossible, least_goal
from doseplan.study.sweeping import kept_in
from doseplan.study.time_left import Took, timed

REACH_MM = (0.0, 10.0)
"""[mm] separations that are searched if nothing else is stated."""

STEP_MM = 0.5
"""[mm] the bracket is narrowed to this."""

MOST_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The smallest separation for one prescription, between what was planned and what was proven.

    Attributes
    ----------
    errors
        What the goals hold out against, in words; may be empty.
    margin_mm
        Smallest separation with a plan that meets all limits and goals; None if none was found.
    impossible_mm
        Largest separation below it at which it is proven that no plan meets the goals; None if none.
    closed
        Nothing is open between the two: they are a step apart, or the margin is the least separation
        searched, or the largest is proven impossible.
    why
        What is open, empty if nothing is.
    tried
        By rising separation.
    """

    total_gy_rbe: float
    robust: bool
    errors: str
    range_mm: tuple[float, float]
    step_mm: float
    margin_mm: float | None
    impossible_mm: float | None
    closed: bool
    why: str
    tried: tuple[Tried, ...]

    def numbers(self) -> dict[str, Any]:
        """List everything with plain types."""
        return {**asdict(self), "said": self.said()}

    def named(self) -> str:
        """Name prescription and errors."""
        return ", ".join(filter(None, [f"{self.total_gy_rbe:g} GyE", self.errors]))

    def said(self) -> str:
        """Say it in a line, for a surgeon."""
        low, high = self.range_mm
        proven = "" if self.impossible_mm is None else f"proven impossible at {_mm(self.impossible_mm)}"
        if self.margin_mm is None:
            found = f"no separation up to {_mm(high)} was found"
        elif self.margin_mm == 0.0:
            found = "0 mm, decompression alone is enough"
        elif self.margin_mm == low:
            found = f"{_mm(low)}, the least that was searched"
        else:
            found = _mm(self.margin_mm)
        parts = [f"{self.named()}: {found}", proven, f"not closed: {self.why}" if self.why else ""]
        return "; ".join(part for part in parts if part)


def smallest_margin(
    case: Case,
    *,
    total_gy_rbe: float | None = None,
    range_mm: tuple[float, float] = REACH_MM,
    step_mm: float = STEP_MM,
    robust: bool = False,
    prove: bool = True,
    programs: int = PROGRAMS,
    values: Mapping[str, float] | None = None,
    guess_mm: float | None = None,
    out: str | Path | None = None,
    progress: Progress = silent,
) -> Margin:
    """Find the smallest separation at which a plan meets every limit and goal of a case.

    The search (`first_met`) takes it that more separation never makes a plan worse. Then it is proven, if it
    can be, that no plan for these fields and spots meets the goal for the target minimum one step below; if
    not, where below that can be proven.

    Parameters
    ----------
    total_gy_rbe : [Gy(RBE)]
        Prescription; that of the case if None.
    range_mm, step_mm : [mm]
        Separations that are tried.
    robust
        Limits and goals have to hold in every error scenario that the case names, too. What is proven
        impossible as planned is so with errors.
    programs
        Most linear programs of each proof.
    values
        Other numbers of the case, by dotted key, as for `sweep`.
    guess_mm : [mm]
        The first that is tried; by default the least. It decides how many plans are made; what is found, only
        where more separation makes a plan worse.
    out
        Folder of the points, as for `sweep`; those that are there are taken.

    Returns
    -------
    Margin

    Raises
    ------
    InputError
        The range is none, the case states no goals, or as for `sweep`.
    """
    separations = _separations(range_mm, step_mm)
    require_goals(case)
    if robust:
        require_errors(case)
    if prove:
        require_provable(case)
    total = case.prescription.total_gy_rbe if total_gy_rbe is None else total_gy_rbe
    with kept_in(out) as folder:
        study = begin_study(case, folder)
        points = [make_point(case, each, {TOTAL: total, **(values or {})}) for each in separations]
        check_voxels(study, points[-1])
        tried: dict[int, Tried] = {}
        took: Took = {"plan": [], "proof": []}

        def plan(index: int) -> Tried:
            if index not in tried:
                record = _planned(study, points[index], took, len(points), progress)
                tried[index] = _tried(record, robust=robust)
            return tried[index]

        def refuted(index: int) -> bool:
            left = _left("proof", took, len(points))
            with timed(progress, f"proof for {points[index].said}", took, left, done=_done(took)) as told:
                record = proven_point(study, points[index], programs=programs, progress=told)
            tried[index] = _tried(record, robust=robust)
            return tried[index].impossible

        guess = 0 if guess_mm is None else int(np.argmin(np.abs(np.array(separations) - guess_mm)))
        found = first_met(plan, len(points), guess=guess)
        below = (len(points) if found is None else found) - 1
        proven = last_refuted(tried, plan, refuted, below) if prove and below >= 0 else None
    below = (len(separations) if found is None else found) - 1
    closed = below < 0 or proven == below
    return Margin(
        total_gy_rbe=total,
        robust=robust,
        errors=said_errors(case.robustness) if robust and case.robustness else "",
        range_mm=range_mm,
        step_mm=step_mm,
        margin_mm=None if found is None else separations[found],
        impossible_mm=None if proven is None else separations[proven],
        closed=closed,
        why="" if closed else _why(case, tried[below]),
        tried=tuple(tried[index] for index in sorted(tried)),
    )


def said_errors(robustness: Robustness) -> str:
    """Name the errors of scenarios in words."""
    named = [
        f"{size:g} {unit} {name} error"
        for size, unit, name in (
            (robustness.setup_mm, "mm", "setup"),
            (robustness.range_percent, "%", "range"),
        )
        if size > 0.0
    ]
    said = [" and ".join(named)]
    if robustness.combined and len(named) > 1:
        said.append("also at once")
    if robustness.random > 0:
        said.append(f"{robustness.random} random draws")
    if not robustness.plan:
        said.append("not planned for")
    return ", ".join(said)


def require_errors(case: Case) -> None:
    """Refuse a case that names no errors of a whole course."""
    if not has_scenarios(case.robustness):
        raise InputError(
            f"{case.name}: robustness: expected errors to hold out against, got none in the case"
        )


def require_goals(case: Case) -> None:
    """Refuse a case that states no goal, which any plan meets."""
    if not case.goal:
        raise InputError(f"{case.name}: goal: expected at least one goal to meet, got none")


def even_steps(separation_mm: Sequence[float]) -> tuple[float, ...]:
    """Give separations [mm] as a margin is searched among them; they are in rising, even steps.

    Raises
    ------
    InputError
        They are not, there is only one, or as for `smallest_margin`.
    """
    stated = [float(each) for each in separation_mm]
    if len(stated) < 2:
        raise InputError(f"separation_mm: expected at least two separations to search, got {len(stated)}")
    found = _separations((stated[0], stated[-1]), round(stated[1] - stated[0], 6))
    if len(found) != len(stated) or any(abs(a - b) > 1e-6 for a, b in zip(stated, found, strict=True)):
        raise InputError(
            "separation_mm: expected rising separations in even steps, got "
            + ", ".join(f"{each:g}" for each in stated)
        )
    return tuple(found)


def _separations(range_mm: tuple[float, float], step_mm: float) -> list[float]:
    low, high = range_mm
    if not 0.0 <= low < high <= 30.0:
        raise InputError(f"range_mm: expected 0 <= low < high <= 30, got {low:g} to {high:g}")
    if not 0.0 < step_mm <= high - low:
        raise InputError(f"step_mm: expected more than 0, at most {high - low:g}, got {step_mm:g}")
    count = round((high - low) / step_mm)
    if abs(low + count * step_mm - high) > 1e-6 * step_mm or count > MOST_STEPS:
        raise InputError(
            f"step_mm: expected a whole number of steps, at most {MOST_STEPS}, from {low:g} to {high:g}, got "
            f"steps of {step_mm:g}"
        )
    return [round(low + number * step_mm, 6) for number in range(count + 1)]


def _why(case: Case, last: Tried) -> str:
    """Say why it is open whether less separation is enough."""
    where = f"a plan at {_mm(last.separation_mm)} was not found and is not proven impossible"
    if not any(goal.min_percent is not None for goal in case.goal):
        return f"{where} (the case states no goal for the target minimum, of which proofs speak)"
    if last.goal_gye is not None and last.target_minimum_gye >= last.goal_gye:
        missed = " and ".join(last.missed)
        return f"{where} (proofs speak of the target minimum, which is met there; {missed} is not)"
    if last.bound_gye is None:
        return f"{where} (there is no proof)"
    return (
        f"{where} (goal {last.goal_gye:.2f} GyE, achieved {last.target_minimum_gye:.2f} GyE, proven maximum "
        f"{last.bound_gye:.2f} GyE)"
    )


def _planned(study: Study, point: Point, took: Took, count: int, progress: Progress) -> Record:
    """Plan a point, and name it."""
    if not is_finished(study, point):
        left = _left("plan", took, count)
        with timed(progress, point.said, took, left, done=_done(took)) as told:
            return planned_point(study, point, progress=told)
    return planned_point(study, point)


def _left(kind: str, took: Took, count: int) -> list[str]:
    """Guess the work that is left, this one first: a search of the range, two proofs."""
    plans, proofs = 1 + math.ceil(math.log2(count)), 2
    left = ["plan"] * (plans - len(took["plan"])) if kind == "plan" else []
    return [kind, *left[1:], *["proof"] * (proofs - len(took["proof"]) - (kind == "proof"))]


def _done(took: Took) -> int:
    return sum(map(len, took.values()))


def _tried(record: Record, *, robust: bool) -> Tried:
    arm, bound = record["nominal"], record.get("bound")
    missed = [goal["name"] for goal in arm["goals"] if not goal["met"]]
    least = arm["tumour"]["dmin_gye"]
    # what is proven of the worst error says nothing of the dose as planned
    speaks = bound is not None and (robust or bound["scenarios"] == 1)
    if robust:
        least = record["robust"]["target_dmin_gye"]
        held = {"limits": record["robust"]["limits_met"], "goals": record["robust"]["goals_met"]}
        missed += [f"{name} in every error scenario" for name, met in held.items() if not met]
    return Tried(
        separation_mm=record["separation_mm"],
        target_minimum_gye=least,
        cord_maximum_gye=(arm["cord"] or {}).get("max_gye"),
        goal_gye=least_goal(arm),
        goals_met=arm["limits_met"] and arm["goals_met"] and not missed,
        bound_gye=bound["dmin_upper_gye"] if bound is not None and speaks else None,
        impossible=is_impossible(record, robust=robust),
        missed=tuple(missed),
    )


def _mm(value: float) -> str:
    return f"{value:.1f} mm" if round(10.0 * value, 6).is_integer() else f"{value:g} mm"
