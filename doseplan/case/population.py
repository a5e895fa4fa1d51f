"""Populations: read what differs between patients, and make the case of one anatomy from its draws."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from statistics import NormalDist
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doseplan.case.assume import UNSOURCED
from doseplan.case.complaints import complaints, nearest
from doseplan.case.levels import SPREAD_PERCENT, morphometry
from doseplan.case.population_spec import NumberDraw, Population
from doseplan.case.read import parse_case, parse_toml, read_text
from doseplan.case.spec import Case, PhantomCase
from doseplan.case.vary import plain_number, put_number, to_toml
from doseplan.messages import InputError

Drawn = dict[str, float | str]
"""What was drawn, by name: a level, a posture, a percentile, or a number in the unit of its key."""

LOWEST, HIGHEST = 0.1, 99.9
"""[%] percentiles that are drawn, which are those that an anatomy may state."""

DIGITS = 6
"""Significant digits of a drawn number, which its case states."""

_OF_THE_LEVELS = ("name", "level", "trunk", "check")
"""Parts of an anatomy that belong to its own run of levels: a drawn run has those of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """One anatomy of a population.

    Attributes
    ----------
    number
        From 0, in the order of the draws.
    case
        None if the reader refuses it.
    why
        Its lines then.
    """

    number: int
    drawn: Drawn
    case: PhantomCase | None
    why: tuple[str, ...] = ()


def read_population(path: str | Path | None = None) -> Population:
    """Read a table of what differs between patients; the bundled one if none is stated.

    Raises
    ------
    InputError
        With one line for each mistake of the file.
    """
    if path is None:
        text = (resources.files("doseplan.data") / "population.toml").read_text(encoding="utf-8")
        return parse_population(text, where="population.toml")
    return parse_population(read_text(Path(path), "a population (TOML)"), where=Path(path).name)


def parse_population(text: str, *, where: str = "population.toml") -> Population:
    """Make a population from its text; errors as `read_population`."""
    stated = parse_toml(text, where)
    if "toml" in stated:
        raise InputError(f"{where}: toml: expected a known key, got 'toml'")
    try:
        found = _reader().validate_json(json.dumps(stated, default=str))
    except ValidationError as error:
        raise InputError(*complaints(error, Population, {}, where=where)) from None
    wrong = [
        f"{where}: number[{index}].percentile: expected dimensions of a level, got '{each}'; "
        f"{nearest(each, sorted(_dimensions()))}"
        for index, number in enumerate(found.number)
        for each in number.percentile
        if each not in _dimensions()
    ]
    unknown = [] if found.level is None else [each for each in found.level.names if each not in morphometry()]
    wrong += [f"{where}: level.names: expected levels from C3 to L5, got '{each}'" for each in unknown]
    if wrong:
        raise InputError(*wrong)
    return replace(found, toml=text)


def levels_of(case: Case, population: Population) -> list[str]:
    """Name the levels that are drawn for a case, from head to feet or as stated.

    Raises
    ------
    InputError
        The case has no anatomy that can be drawn.
    """
    own = _phantom(case).anatomy.origin_below
    if population.level is None or population.level.names:
        return [own] if population.level is None else list(population.level.names)
    table = list(morphometry())
    if own not in table:
        raise InputError(
            f"{case.name}: anatomy.origin_below: expected a level of the morphometry, as its neighbours are "
            f"drawn, got '{own}'"
        )
    near = range(table.index(own) - (population.level.neighbours or 0), table.index(own) + 1)
    far = range(table.index(own) + 1, table.index(own) + 1 + (population.level.neighbours or 0))
    return [table[index] for index in (*near, *far) if 0 <= index < len(table)]


def draw_anatomy(case: Case, population: Population, share: tuple[float, ...], number: int) -> Anatomy:
    """Make one anatomy from its place in the unit cube.

    Parameters
    ----------
    share
        From 0 to 1 for each of `population.names`: how many of a population are below.
    number
        Of the anatomy, for its name.
    """
    drawn: Drawn = {}
    for name, part in zip(population.names, share, strict=True):
        if name == "level":
            weights = () if population.level is None else population.level.weights
            drawn[name] = _chosen(levels_of(case, population), weights, part)
        elif name == "posture":
            assert population.posture is not None
            drawn[name] = "prone" if 100.0 * part < population.posture.prone_percent else "supine"
        else:
            stated = next(each for each in population.number if each.name == name)
            drawn[name] = _number(stated, part)
    try:
        return Anatomy(number=number, drawn=drawn, case=_case_of(case, population, drawn, number))
    except InputError as error:
        return Anatomy(number=number, drawn=drawn, case=None, why=error.lines)


