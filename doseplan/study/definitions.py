"""Which definition of the cord's dose? Margins read off from the points of a sweep, one for each.

Plans are those of the sweep, made for the limits of its case. A point whose plan meets the limit by another
definition, and the goals, shows that its separation is enough by that definition; a plan that was made for it
might do with less.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan.anatomy import build_phantom, place_samples
from doseplan.case import Case
from doseplan.case.limits import cord_limit
from doseplan.case.vary import plain_number
from doseplan.dose import beam_library
from doseplan.evaluation.definitions import METRICS, STRUCTURES, Doses, doses_by_definition
from doseplan.exchange.studies import (
    finished_points,
    read_point,
    read_point_definitions,
    read_point_numbers,
    read_point_spots,
    write_point_definitions,
)
from doseplan.messages import InputError, Progress, silent
from doseplan.study.points import SEPARATION, TOTAL, Point, Record, Study, begin_study, make_point, with_bound
from doseplan.study.sweep_table import is_impossible

Row = dict[str, Any]


def margins_by_definition(
    case: Case, points: Path, *, lem1_limit_gy_rbe: float | None = None, progress: Progress = silent
) -> list[Row]:
    """Read off the smallest separation of a sweep that is enough by each definition of the cord's dose.

    Parameters
    ----------
    case
        Of the sweep.
    points
        Its folder; doses of each point are kept there at once.
    lem1_limit_gy_rbe : [Gy(RBE)]
        Limit on the scale of LEM I; by default the number of the case's own limit, which is another dose.

    Returns
    -------
    list of rows
        For each choice of other numbers, prescription, structure, metric and scale: `case`, `limit_gy_rbe`,
        `margin_mm` (None if no point is enough), `impossible_mm` (largest separation below it that is proven
        impossible, None without a proof), `proof` ("closed" if that is the point right below, "open" if it is
        further below, "least" if the margin is the least separation of the sweep, "none" where nothing is
        proven), `separations_mm`.

    Raises
    ------
    InputError
        The folder is of another case, has no point with a separation, or the case has no cord limit.
    """
    limits = _limits(case, lem1_limit_gy_rbe)
    study = begin_study(case, points)
    groups = _groups(study)
    if not groups:
        raise InputError(f"{points}: expected points that `doseplan sweep` has finished, got none")
    stored = [point for group in groups.values() for point in group]
    doses = {}
    library: list[xr.Dataset] = []
    for number, point in enumerate(stored):
        progress(f"cord by each definition, {point.said}", number / len(stored))
        doses[point.digest] = _doses(study, point, library)
    records = {each.digest: with_bound(study, each, _record(study, each)) for each in stored}
    return [
        row
        for others, group in groups.items()
        for row in _rows(dict(others), [(each, records[each.digest]) for each in group], doses, limits)
    ]


def definitions_csv(rows: Sequence[Row]) -> str:
    """Write the rows as CSV, header first; cells without a value are empty."""
    text = io.StringIO()
    names = [name for name in rows[0] if name not in ("values", "separations_mm")]
    keys = list(dict.fromkeys(key for row in rows for key in row["values"]))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, *names])
    writer.writerows(
        [*(row["values"].get(key) for key in keys), *(row[name] for name in names)] for row in rows
    )
    return text.getvalue()


def _limits(case: Case, lem1_limit_gy_rbe: float | None) -> dict[str, float]:
    """Give the limit by scale [Gy(RBE)]."""
    own = cord_limit(case)
    if own is None:
        raise InputError(f"{case.name}: constraint: expected a limit of the cord, got none")
    return {case.prescription.scale: own, "LEM1": own if lem1_limit_gy_rbe is None else lem1_limit_gy_rbe}


def _groups(study: Study) -> dict[tuple[tuple[str, float], ...], list[Point]]:
    """List the finished points of a folder by their other numbers, those of a group by rising separation."""
    found: dict[tuple[tuple[str, float], ...], list[Point]] = {}
    for name in finished_points(study.folder):
        stated = read_point_numbers(study.folder, name)
        if stated["separation_mm"] is not None:
            others = {key: value for key, value in stated["values"].items() if key != SEPARATION}
            point = make_point(study.base, stated["separation_mm"], others)
            found.setdefault(tuple(sorted(others.items())), []).append(point)
    return {
        others: sorted(group, key=lambda each: each.separation_mm or 0.0)
        for others, group in sorted(found.items())
    }


def _record(study: Study, point: Point) -> Record:
    record = read_point(study.folder, point.name, digest=point.digest)
    assert record is not None, "it is one of the finished points"
    return record


def _doses(study: Study, point: Point, library: list[xr.Dataset]) -> Doses:
    """Compute the doses of a point and keep them; take them if they are there."""
    kept = read_point_definitions(study.folder, point.name, digest=point.digest)
    if kept is None:
        if not library:
            library.append(beam_library())
        phantom = build_phantom(point.case, separation_mm=point.separation_mm)
        samples, spots = place_samples(phantom, point.case), read_point_spots(study.folder, point.name)
        doses = doses_by_definition(point.case, phantom, samples, spots, library[0])
        kept = {"digest": point.digest, "doses": doses}
        write_point_definitions(study.folder, point.name, kept)
    found: Doses = kept["doses"]
    return found


def _rows(
    others: Mapping[str, float],
    group: Sequence[tuple[Point, Record]],
    doses: Mapping[str, Doses],
    limits: Mapping[str, float],
) -> list[Row]:
    """Read off every definition from points of rising separation."""
    values = {key: plain_number(value) for key, value in others.items() if key != TOTAL}
    own_scale = next(iter(limits))
    rows = []
    for structure, metric, (scale, limit) in product(STRUCTURES, METRICS, limits.items()):
        enough = [
            doses[point.digest][structure][metric][scale] < limit and record["nominal"]["goals_met"]
            for point, record in group
        ]
        # dura and PRV hold the cord: what is impossible below its maximum is so below theirs
        carries = metric == "max" and scale == own_scale
        impossible = [carries and is_impossible(record) for _, record in group]
        rows.append(
            {
                "values": values,
                "case": group[0][0].case.name,
                "total_gye": others[TOTAL],
                "structure": structure,
                "metric": metric,
                "scale": scale,
                "fractions": group[0][0].case.prescription.fractions,
                "limit_gy_rbe": limit,
                **_bracket([point.separation_mm for point, _ in group], enough, impossible),
            }
        )
    return rows


def _bracket(
    separations: Sequence[float | None], enough: Sequence[bool], impossible: Sequence[bool]
) -> dict[str, Any]:
    """Find the first separation that is enough, and the last below it that is proven impossible."""
    first = enough.index(True) if any(enough) else len(enough)
    refuted = [number for number in range(first) if impossible[number]]
    if first == 0:
        proof = "least"
    elif not refuted:
        proof = "none"
    else:
        proof = "closed" if refuted[-1] == first - 1 else "open"
    return {
        "margin_mm": separations[first] if first < len(enough) else None,
        "impossible_mm": separations[refuted[-1]] if refuted else None,
        "proof": proof,
        "separations_mm": list(separations),
    }
