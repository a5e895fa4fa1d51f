"""The points of a sweep as one labelled Dataset, and as rows of a table."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case import Case
from doseplan.study.points import Record

METRICS = {
    "target_minimum": ("tumour", "dmin_gye"),
    "target_maximum": ("tumour", "dmax_gye"),
    "cord_maximum": ("cord", "max_gye"),
    "cord_d0_03cc": ("cord", "d0_03cc_gye"),
    "cord_d0_1cc": ("cord", "d0_1cc_gye"),
    "cord_d1cc": ("cord", "d1cc_gye"),
    "cord_limit": ("cord", "limit_gye"),
    **{f"target_d{each}": ("tumour", f"d{each}_gye") for each in (98, 95, 50, 2)},
    "strip_minimum": ("strip", "dmin_gye"),
    **{f"strip_d{each}": ("strip", f"d{each}_gye") for each in (98, 95, 50, 2)},
    **{f"target_v{each}": ("tumour", f"v{each}_percent") for each in (95, 90)},
    **{f"strip_v{each}": ("strip", f"v{each}_percent") for each in (95, 90)},
    "target_volume": ("tumour", "volume_cm3"),
    "strip_volume": ("strip", "volume_cm3"),
}
"""What is reported of each point, and where the arm of a summary has it."""

ROBUST = {
    "worst_target_minimum": "target_dmin_gye",
    "worst_cord_maximum": "cord_max_gye",
    "robust_pass": "pass_percent",
}
ROBUST_MET = {"robust_limits_met": "limits_met", "robust_goals_met": "goals_met"}
"""The same of error scenarios, for cases that name errors."""

DAILY: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "daily_target_minimum": lambda daily: daily["target_dmin_gye"]["p5"],
    "daily_cord_maximum": lambda daily: daily["cord_max_gye"]["p95"],
    "daily_pass": lambda daily: daily["pass_percent"],
}
"""The same of courses with a new shift every day, for cases that name one."""

ENDINGS = {"Gy(RBE)": "_gye", "%": "_percent", "cm3": "_cm3", "mm": "_mm", "1": ""}
"""Columns carry their unit in the name."""

Place = tuple[int, int, int]


def sweep_dataset(
    case: Case,
    separations: Sequence[float],
    totals: Sequence[float],
    variants: Sequence[Mapping[str, float]],
    records: Mapping[Place, Record],
) -> xr.Dataset:
    """Put the records of all points on the grid of a sweep.

    Parameters
    ----------
    separations : [mm]
    totals : [Gy(RBE)]
    variants
        The other numbers, by dotted key.
    records
        By place in (variant, prescription, separation), each with `nominal` and `bound`.

    Returns
    -------
    Dataset over variant, prescription, separation
    """
    shape = (len(variants), len(totals), len(separations))
    first = records[0, 0, 0]
    verdicts = [goal["name"] for goal in first["nominal"]["goals"]]
    robust, daily = first.get("robust") is not None, "daily" in first["nominal"]
    of_errors = ((*ROBUST, "worst_target_minimum_bound"), (*ROBUST_MET, "robust_goal_impossible"))
    more = of_errors if robust else ((), ())
    names = (*METRICS, *_OF_BOUND, *more[0], *(DAILY if daily else ()))
    numbers = {name: np.full(shape, np.nan) for name in names}
    truths = {name: np.zeros(shape, np.bool_) for name in (*_VERDICTS, *more[1])}
    met = np.zeros((*shape, len(verdicts)), np.bool_)
    for place, record in records.items():
        arm, bound = record["nominal"], record.get("bound")
        found = {name: (arm[part] or {}).get(key) for name, (part, key) in METRICS.items()}
        found["target_minimum_goal"] = least_goal(arm)
        proven = {} if bound is None else {bound["scenarios"] > 1: bound["dmin_upper_gye"]}
        found["target_minimum_bound"] = proven.get(False)
        verdict = {"limits_met": arm["limits_met"], "goals_met": arm["goals_met"]}
        verdict["goal_impossible"] = is_impossible(record)
        if robust:
            found |= {name: record["robust"][key] for name, key in ROBUST.items()}
            verdict |= {name: record["robust"][key] for name, key in ROBUST_MET.items()}
            found["worst_target_minimum_bound"] = proven.get(True)
            verdict["robust_goal_impossible"] = is_impossible(record, robust=True)
        if daily:
            found |= {name: read(arm["daily"]) for name, read in DAILY.items()}
        for name, value in found.items():
            numbers[name][place] = math.nan if value is None else value
        for name, value in verdict.items():
            truths[name][place] = value
        met[place] = [goal["met"] for goal in arm["goals"]]
    labels = rbe_model(case.prescription.scale).attributes(case.prescription.fractions)
    data = {
        name: schema.variable(name, values, **(labels if schema.VARIABLES[name].rbe_weighted else {}))
        for name, values in numbers.items()
    }
    data |= {name: schema.variable(name, values) for name, values in truths.items()}
    data["goal_met"] = schema.variable("goal_met", met)
    coordinates: dict[str, Any] = {
        "separation": schema.variable("separation", separations),
        "prescription": schema.variable("prescription", totals),
        "variant": [", ".join(f"{key} = {value:g}" for key, value in each.items()) for each in variants],
        "verdict": verdicts,
    }
    coordinates |= {key: ("variant", [each[key] for each in variants]) for key in variants[0]}
    attributes = {"case": case.name, "varied": list(variants[0]), "assumptions": list(case.assumptions)}
    return schema.check(xr.Dataset(data, coords=coordinates, attrs=attributes), *data)


_OF_BOUND = ("target_minimum_goal", "target_minimum_bound")
_VERDICTS = ("limits_met", "goals_met", "goal_impossible")


def least_goal(arm: Mapping[str, Any]) -> float | None:
    """Give the goal for the target minimum [Gy(RBE)], the highest of several; None if there is none."""
    levels = [goal["limit_gye"] for goal in arm["goals"] if goal["name"] == "target minimum"]
    return max(levels, default=None)


def is_impossible(record: Record, *, robust: bool = False) -> bool:
    """Tell whether it is proven that no plan meets the goal for the target minimum at this point.

    Parameters
    ----------
    robust
        In every error. A bound as planned bounds the lowest of all errors, too, but not the other way round.
    """
    goal, bound = least_goal(record["nominal"]), record.get("bound")
    if goal is None or bound is None or (bound["scenarios"] > 1 and not robust):
        return False
    return bool(bound["dmin_upper_gye"] < goal)


def sweep_rows(sweep: xr.Dataset) -> list[dict[str, Any]]:
    """List the points of a sweep: numbers that were varied, then metrics, None where there is no value."""
    rows = []
    shape = sweep["target_minimum"].shape
    for place in np.ndindex(shape):
        variant, total, separation = place
        row: dict[str, Any] = {key: float(sweep[key].values[variant]) for key in sweep.attrs["varied"]}
        row["total_gye"] = float(sweep["prescription"].values[total])
        row["separation_mm"] = float(sweep["separation"].values[separation])
        for name, values in sweep.data_vars.items():
            if name == "goal_met":
                met = zip(sweep["verdict"].values, values.values[place], strict=True)
                row |= {f"{str(verdict).replace(' ', '_')}_met": bool(each) for verdict, each in met}
            else:
                row[f"{name}{ENDINGS[values.attrs['units']]}"] = _plain(values.values[place])
        rows.append(row)
    return rows


def sweep_csv(sweep: xr.Dataset) -> str:
    """Write the rows of a sweep as CSV, header first; cells without a value are empty."""
    rows = sweep_rows(sweep)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(value: Any) -> float | bool | None:
    if isinstance(value, np.bool_):
        return bool(value)
    number = float(value)
    return None if math.isnan(number) else number
