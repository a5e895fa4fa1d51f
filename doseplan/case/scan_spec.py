"""The frozen dataclasses of a patient's CT: which file, which structures, how its numbers are read."""

import itertools
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from doseplan.case.anatomy_spec import STRICT

CurvePoint = tuple[float, float, float]
"""CT number [HU], density [g/cm3], stopping power relative to water."""

ROLES = ("cord", "dura", "tumour", "target", "body")
"""What a structure of a CT can stand for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A material in place of what the CT shows: inside a structure, or above a CT number."""

    __pydantic_config__ = STRICT

    material: str
    structure: str | None = None
    above_hu: Annotated[float, Field(ge=-1024.0, le=60000.0)] | None = None

    def __post_init__(self) -> None:
        """Refuse no place or two."""
        stated = [name for name in ("structure", "above_hu") if getattr(self, name) is not None]
        if len(stated) != 1:
            raise ValueError(f"expected exactly one of structure, above_hu, got {stated or 'neither'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A CT with contours, as `doseplan import` writes it.

    A structure that is not named is found by its alias.

    Without `dura` the separation is measured from the cord's contour. `curve` is a named table of
    data/hu_curves.csv, or rising points of CT number, density and stopping power ratio.
    """

    __pydantic_config__ = STRICT

    file: Annotated[str, Field(min_length=1)]
    cord: str | None = None
    dura: str | None = None
    tumour: str | None = None
    target: str | None = None
    body: str | None = None
    curve: Literal["schneider", "matrad"] | Annotated[tuple[CurvePoint, ...], Field(min_length=2)] = (
        "schneider"
    )
    override: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a curve that does not rise in CT number, or is not positive."""
        if isinstance(self.curve, str):
            return
        numbers = [point[0] for point in self.curve]
        if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
            raise ValueError(f"curve: expected rising CT numbers, got {numbers}")
        if min(min(point[1:]) for point in self.curve) <= 0.0:
            raise ValueError("curve: expected densities and ratios > 0, got one that is not")
