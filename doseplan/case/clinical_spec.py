"""The frozen dataclasses of what is known of the patient: descriptors that never change a plan."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from doseplan.case.anatomy_spec import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sins:
    """The findings of the Spinal Instability Neoplastic Score (Fisher 2010, Spine 35(22):E1221)."""

    __pydantic_config__ = STRICT

    location: Literal["junctional", "mobile", "semirigid", "rigid"]
    pain: Literal["mechanical", "occasional", "none"]
    lesion: Literal["lytic", "mixed", "blastic"]
    alignment: Literal["subluxation", "deformity", "normal"]
    collapse: Literal["over_half", "under_half", "body_involved", "none"]
    posterolateral: Literal["both_sides", "one_side", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DumbbellPoints:
    """Points of each feature of the dumbbell score; the defaults are assumed."""

    __pydantic_config__ = STRICT

    diameter: Annotated[int, Field(ge=0, le=10)] = 2
    lobulated: Annotated[int, Field(ge=0, le=10)] = 1
    boundary_lost: Annotated[int, Field(ge=0, le=10)] = 1
    osteolysis: Annotated[int, Field(ge=0, le=10)] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumbbell:
    """The imaging features of the dumbbell score (Matsumoto 2016, Spine 41(20):E1230)."""

    __pydantic_config__ = STRICT

    diameter_mm: Annotated[float, Field(gt=0.0, le=500.0)]
    lobulated: bool
    boundary_lost: bool
    osteolysis: bool
    points: DumbbellPoints = DumbbellPoints()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinical:
    """Histology, neurology (Frankel A, no function, to E, normal), scores, doubt of the imaging."""

    __pydantic_config__ = STRICT

    histology: str | None = None
    frankel: Literal["A", "B", "C", "D", "E"] | None = None
    imaging_uncertainty_mm: Annotated[float, Field(ge=0.0, le=20.0)] | None = None
    sins: Sins | None = None
    dumbbell: Dumbbell | None = None
