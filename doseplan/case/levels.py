"""Anatomies from one table: a run of levels, drawn at a percentile, and the trunk of its region."""

import csv
import re
from functools import cache
from importlib import resources
from statistics import NormalDist
from typing import Any

from doseplan.case.complaints import nearest, shown

Stated = dict[str, Any]

SPREAD_PERCENT = 8.0
"""[%] standard deviation of a dimension for which none is published (assumed)."""

SMALLEST = 0.2
"""A drawn dimension is at least this part of the median."""

CLEARANCE_MM = {"sac": ("canal", 1.5), "cord": ("sac", 1.0)}
"""Drawn sacs and cords are cut to leave this much of what they lie in (assumed)."""

CONUS = {
    "level": "L1",
    "percent": 83.0,
    "source": "Spine 1998;23(13), 504 adults: mean in the lower third of L1; its middle assumed",
}
LUNG_BASE = ("T12", 0.5)
"""The recess of the diaphragm ends at this level, this part of the body below its upper end (assumed)."""

BONE = {"body_shell": {"mm": 1.0, "source": "assumed"}, "arch_shell": {"mm": 1.8, "source": "assumed"}}

_RUN = re.compile(r"^\s*([CTL]\d{1,2})(?:\s*-\s*([CTL]\d{1,2}))?\s*$")


@cache
def morphometry() -> dict[str, dict[str, tuple[float, float | None, str, str]]]:
    """Read data/vertebra_morphometry.csv: `{level: {dimension: (value, sd, unit, source)}}`, head to feet."""
    found: dict[str, dict[str, tuple[float, float | None, str, str]]] = {}
    for row in _rows("vertebra_morphometry.csv"):
        spread = float(row["sd"]) if row["sd"] else None
        value = (float(row["value"]), spread, row["unit"], row["source"])
        found.setdefault(row["level"], {})[row["dimension"]] = value
    return found


def height_mm(level: str) -> float:
    """Give the height of a body of the table on its axis."""
    row = morphometry()[level]
    return (row["body_height_anterior"][0] + row["body_height_posterior"][0]) / 2


def landmark_mm(level: str, share: float, *, origin_below: str) -> float | None:
    """Find z of a place in a level of the table, by its median dimensions.

    Parameters
    ----------
    share : part of the body below its upper end
    origin_below : z = 0 is the middle of the disc below this level

    Returns
    -------
    z : [mm], None if one of the levels is not in the table
    """
    table = morphometry()
    if level not in table or origin_below not in table:
        return None
    tops, z = {}, 0.0
    for name, row in table.items():
        tops[name] = z
        z -= height_mm(name) + row["disc_below"][0]
    origin = tops[origin_below] - height_mm(origin_below) - table[origin_below]["disc_below"][0] / 2
    return tops[level] - share * height_mm(level) - origin


def expand_anatomy(stated: Stated) -> tuple[Stated, list[str]]:
    """Fill an anatomy that states a run of `levels` from the table; one that does not stays as it is.

    Returns
    -------
    anatomy : with every level, the trunk of the region, and what was stated over both
    wrong : a line `path: expected rule, got value` for each mistake
    """
    if "levels" not in stated:
        wrong = [
            f"{key}: expected together with levels, the run to draw, got no levels"
            for key in ("percentile",)
            if key in stated
        ]
        return {key: value for key, value in stated.items() if key != "percentile"}, wrong
    names, wrong = _run(stated["levels"])
    if wrong:
        return stated, wrong
    percentiles, lines = _percentiles(stated.get("percentile", 50.0))
    overrides, more = _overrides(stated.get("level", []), names)
    origin = stated.get("origin_below", _middle(names))
    wrong = [*lines, *more]
    if origin not in names:
        wrong.append(f"origin_below: expected one of {', '.join(names)}, got {shown(origin)}")
    if wrong:
        return stated, wrong
    whole: Stated = {
        "name": stated.get("name", f"{names[0]}-{names[-1]}" if len(names) > 1 else names[0]),
        "origin_below": origin,
        "conus": CONUS,
        "bone": BONE | _table(stated, "bone"),
        "level": [_level(name, percentiles, overrides.get(name, {})) for name in names],
    }
    whole["trunk"] = _trunk(whole["level"], str(origin)) | _table(stated, "trunk")
    rest = {
        key: value
        for key, value in stated.items()
        if key not in ("levels", "level", "percentile", "trunk", "bone", "name")
    }
    return whole | rest, []


def region_of(level: str) -> str:
    """Name the region of the trunk that a level lies in: neck, thorax or abdomen."""
    return {"C": "neck", "L": "abdomen"}.get(level[:1], "thorax")


def _run(text: object) -> tuple[list[str], list[str]]:
    table = list(morphometry())
    found = _RUN.match(text) if isinstance(text, str) else None
    if found is None:
        return [], [f"levels: expected a run of levels such as 'T10-L1', got {shown(text)}"]
    ends = [found[1], found[2] or found[1]]
    unknown = [name for name in ends if name not in table]
    if unknown:
        return [], [f"levels: expected levels from C3 to L5, got {shown(unknown[0])}"]
    first, last = (table.index(name) for name in ends)
    if first > last:
        return [], [f"levels: expected the upper level first, got {shown(text)}"]
    return table[first : last + 1], []


