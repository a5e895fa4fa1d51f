"""The frozen dataclasses of a case: everything that a person states, with the unit in every name."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Degrees = Annotated[float, Field(ge=0.0, lt=360.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """What the tumour should get."""

    __pydantic_config__ = STRICT

    total_gy_rbe: Annotated[float, Field(gt=0.0, le=200.0)]
    fractions: Annotated[int, Field(ge=1, le=60)] = 16
    scale: Literal["NIRS"] = "NIRS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surgery:
    """What the surgeon does in the arm `separated`, and how the target is drawn afterwards."""

    __pydantic_config__ = STRICT

    separation_mm: Annotated[float, Field(ge=0.0, le=30.0)]
    ctv_margin_mm: Annotated[float, Field(ge=0.0, le=20.0)] = 0.0
    ctv_keeps_resected: bool = False
    cavity_material: str = "csf"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamField:
    """One treatment field."""

    __pydantic_config__ = STRICT

    gantry_deg: Degrees
    couch_deg: Degrees = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How spots are laid out."""

    __pydantic_config__ = STRICT

    spot_spacing_mm: Annotated[float, Field(ge=1.0, le=10.0)] = 4.0
    layer_spacing_mm: Annotated[float, Field(ge=1.0, le=10.0)] = 3.0
    spot_margin_mm: Annotated[float, Field(ge=0.0, le=20.0)] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The voxel grid of the phantom."""

    __pydantic_config__ = STRICT

    voxel_mm: Annotated[float, Field(ge=0.5, le=5.0)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A hard maximum of RBE-weighted dose; exactly one of the two maxima is stated."""

    __pydantic_config__ = STRICT

    structure: Literal["cord", "target"]
    max_gy_rbe: Annotated[float, Field(gt=0.0)] | None = None
    max_percent: Annotated[float, Field(gt=0.0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A wish: a minimum everywhere (`min_percent`), or a volume that gets a dose (`dose_percent`)."""

    __pydantic_config__ = STRICT

    structure: Literal["target"] = "target"
    min_percent: Annotated[float, Field(gt=0.0, le=110.0)] | None = None
    dose_percent: Annotated[float, Field(gt=0.0, le=110.0)] | None = None
    volume_percent: Annotated[float, Field(gt=0.0, le=100.0)] | None = None


DEFAULT_FIELDS = (BeamField(gantry_deg=150.0), BeamField(gantry_deg=210.0))
DEFAULT_CONSTRAINTS = (
    Constraint(structure="cord", max_gy_rbe=50.0),
    Constraint(structure="target", max_percent=110.0),
)
DEFAULT_GOALS = (Goal(min_percent=90.0), Goal(dose_percent=95.0, volume_percent=95.0))

# The specs Anatomy and Tumour belong here too: the parametric spine and the mass on it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: anatomy, tumour, surgery, prescription, fields, limits and goals."""

    __pydantic_config__ = STRICT

    name: str
    surgery: Surgery
    prescription: Prescription
    fields: tuple[BeamField, ...] = DEFAULT_FIELDS
    delivery: Delivery = Delivery()
    grid: Grid = Grid()
    constraint: tuple[Constraint, ...] = DEFAULT_CONSTRAINTS
    goal: tuple[Goal, ...] = DEFAULT_GOALS
    assumptions: tuple[str, ...] = field(default=())
