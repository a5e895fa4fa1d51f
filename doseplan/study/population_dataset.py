"""The anatomies of a population as one labelled Dataset, and as rows of a table."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case import Case, Population
from doseplan.case.levels import morphometry
from doseplan.case.population import Anatomy, assumed_of_population, levels_of, unit_of
from doseplan.dose import has_scenarios
from doseplan.study import ranking, shares

Record = Mapping[str, Any]

TRIED = {"tried_target_minimum": "target_minimum_gye", "tried_cord_maximum": "cord_maximum_gye"}
"""What is told of each separation that was planned, and where the numbers of a margin have it."""


def population_dataset(
    case: Case,
    population: Population,
    drawn: Sequence[Anatomy],
    separations: Sequence[float],
    records: Sequence[Record],
    *,
    seed: int,
) -> xr.Dataset:
    """Put what was found for all anatomies together, with percentiles and a ranking of what drives them.

    Parameters
    ----------
    separations : [mm]
    records
        Of each anatomy, `nominal` and `robust` the numbers of its margins, None if it was refused.

    Returns
    -------
    Dataset over anatomy, separation, errors, percentile, outcome, driver
    """
    errors = ["nominal", *(["robust"] if has_scenarios(case.robustness) else [])]
    margin = np.array([[_margin(record, name) for record in records] for name in errors])
    labels = rbe_model(case.prescription.scale).attributes(case.prescription.fractions)
    data = {
        "margin": schema.variable("margin", margin),
        "margin_impossible": schema.variable("margin_impossible", [_impossible(each) for each in records]),
        "refused": schema.variable("refused", [bool(each["why"]) for each in records]),
    }
    tried = {name: _tried(records, separations, key) for name, key in TRIED.items()}
    data |= {name: schema.variable(name, values, **labels) for name, values in tried.items()}
    data |= _percentiles(margin, separations)
    values = {name: [_as_number(each.drawn[name]) for each in drawn] for name in population.names}
    outcomes = {
        "margin" if name == "nominal" else "margin with errors": each
        for name, each in zip(errors, margin, strict=True)
    }
    outcomes[f"target minimum at {separations[0]:g} mm"] = tried["tried_target_minimum"][:, 0]
    ranked, why = _ranked(values, outcomes)
    data |= ranked
    coordinates: dict[str, Any] = {
        "anatomy": [each.number for each in drawn],
        "separation": schema.variable("separation", separations),
        "errors": errors,
        "percentile": schema.variable("percentile", shares.PERCENTS),
        "outcome": list(outcomes),
        "driver": list(population.names),
        "reason": ("anatomy", ["; ".join(each["why"]) for each in records]),
        **_drawn(case, population, drawn),
    }
    attributes = {
        "case": case.name,
        "population": population.name,
        "seed": seed,
        "drawn": [str(name) for name in _drawn(case, population, drawn)],
        "not_ranked": why,
        "uncertainty": shares.HOW,
        "ranking": ranking.HOW,
        "assumptions": [*assumed_of_population(case, population), *case.assumptions],
    }
    return schema.check(xr.Dataset(data, coords=coordinates, attrs=attributes), *data)


def population_rows(found: xr.Dataset) -> list[dict[str, Any]]:
    """List anatomies: what was drawn, margins, and doses at each separation; None where there is no value."""
    rows = []
    for place in range(found.sizes["anatomy"]):
        one = found.isel(anatomy=place)
        refused = bool(one["refused"])
        row: dict[str, Any] = {"anatomy": int(one["anatomy"])}
        row |= {name: _plain(one[name].item()) for name in found.attrs["drawn"]}
        for name in found["errors"].values:
            margin = float(one["margin"].sel(errors=name))
            ahead = "" if name == "nominal" else f"{name}_"
            row[f"{ahead}margin_mm"] = _plain(margin)
            row[f"{ahead}verdict"] = _verdict(margin)
        row["margin_impossible_mm"] = _plain(one["margin_impossible"].item())
        for name, key in TRIED.items():
            for separation in found["separation"].values:
                dose = one[name].sel(separation=separation).item()
                row[f"{key.removesuffix('_gye')}_at_{separation:g}_mm_gye"] = _plain(dose)
        row["reason"] = str(one["reason"].item()) if refused else ""
        rows.append(row)
    return rows


def population_csv(found: xr.Dataset) -> str:
    """Write the rows of a population as CSV, header first; cells without a value are empty."""
    rows = population_rows(found)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def population_numbers(found: xr.Dataset) -> dict[str, Any]:
    """Sum a population up in plain types: percentiles, share without a margin, ranking, what was refused.

    A separation above the range is None, with `above_range` true beside it.
    """
    refused = found["refused"].values
    judged = int((~refused).sum())
    margins: dict[str, Any] = {}
    for name in map(str, found["errors"].values):
        one = found.sel(errors=name)
        margins[name] = {
            "percentiles": [_percentile(one.sel(percentile=each)) for each in found["percentile"].values],
            "none_in_range": {
                "share": float(one["none_in_range"]),
                "low": float(one["none_in_range_low"]),
                "high": float(one["none_in_range_high"]),
                "anatomies": int(np.isinf(one["margin"].values).sum()),
            },
        }
    return {
        "case": found.attrs["case"],
        "population": found.attrs["population"],
        "seed": found.attrs["seed"],
        "anatomies": found.sizes["anatomy"],
        "judged": judged,
        "refused": [
            {"anatomy": int(number), "why": str(why)}
            for number, why, no in zip(found["anatomy"].values, found["reason"].values, refused, strict=True)
            if no
        ],
        "range_mm": [float(found["separation"][0]), float(found["separation"][-1])],
        "margins": margins,
        "ranking": {str(name): _drivers(found.sel(outcome=name)) for name in found["outcome"].values},
        "not_ranked": found.attrs["not_ranked"],
        "uncertainty": found.attrs["uncertainty"],
        "how_ranked": found.attrs["ranking"],
        "assumptions": list(found.attrs["assumptions"]),
    }


def _margin(record: Record, name: str) -> float:
    if record[name] is None:
        return math.nan
    found = record[name]["margin_mm"]
    return math.inf if found is None else float(found)


def _impossible(record: Record) -> float:
    found = None if record["nominal"] is None else record["nominal"]["impossible_mm"]
    return math.nan if found is None else float(found)


def _tried(records: Sequence[Record], separations: Sequence[float], key: str) -> np.ndarray[Any, Any]:
    """Lay out what was found at each separation; the same plans are judged with errors and without."""
    found = np.full((len(records), len(separations)), np.nan)
    for place, record in enumerate(records):
        for name in ("nominal", "robust"):
            for tried in [] if record[name] is None else record[name]["tried"]:
                value = tried[key]
                if value is not None:
                    found[place, list(separations).index(tried["separation_mm"])] = value
    return found


def _percentiles(margin: np.ndarray[Any, Any], separations: Sequence[float]) -> dict[str, xr.Variable]:
    """Give percentiles and shares of the anatomies that were judged, each between its ends."""
    judged = [row[~np.isnan(row)] for row in margin]
    found = {
        "margin_percentile": [
            [shares.percentile(row, each, least=separations[0]) for each in shares.PERCENTS] for row in judged
        ],
        "margin_share": [
            [shares.share(int((row <= each).sum()), row.size) for each in separations] for row in judged
        ],
    }
    without = [shares.share(int(np.isinf(row).sum()), row.size) for row in judged]
    data = {}
    for ending, part in (("", "value"), ("_low", "low"), ("_high", "high")):
        for stem, rows in found.items():
            name = f"{stem}{ending}"
            data[name] = schema.variable(name, [[getattr(each, part) for each in row] for row in rows])
        name = f"none_in_range{ending}"
        data[name] = schema.variable(name, [getattr(each, part) for each in without])
    return data


def _ranked(
    values: Mapping[str, Sequence[float]], outcomes: Mapping[str, Sequence[float]]
) -> tuple[dict[str, xr.Variable], list[str]]:
    """Rank what was drawn for every outcome; NaN, and the reason, where that says nothing."""
    parts: dict[str, Callable[[ranking.Driver], float]] = {
        "rank_correlation": lambda driver: driver.correlation,
        "rank_correlation_low": lambda driver: driver.low,
        "rank_correlation_high": lambda driver: driver.high,
        "rank_share": lambda driver: driver.share,
        "rank_chance": lambda driver: driver.chance,
    }
    found = [{each.name: each for each in ranking.rank_drivers(values, row)} for row in outcomes.values()]
    data = {
        name: schema.variable(
            name, [[part(row[each]) if each in row else np.nan for each in values] for row in found]
        )
        for name, part in parts.items()
    }
    return data, [f"{name}: {why}" for name, row in outcomes.items() if (why := ranking.why_not_ranked(row))]


def _drawn(case: Case, population: Population, drawn: Sequence[Anatomy]) -> dict[str, xr.Variable]:
    """Give what was drawn along `anatomy`, and the millimetres that a percentile is at the drawn level."""
    found: dict[str, xr.Variable] = {}
    for name in ("level", "posture"):
        if name in population.names:
            found[name] = xr.Variable("anatomy", [str(each.drawn[name]) for each in drawn])
    for number in population.number:
        unit = unit_of(number)
        plain = number.name.replace(" ", "_")
        column = f"{plain}_drawn" if unit == "1" else f"{plain}_{unit}"
        values = np.array([float(each.drawn[number.name]) for each in drawn])
        shown = {"percentile": "%", "percent": "%"}.get(unit, unit)
        found[column] = xr.Variable("anatomy", values, {"units": shown, "long_name": number.name})
        for dimension in number.percentile:
            unit = morphometry().get(levels_of(case, population)[0], {}).get(dimension, (0, 0, "mm"))[2]
            sizes = np.array([_size(each, dimension) for each in drawn])
            said = {"units": unit, "long_name": f"{dimension} of the drawn level"}
            found[f"{dimension}_{unit}"] = xr.Variable("anatomy", sizes, said)
    return found


def _size(anatomy: Anatomy, dimension: str) -> float:
    """Give a dimension of the level at z = 0, NaN if it has none or the anatomy was refused."""
    if anatomy.case is None:
        return math.nan
    whole = anatomy.case.anatomy
    level = next(each for each in whole.level if each.name == whole.origin_below)
    found = getattr(level, dimension)
    return next((getattr(found, unit) for unit in ("mm", "mm2", "percent") if hasattr(found, unit)), math.nan)


def _as_number(value: float | str) -> float:
    """Give a draw as a number to rank by: levels from head to feet, supine before prone."""
    if isinstance(value, str):
        levels = list(morphometry())
        return float(levels.index(value)) if value in levels else float(value == "prone")
    return float(value)


def _percentile(one: xr.Dataset) -> dict[str, Any]:
    found = {name: float(one[f"margin_percentile{ending}"]) for name, ending in _ENDS.items()}
    row: dict[str, Any] = {"percent": float(one["percentile"]), "above_range": math.isinf(found["margin_mm"])}
    return row | {name: _plain(value) for name, value in found.items()}


_ENDS = {"margin_mm": "", "low_mm": "_low", "high_mm": "_high"}


def _drivers(one: xr.Dataset) -> list[dict[str, Any]]:
    rows = [
        {
            "driver": str(name),
            "rank_correlation": float(each["rank_correlation"]),
            "low": float(each["rank_correlation_low"]),
            "high": float(each["rank_correlation_high"]),
            "share": float(each["rank_share"]),
            "chance": float(each["rank_chance"]),
            "told_from_chance": float(each["rank_chance"]) < ranking.LEVEL,
        }
        for name in one["driver"].values
        for each in [one.sel(driver=name)]
        if not math.isnan(float(each["rank_share"]))
    ]
    return sorted(rows, key=lambda row: -row["share"])


def _verdict(margin: float) -> str:
    if math.isnan(margin):
        return "refused"
    return "none in range" if math.isinf(margin) else "found"


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) or math.isfinite(value) else None
