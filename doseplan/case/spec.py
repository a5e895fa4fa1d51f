"""The frozen dataclasses of a case: everything that a person states, with the unit in every name."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from doseplan.case.anatomy_spec import STRICT, Anatomy
from doseplan.case.clinical_spec import Clinical
from doseplan.case.disease_spec import Hardware, Surgery, Tumour
from doseplan.case.scan_spec import Scan

Degrees = Annotated[float, Field(ge=0.0, lt=360.0)]
Roll = Annotated[float, Field(ge=-45.0, le=45.0)]
Part = Literal["left", "right", "anterior", "posterior"]
"""Of the target, seen from the middle of the cord."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """What the tumour should get."""

    __pydantic_config__ = STRICT

    total_gy_rbe: Annotated[float, Field(gt=0.0, le=200.0)]
    fractions: Annotated[int, Field(ge=1, le=60)] = 16
    scale: Literal["NIRS"] = "NIRS"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamField:
    """One treatment field.

    `part` is what it covers of the target, all of it if None. A field without a name is called after its
    number, see `doseplan.case.courses`.
    """

    __pydantic_config__ = STRICT

    gantry_deg: Degrees
    couch_deg: Degrees = 0.0
    roll_deg: Roll = 0.0
    part: Part | None = None
    name: Annotated[str, Field(min_length=1, max_length=32)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Fields that are given on the same days, by name, and on how many."""

    __pydantic_config__ = STRICT

    fields: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    fractions: Annotated[int, Field(ge=1, le=60)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How spots are laid out; `patch_overlap_mm` is how far neighbouring parts of the target overlap.

    `spot_margin_mm` is how far they reach to the side of the target, `layer_margin_mm` how far in front of it
    and behind it, in water; by default one layer.
    `nozzle_mm` is the way in air from the end of the nozzle, where the ripple filter is, to the isocentre;
    the default is of the order of those of carbon centres [from memory].
    """

    __pydantic_config__ = STRICT

    spot_spacing_mm: Annotated[float, Field(ge=1.0, le=10.0)] = 4.0
    layer_spacing_mm: Annotated[float, Field(ge=1.0, le=10.0)] = 3.0
    spot_margin_mm: Annotated[float, Field(ge=0.0, le=20.0)] = 5.0
    layer_margin_mm: Annotated[float, Field(ge=0.0, le=20.0)] | None = None
    patch_overlap_mm: Annotated[float, Field(ge=0.0, le=20.0)] = 0.0
    nozzle_mm: Annotated[float, Field(ge=0.0, le=3000.0)] = 650.0

    @property
    def depth_margin_mm(self) -> float:
        """How far spots reach in front of the target and behind it [mm of water]."""
        return self.layer_spacing_mm if self.layer_margin_mm is None else self.layer_margin_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The voxel grid of the phantom: the whole trunk of the anatomy, or the stated part of it."""

    __pydantic_config__ = STRICT

    voxel_mm: Annotated[float, Field(ge=0.5, le=5.0)] = 1.0
    x_mm: tuple[float, float] | None = None
    y_mm: tuple[float, float] | None = None
    z_mm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        for name in ("x_mm", "y_mm", "z_mm"):
            ends = getattr(self, name)
            if ends is not None and ends[1] - ends[0] < self.voxel_mm:
                raise ValueError(f"{name}: expected first < second by a voxel or more, got {list(ends)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """Errors of a whole course under which a plan is judged, and planned too if `plan` says so.

    The patient lies `setup_mm` off along one axis, either way, or all water-equivalent depths are
    `range_percent` longer or shorter; `combined` takes every shift with every range. `random` adds so many
    draws of both errors at once, normal with the same numbers as standard deviations; `seed` decides them.

    `daily_mm` is another error: a shift that is new in every fraction, its standard deviation along each
    axis. `daily_courses` whole courses are simulated, whose fractions take any of `daily_shifts` places.
    Plans are judged under it, never made for it.
    """

    __pydantic_config__ = STRICT

    setup_mm: Annotated[float, Field(ge=0.0, le=20.0)] = 2.0
    range_percent: Annotated[float, Field(ge=0.0, le=20.0)] = 3.5
    combined: bool = False
    random: Annotated[int, Field(ge=0, le=200)] = 0
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    daily_mm: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    daily_courses: Annotated[int, Field(ge=1, le=1000)] = 100
    daily_shifts: Annotated[int, Field(ge=8, le=512, multiple_of=2)] = 32
    plan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A hard limit of RBE-weighted dose: of the maximum, of the dose at a volume, or of the mean.

    Exactly one of the four doses is stated. A maximum with `volume_cm3` is one for all but the hottest part
    of that volume: the dose that this part gets at least (D at volume). `other` is tissue around the
    unoperated target that is neither cord nor target. `scale` and `fractions` may be stated; a limit on
    another scale than the prescription's is refused.
    """

    __pydantic_config__ = STRICT

    structure: Literal["cord", "target", "other"]
    max_gy_rbe: Annotated[float, Field(gt=0.0, le=200.0)] | None = None
    max_percent: Annotated[float, Field(gt=0.0, le=200.0)] | None = None
    mean_gy_rbe: Annotated[float, Field(gt=0.0, le=200.0)] | None = None
    mean_percent: Annotated[float, Field(gt=0.0, le=200.0)] | None = None
    volume_cm3: Annotated[float, Field(gt=0.0, le=1000.0)] | None = None
    scale: str | None = None
    fractions: int | None = None

    def __post_init__(self) -> None:
        """Refuse no dose or two, and a volume beside a mean."""
        names = ("max_gy_rbe", "max_percent", "mean_gy_rbe", "mean_percent")
        stated = [name for name in names if getattr(self, name) is not None]
        if len(stated) != 1:
            raise ValueError(f"expected exactly one of {', '.join(names)}, got {stated or 'none of them'}")
        if self.kind == "mean" and self.volume_cm3 is not None:
            raise ValueError(f"expected volume_cm3 beside a maximum only, got it beside {stated[0]}")

    @property
    def kind(self) -> Literal["max", "volume", "mean"]:
        """What of the structure's dose is limited."""
        if self.mean_gy_rbe is not None or self.mean_percent is not None:
            return "mean"
        return "max" if self.volume_cm3 is None else "volume"

    @property
    def percent(self) -> float | None:
        """The limit in per cent of the prescription, if it is stated so."""
        return self.max_percent if self.max_percent is not None else self.mean_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A wish: a minimum everywhere (`min_percent`), or a volume that gets a dose (`dose_percent`)."""

    __pydantic_config__ = STRICT

    structure: Literal["target"] = "target"
    min_percent: Annotated[float, Field(gt=0.0, le=110.0)] | None = None
    dose_percent: Annotated[float, Field(gt=0.0, le=110.0)] | None = None
    volume_percent: Annotated[float, Field(gt=0.0, le=100.0)] | None = None

    def __post_init__(self) -> None:
        """Refuse a goal that is incomplete or two goals in one."""
        names = ("min_percent", "dose_percent", "volume_percent")
        stated = [name for name in names if getattr(self, name) is not None]
        if stated not in (["min_percent"], ["dose_percent", "volume_percent"]):
            raise ValueError(
                "expected min_percent alone, or dose_percent with volume_percent, "
                f"got {', '.join(stated) or 'none of them'}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCheck:
    """What the voxel model of the case must have: volumes, and the staging before surgery.

    `gtv_cm3`, `target_cm3` and `escc` hold without surgery, `residual_cm3` in the arm `separated`.
    """

    __pydantic_config__ = STRICT

    gtv_cm3: Annotated[float, Field(gt=0.0)]
    target_cm3: Annotated[float, Field(gt=0.0)]
    residual_cm3: Annotated[float, Field(ge=0.0)] | None = None
    cord_cm3: Annotated[float, Field(ge=0.0)] | None = None
    sac_cm3: Annotated[float, Field(gt=0.0)] | None = None
    escc: Literal["0", "1a", "1b", "1c", "2", "3"] | None = None


DEFAULT_FIELDS = (BeamField(gantry_deg=150.0), BeamField(gantry_deg=210.0))
TISSUE_LIMIT = Constraint(structure="other", max_percent=110.0)
"""Of every case that states no limit of other tissue (assumed): without one, all that the target minimum
gains would be taken from the tissue around."""

DEFAULT_CONSTRAINTS = (
    Constraint(structure="cord", max_gy_rbe=50.0),
    Constraint(structure="target", max_percent=110.0),
    TISSUE_LIMIT,
)
DEFAULT_GOALS = (Goal(min_percent=90.0), Goal(dose_percent=95.0, volume_percent=95.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomCase:
    """One case on a phantom: anatomy, tumour, surgery, hardware, prescription, fields, limits and goals.

    Without a `course` all fields are given every day, without `robustness` plans are judged without errors.
    `material` gives tissues another row of data/materials.csv. The last three are not keys of the file: what
    was assumed, and the texts that the case was read from.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(min_length=1)]
    anatomy: Anatomy
    tumour: Tumour
    surgery: Surgery
    prescription: Prescription
    hardware: Hardware | None = None
    clinical: Clinical | None = None
    fields: Annotated[tuple[BeamField, ...], Field(min_length=1)] = DEFAULT_FIELDS
    course: tuple[Course, ...] = ()
    delivery: Delivery = Delivery()
    grid: Grid = Grid()
    constraint: tuple[Constraint, ...] = DEFAULT_CONSTRAINTS
    goal: tuple[Goal, ...] = DEFAULT_GOALS
    prv_margin_mm: Annotated[float, Field(ge=0.0, le=10.0)] = 2.0
    robustness: Robustness | None = None
    material: dict[str, str] = field(default_factory=dict)
    check: CaseCheck | None = None
    assumptions: tuple[str, ...] = ()
    case_toml: str = ""
    anatomy_toml: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCase:
    """One case on a patient's CT: the same but for the anatomy and the tumour, which are contours.

    `folder` is that of the case file, which the path of the CT starts from; like the three before it, it is
    not a key of the file.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(min_length=1)]
    ct: Scan
    surgery: Surgery
    prescription: Prescription
    clinical: Clinical | None = None
    fields: Annotated[tuple[BeamField, ...], Field(min_length=1)] = DEFAULT_FIELDS
    course: tuple[Course, ...] = ()
    delivery: Delivery = Delivery()
    grid: Grid = Grid()
    constraint: tuple[Constraint, ...] = DEFAULT_CONSTRAINTS
    goal: tuple[Goal, ...] = DEFAULT_GOALS
    prv_margin_mm: Annotated[float, Field(ge=0.0, le=10.0)] = 2.0
    robustness: Robustness | None = None
    assumptions: tuple[str, ...] = ()
    case_toml: str = ""
    anatomy_toml: str = ""
    folder: str = ""


Case = PhantomCase | ScanCase
"""What a person states: on a phantom, or on a CT."""