def _percentiles(stated: object) -> tuple[dict[str, float], list[str]]:
    """Read `percentile`: a number for all dimensions, or a table by dimension."""
    dimensions = sorted({dimension for row in morphometry().values() for dimension in row})
    if isinstance(stated, dict):
        given = dict(stated)
        wrong = [
            f"percentile.{key}: expected a dimension of a level, got '{key}'; {nearest(key, dimensions)}"
            for key in given
            if key not in dimensions
        ]
    else:
        given, wrong = dict.fromkeys(dimensions, stated), []
    wrong += [
        f"percentile.{key}: expected 0.1 <= percentile <= 99.9, got {shown(value)}"
        for key, value in given.items()
        if not _is_percentile(value)
    ]
    return given, wrong if isinstance(stated, dict) else wrong[:1]


def _is_percentile(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.1 <= value <= 99.9


def _overrides(stated: object, names: list[str]) -> tuple[dict[str, Stated], list[str]]:
    found: dict[str, Stated] = {}
    wrong = []
    for index, level in enumerate(stated if isinstance(stated, list) else [stated]):
        name = level.get("name") if isinstance(level, dict) else None
        if name not in names:
            wrong.append(f"level[{index}].name: expected one of {', '.join(names)}, got {shown(name)}")
            continue
        if name in found:
            wrong.append(f"level[{index}].name: expected each name once, got '{name}' again")
        found[name] = level
        wrong += [
            f"level[{index}].{key}.percentile: expected 0.1 <= percentile <= 99.9 alone, got {shown(value)}"
            for key, value in level.items()
            if isinstance(value, dict)
            and "percentile" in value
            and (len(value) > 1 or not _is_percentile(value["percentile"]) or key not in morphometry()[name])
        ]
    return found, wrong


def _level(name: str, percentiles: dict[str, float], stated: Stated) -> Stated:
    """Draw one level and put what is stated over it."""
    chosen = {
        key: value["percentile"]
        for key, value in stated.items()
        if isinstance(value, dict) and "percentile" in value
    }
    level: Stated = {"name": name}
    for dimension, row in morphometry()[name].items():
        level[dimension] = _drawn(row, chosen.get(dimension, percentiles.get(dimension, 50.0)))
    kept = {key: value for key, value in stated.items() if key not in chosen}
    return _fitted(level, kept) | kept


def _drawn(row: tuple[float, float | None, str, str], percentile: float) -> Stated:
    value, spread, unit, source = row
    if percentile == 50.0:
        return {unit: value, "source": source}
    away = NormalDist().inv_cdf(percentile / 100.0)
    sigma = spread if spread is not None else SPREAD_PERCENT / 100.0 * value
    text = f"percentile {percentile:g} of a normal distribution: {source}"
    if spread is None:
        text = f"assumed: spread of {SPREAD_PERCENT:g} %, percentile {percentile:g}: {source}"
    return {unit: round(max(value + away * sigma, SMALLEST * value), 4), "source": text}


def _fitted(level: Stated, stated: Stated) -> Stated:
    """Cut a drawn sac to fit the canal, and a drawn cord to fit the sac."""
    fitted = dict(level)
    for inner, (outer, clearance) in CLEARANCE_MM.items():
        for way in ("depth", "width"):
            key, around = f"{inner}_{way}", f"{outer}_{way}"
            if key not in fitted or key in stated:
                continue
            room = stated.get(around, fitted[around]).get("mm")
            if not isinstance(room, int | float) or fitted[key]["mm"] <= room - clearance:
                continue
            fitted[key] = {
                "mm": round(max(room - clearance, 0.5 * room), 4),
                "source": f"assumed: cut to leave {clearance:g} mm of the {outer}: {fitted[key]['source']}",
            }
    return fitted


def _trunk(levels: list[Stated], origin: str) -> Stated:
    """Trunk of the region of the origin, as high as the run allows with z = 0 in its middle."""
    region = region_of(origin)
    trunk: dict[str, Stated] = {
        row["dimension"]: {"mm": float(row["value"]), "source": row["source"]}
        for row in _rows("trunk.csv")
        if row["region"] == region
    }
    above = below = 0.0
    passed = False
    for level in levels:
        height = sum(_number(level, f"body_height_{side}") for side in ("anterior", "posterior")) / 2
        disc = _number(level, "disc_below")
        if passed:
            below += height + disc
        else:
            above += height + disc
        if level["name"] == origin:
            passed = True
            above -= disc / 2
            below += disc / 2
    height = 2.0 * min(above, below)
    trunk["height"] = {"mm": round(max(height, 20.0), 1), "source": "assumed: the run of levels around z = 0"}
    base = landmark_mm(*LUNG_BASE, origin_below=origin)
    if base is not None and "chest_wall" in trunk and trunk["height"]["mm"] / 2 - base > 1.0:
        reach = round(trunk["height"]["mm"] / 2 - base, 1)
        trunk["lung_reach"] = {"mm": reach, "source": "assumed: recess of the diaphragm at the middle of T12"}
    return trunk


def _number(level: Stated, key: str) -> float:
    value = level[key].get("mm") if isinstance(level[key], dict) else None
    return float(value) if isinstance(value, int | float) else 0.0


def _middle(names: list[str]) -> str:
    """Choose the level whose lower disc is nearest to the middle of the run."""
    table = morphometry()
    ends, z = [], 0.0
    for name in names:
        z += height_mm(name) + table[name]["disc_below"][0]
        ends.append(z - table[name]["disc_below"][0] / 2)
    return min(names, key=lambda name: abs(ends[names.index(name)] - z / 2))


def _table(stated: Stated, key: str) -> Stated:
    value = stated.get(key, {})
    return value if isinstance(value, dict) else {}


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("doseplan.data") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
