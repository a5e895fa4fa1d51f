"""Field sets by name: what `fields = { set = "..." }` stands for, written out as fields."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from doseplan.case.anatomy_spec import STRICT
from doseplan.case.complaints import complaints
from doseplan.case.spec import Degrees, Roll

Stated = dict[str, Any]

KEYS: dict[str, tuple[str, ...]] = {
    "posterior": (),
    "posterior_oblique_pair": ("angle_deg",),
    "lateral": ("side",),
    "patch": ("split", "angle_deg"),
    "patch anterior_posterior": ("split", "side"),
}
"""Keys that a set takes beside `couch_deg` and `roll_deg`; a patch by its split."""

OBLIQUE_DEG = 30.0
PATCH_DEG = 45.0
"""[deg] default angles from straight behind (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSet:
    """A named arrangement of fields.

    `angle_deg` is measured from straight behind towards each side; `side` is the one that a lateral field
    comes from; `split` says how a patch divides the target at the cord.
    """

    __pydantic_config__ = STRICT

    set: Literal["posterior", "posterior_oblique_pair", "lateral", "patch"]
    angle_deg: Annotated[float, Field(gt=0.0, le=90.0)] | None = None
    side: Literal["left", "right", "both"] | None = None
    split: Literal["left_right", "anterior_posterior"] | None = None
    couch_deg: Degrees = 0.0
    roll_deg: Roll = 0.0

    def __post_init__(self) -> None:
        """Refuse keys that say nothing about this set."""
        name = f"{self.set} {self.split}" if f"{self.set} {self.split}" in KEYS else self.set
        for key in ("angle_deg", "side", "split"):
            if getattr(self, key) is not None and key not in KEYS[name]:
                known = ", ".join((*KEYS[name], "couch_deg", "roll_deg"))
                raise ValueError(f"expected keys of the set {name} ({known}), got '{key}'")
        if self.set == "patch" and self.side == "both":
            raise ValueError("expected one side of a patch, 'left' or 'right', got 'both'")


def expand_fields(stated: Stated, *, where: str) -> tuple[Stated, list[str]]:
    """Write out the fields of a case that names a set; a list of fields stays as it is.

    Returns
    -------
    stated : the keys of the case, with a list of fields; without fields and courses if the set is wrong
    lines : what is wrong with the set
    """
    if not isinstance(stated.get("fields"), dict):
        return stated, []
    try:
        found: FieldSet = TypeAdapter(FieldSet).validate_json(json.dumps(stated["fields"], default=str))
    except ValidationError as error:
        rest = {key: value for key, value in stated.items() if key not in ("fields", "course")}
        return rest, complaints(error, FieldSet, {}, where=where, inside=("fields",))
    shared = {"couch_deg": found.couch_deg, "roll_deg": found.roll_deg}
    return {**stated, "fields": [{**field, **shared} for field in _fields(found)]}, []


def _fields(stated: FieldSet) -> list[Stated]:
    """List gantry angle, name and part of each field; the patient's left is at 90 degrees."""
    lateral = {"left": 90.0, "right": 270.0}
    if stated.set == "posterior":
        return [{"gantry_deg": 180.0, "name": "posterior"}]
    if stated.set == "lateral":
        sides = ("left", "right") if stated.side in (None, "both") else (stated.side,)
        return [{"gantry_deg": lateral[side], "name": side} for side in sides if side is not None]
    if stated.split == "anterior_posterior":
        return [
            {"gantry_deg": 180.0, "name": "posterior", "part": "posterior"},
            {"gantry_deg": lateral[stated.side or "left"], "name": "anterior", "part": "anterior"},
        ]
    patch = stated.set == "patch"
    angle = stated.angle_deg or (PATCH_DEG if patch else OBLIQUE_DEG)
    turned = {"left": 180.0 - angle, "right": 180.0 + angle}
    return [
        {"gantry_deg": gantry, "name": side, **({"part": side} if patch else {})}
        for side, gantry in turned.items()
    ]