def assumed_of_population(case: Case, population: Population) -> tuple[str, ...]:
    """Write what a population assumes, as sentences: sources that are none, and spreads of the table."""
    parts = [("level", population.level), ("posture", population.posture)]
    said = [f"{name} ({part.source})" for name, part in parts if part is not None and _unsourced(part.source)]
    said += [
        f"{number.name}{_range_of(number)} ({number.source})"
        for number in population.number
        if _unsourced(number.source)
    ]
    lines = [f"population: {each}" for each in said]
    without = {
        dimension: [
            level
            for level in levels_of(case, population)
            if (row := morphometry().get(level, {}).get(dimension)) is not None and row[1] is None
        ]
        for number in population.number
        for dimension in number.percentile
    }
    spread = [f"{dimension} of {', '.join(levels)}" for dimension, levels in without.items() if levels]
    if spread:
        lines.append(f"population: no spread is published, {SPREAD_PERCENT:g} % assumed: {'; '.join(spread)}")
    if population.level is not None:
        lines.append("population: levels and trunk are those of the morphometry around the drawn level")
    return (
        *lines,
        "population: all numbers are drawn independently of each other; spines are straight",
        "population: what the case itself assumes is of its own anatomy, before any draw",
    )


def unit_of(number: NumberDraw) -> str:
    """Give the unit of a draw by the ending of its key: mm, deg, percent, percentile, or 1."""
    if number.percentile:
        return "percentile"
    ending = number.keys[0].rpartition("_")[2]
    return ending if ending in ("mm", "deg", "percent", "cm3", "ml") else "1"


def _case_of(case: Case, population: Population, drawn: Drawn, number: int) -> PhantomCase:
    """Write the case of one anatomy, its anatomy inside, and read it like any case."""
    base = _phantom(case)
    name = f"{base.name} {number:04d}"
    stated = tomllib.loads(base.case_toml) | {"name": name}
    stated.pop("check", None)
    anatomy: dict[str, Any] = tomllib.loads(base.anatomy_toml) if base.anatomy_toml else stated["anatomy"]
    anatomy = {key: value for key, value in anatomy.items() if key != "check"}
    if "level" in drawn:
        anatomy = {key: value for key, value in anatomy.items() if key not in _OF_THE_LEVELS}
        anatomy |= _moved(base, str(drawn["level"]))
    if "posture" in drawn:
        anatomy["posture"] = drawn["posture"]
    percentiles = {
        dimension: plain_number(float(drawn[each.name]))
        for each in population.number
        for dimension in each.percentile
    }
    if percentiles:
        anatomy["percentile"] = _percentiles(anatomy.get("percentile")) | percentiles
    stated["anatomy"] = anatomy
    for each in population.number:
        for key in each.keys:
            put_number(stated, key, float(drawn[each.name]), where=f"{base.name}.toml")
    found = parse_case(to_toml(stated), None, where=f"{base.name}.toml")
    assert isinstance(found, PhantomCase)
    return found


def _phantom(case: Case) -> PhantomCase:
    if isinstance(case, PhantomCase):
        return case
    raise InputError(
        f"{case.name}: expected a case on a phantom, whose anatomy can be drawn, got one on a CT"
    )


def _moved(case: PhantomCase, level: str) -> dict[str, str]:
    """Give the run around a drawn level, with as many levels to either side as the case has."""
    table, own = list(morphometry()), [each.name for each in case.anatomy.level]
    above = own.index(case.anatomy.origin_below)
    at = table.index(level)
    first, last = max(at - above, 0), min(at + len(own) - 1 - above, len(table) - 1)
    return {"levels": f"{table[first]}-{table[last]}", "origin_below": level}


def _percentiles(stated: object) -> dict[str, Any]:
    """Give the case's own percentiles by dimension; one number stands for all of them."""
    if isinstance(stated, Mapping):
        return dict(stated)
    return {} if stated is None else dict.fromkeys(sorted(_dimensions()), stated)


def _number(stated: NumberDraw, share: float) -> float:
    if stated.percentile:
        found = LOWEST + (HIGHEST - LOWEST) * share
    elif stated.uniform is not None:
        found = stated.uniform[0] + (stated.uniform[1] - stated.uniform[0]) * share
    elif stated.normal is not None:
        found = _cut_normal(NormalDist(*stated.normal), stated.within, share)
    else:
        return float(stated.values[min(int(share * len(stated.values)), len(stated.values) - 1)])
    return float(f"{found:.{DIGITS}g}")


def _cut_normal(normal: NormalDist, within: tuple[float, float] | None, share: float) -> float:
    low, high = (0.0, 1.0) if within is None else (normal.cdf(within[0]), normal.cdf(within[1]))
    part = low + (high - low) * share
    return normal.inv_cdf(min(max(part, 1e-12), 1.0 - 1e-12))


def _chosen(names: list[str], weights: tuple[float, ...], share: float) -> str:
    every = weights or (1.0,) * len(names)
    reached = 0.0
    for name, weight in zip(names, every, strict=True):
        reached += weight / math.fsum(every)
        if share < reached:
            return name
    return names[-1]


def _range_of(number: NumberDraw) -> str:
    for name in ("uniform", "normal", "values"):
        stated = getattr(number, name)
        if stated:
            return f" {name} {', '.join(f'{each:g}' for each in stated)}"
    return ""


def _unsourced(source: str) -> bool:
    return source.lower().startswith(UNSOURCED)


@cache
def _dimensions() -> frozenset[str]:
    return frozenset(dimension for row in morphometry().values() for dimension in row)


@cache
def _reader() -> TypeAdapter[Population]:
    return TypeAdapter(Population)
