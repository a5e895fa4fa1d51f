"""Turn what pydantic found into lines: `file: path.to[0].key: expected rule, got value`."""

import difflib
import re
from collections.abc import Iterable, Sequence, Sized
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

_TYPES = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dataclass_type": "a table",
    "too_long": "fewer entries",
    "string_too_short": "a text that is not empty",
    "string_too_long": "a shorter text",
}


def complaints(
    error: ValidationError, root: type, files: dict[str, str], *, where: str, inside: Location = ()
) -> list[str]:
    """List every mistake once, in the order of the file.

    Parameters
    ----------
    error : ValidationError
    root : type
        The dataclass that was validated; it knows the keys.
    files : dict
        First key of a path to the file that it was read from; all others are in `where`.
    where : str
        Name of the case file.
    inside
        Where in the file the dataclass stands; its top by default.
    """
    lines = []
    for detail in error.errors(include_url=False):
        if _follows(detail):
            continue
        location: Location = tuple(part for part in detail["loc"] if not str(part).startswith("function-"))
        file = where
        owner: Any = root
        if location and str(location[0]) in files:
            file = files[str(location[0])]
            owner = _owner(root, (location[0], ""))
            location = location[1:]
        place = path((*inside, *location))
        lines.append(": ".join(part for part in (file, place, _sentence(detail, owner, location)) if part))
    return list(dict.fromkeys(lines))


def path(location: Iterable[int | str]) -> str:
    """Write a location as `fields[0].gantry_deg`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest(name: str, known: Sequence[str]) -> str:
    """Ask whether the nearest known name was meant, or list the known ones."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{found[0]}'?" if found else f"known: {', '.join(sorted(known))}"


def shown(value: object) -> str:
    """Show a value as the person wrote it, cut to a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"a table of {', '.join(map(str, value)) or 'nothing'}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _owner(root: Any, location: Location) -> Any:
    """Find the dataclass that the last part of the location is a key of."""
    owner = root
    for part in location[:-1]:
        if isinstance(part, int) or not is_dataclass(owner):
            continue
        hints = {field.name: field.type for field in fields(owner)}
        owner = _dataclass_in(hints.get(str(part)))
    return owner


def _dataclass_in(hint: Any) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    return next((found for found in map(_dataclass_in, get_args(hint)) if found is not None), None)


def _follows(detail: ErrorDetails) -> bool:
    """Tell a list that counts as too short only because its entries are wrong, which has lines of its own."""
    stated = detail["input"]
    return (
        detail["type"] == "too_short"
        and isinstance(stated, Sized)
        and len(stated) >= detail["ctx"]["min_length"]
    )


def _sentence(detail: ErrorDetails, owner: Any, location: Location) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        holder = _owner(owner, location)
        known = [field.name for field in fields(holder)] if is_dataclass(holder) else []
        return f"expected a known key, got '{location[-1]}'; {nearest(str(location[-1]), known)}"
    if kind in ("missing", "missing_argument"):
        return f"expected {_what(_owner(owner, location), str(location[-1]))}, got nothing"
    if kind == "value_error":
        text = str(context["error"])
        return text if "expected" in text else f"expected a valid value, got {shown(value)} ({text})"
    if kind == "literal_error":
        return f"expected {context['expected']}, got {shown(value)}{_meant(value, context['expected'])}"
    if kind == "too_short":
        return f"expected at least {context['min_length']} entry, got {context['actual_length']}"
    return f"expected {_rule(kind, context, location) or detail['msg'].lower()}, got {shown(value)}"


def _meant(value: object, expected: str) -> str:
    """Ask for the nearest of the quoted texts, if one is near."""
    found = difflib.get_close_matches(str(value), re.findall(r"'([^']*)'", expected), n=1, cutoff=0.6)
    return f"; did you mean '{found[0]}'?" if found else ""


def _rule(kind: str, context: dict[str, Any], location: Location) -> str | None:
    key = next((str(part) for part in reversed(location) if not isinstance(part, int)), "value")
    signs = {
        "greater_than": (">", "gt"),
        "greater_than_equal": (">=", "ge"),
        "less_than": ("<", "lt"),
        "less_than_equal": ("<=", "le"),
    }
    if kind in signs:
        sign, name = signs[kind]
        return f"{key} {sign} {context[name]:g}"
    if kind == "multiple_of":
        return f"{key} as a multiple of {context['multiple_of']:g}"
    return _TYPES.get(kind)


def _what(owner: Any, key: str) -> str:
    hints = {field.name: field.type for field in fields(owner)} if is_dataclass(owner) else {}
    holder = _dataclass_in(hints.get(key))
    if holder is None:
        return "a value"
    return "a table with " + ", ".join(field.name for field in fields(holder)[:4])
