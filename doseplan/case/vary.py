"""A case with other numbers: keys of its file are changed, and it is read and checked like any case."""

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from doseplan.case.complaints import shown
from doseplan.case.read import parse_case
from doseplan.case.spec import Case, Delivery, ScanCase
from doseplan.messages import InputError

_PATH = re.compile(r"[A-Za-z_][\w-]*(\[\d+\])*(\.[A-Za-z_][\w-]*(\[\d+\])*)*")
_PART = re.compile(r"[A-Za-z_][\w-]*|\d+")


def varied(case: Case, values: Mapping[str, float]) -> Case:
    """Give the case with other numbers.

    Parameters
    ----------
    case
        As `load_case` or `parse_case` gave it.
    values
        By dotted key of the case file, as in `surgery.separation_mm` or `fields[0].gantry_deg`.

    Returns
    -------
    Case
        With a `case_toml` of its own, the same text for the same numbers.

    Raises
    ------
    InputError
        A key leads nowhere, or the reader refuses the new case; the lines are the reader's own.
    """
    where = f"{case.name}.toml"
    stated = tomllib.loads(case.case_toml)
    for key, value in values.items():
        put_number(stated, key, value, where=where)
    return _read_again(case, to_toml(stated))


def with_fields(case: Case, gantry_deg: Sequence[float]) -> Case:
    """Give the case with other fields: each covers the whole target, all are given on the same days.

    Parameters
    ----------
    gantry_deg
        One angle for each field; angles of couch and table top stay those of the case.

    Raises
    ------
    InputError
        The case has fields at several angles of couch or table top, or as `varied`.
    """
    where = f"{case.name}.toml"
    stated = tomllib.loads(case.case_toml)
    turned = {(field.couch_deg, field.roll_deg) for field in case.fields}
    if len(turned) > 1:
        raise InputError(
            f"{where}: fields: expected one couch_deg and one roll_deg for all, as only gantry angles are "
            f"chosen, got {len(turned)}"
        )
    (couch, roll), *_ = turned
    rest = {"couch_deg": plain_number(couch), "roll_deg": plain_number(roll)}
    rest = {key: value for key, value in rest.items() if value != 0}
    stated.pop("course", None)
    stated["fields"] = [{"gantry_deg": plain_number(each), **rest} for each in gantry_deg]
    return _read_again(case, to_toml(stated))


def with_finer_grid(case: Case) -> Case:
    """Give the case with half the spacing of spots and half the step of energies, as `finer_delivery`.

    Raises
    ------
    InputError
        As `varied`: one of them is finer than any that are allowed.
    """
    finer = asdict(finer_delivery(case.delivery))
    named = ("spot_spacing_mm", "layer_spacing_mm", "layer_margin_mm")
    return varied(case, {f"delivery.{name}": finer[name] for name in named})


def finer_delivery(delivery: Delivery) -> Delivery:
    """Put spots between those of a grid, which stay: half the spacing and half the step, the same margins."""
    return replace(
        delivery,
        spot_spacing_mm=0.5 * delivery.spot_spacing_mm,
        layer_spacing_mm=0.5 * delivery.layer_spacing_mm,
        layer_margin_mm=delivery.depth_margin_mm,
    )


def with_setup_error(case: Case, setup_mm: float) -> Case:
    """Give the case planned and judged for this setup error [mm]; its other errors stay, or their defaults.

    Raises
    ------
    InputError
        As `varied`.
    """
    stated = tomllib.loads(case.case_toml)
    errors = {"setup_mm": plain_number(setup_mm), "plan": True}
    stated["robustness"] = {**stated.get("robustness", {}), **errors}
    return _read_again(case, to_toml(stated))


def without_errors(case: Case) -> Case:
    """Give the case neither planned nor judged for errors; the same one if it names none."""
    stated = tomllib.loads(case.case_toml)
    if stated.pop("robustness", None) is None:
        return case
    return _read_again(case, to_toml(stated))


def as_read(case: Case) -> bool:
    """Tell whether a case is what its texts say, which was not changed after it was read."""
    return _read_again(case, case.case_toml) == case


def plain_number(value: float) -> float:
    """Give a whole number as one, so that 64 and 64.0 are the same text and whole numbers stay allowed."""
    return int(value) if math.isfinite(value) and float(value).is_integer() else float(value)


def to_toml(stated: Mapping[str, Any]) -> str:
    """Write what `tomllib` has read as TOML again, one line for each key at the top."""
    return "".join(f"{_key(key)} = {_inline(value)}\n" for key, value in stated.items())


def put_number(stated: dict[str, Any], key: str, value: float, *, where: str) -> None:
    """Set a number of what `tomllib` has read, by its dotted key; errors as `varied`."""
    if not _PATH.fullmatch(key):
        raise InputError(f"{where}: expected a key like 'fields[0].gantry_deg', got {shown(key)}")
    parts = [int(part) if part.isdigit() else part for part in _PART.findall(key)]
    _put(stated, parts, plain_number(value), f"{where}: {key}")


def _read_again(case: Case, text: str) -> Case:
    again = parse_case(text, case.anatomy_toml or None, where=f"{case.name}.toml")
    if isinstance(again, ScanCase) and isinstance(case, ScanCase):
        return replace(again, folder=case.folder)
    return again


def _put(inside: Any, parts: list[str | int], value: float, said: str) -> None:
    """Set a number in nested tables and lists; tables that the case leaves to their defaults are made."""
    head, rest = parts[0], parts[1:]
    if isinstance(head, int):
        if not isinstance(inside, list):
            raise InputError(f"{said}: expected a list in the case before [{head}], got {shown(inside)}")
        if head >= len(inside):
            raise InputError(f"{said}: expected an index below {len(inside)}, got {head}")
    elif not isinstance(inside, dict):
        raise InputError(f"{said}: expected a table in the case around '{head}', got {shown(inside)}")
    if not rest:
        inside[head] = value
        return
    if isinstance(head, str) and head not in inside:
        if isinstance(rest[0], int):
            raise InputError(f"{said}: expected {head} to be stated in the case, got nothing")
        inside[head] = {}
    _put(inside[head], rest, value, said)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)} = {_inline(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value.isoformat())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)
