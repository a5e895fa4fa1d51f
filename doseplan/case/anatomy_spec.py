"""The frozen dataclasses of an anatomy file: every dimension with its unit and its source."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Source = Annotated[str, Field(min_length=1)]
"""Where a number is from; one that starts with `assumed` or `from memory` is listed in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A length with its source."""

    __pydantic_config__ = STRICT

    mm: Annotated[float, Field(gt=0.0)]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area with its source."""

    __pydantic_config__ = STRICT

    mm2: Annotated[float, Field(gt=0.0)]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of another length, in percent, with its source."""

    __pydantic_config__ = STRICT

    percent: Annotated[float, Field(ge=0.0, le=100.0)]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One vertebra, the disc below it, and the sac and cord at its height.

    A level without `cord_*` has none: the conus ends above it. `prone_shift` is how far the cord moves
    forwards when the patient lies prone.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(min_length=1)]
    body_height_anterior: Length
    body_height_posterior: Length
    endplate_width_upper: Length
    endplate_width_lower: Length
    endplate_depth_upper: Length
    endplate_depth_lower: Length
    body_waist: Part
    disc_below: Length
    canal_depth: Length
    canal_width: Length
    pedicle_width: Length
    pedicle_height: Length
    lamina_thickness: Length
    lamina_height: Length
    spinous_length: Length
    transverse_span: Length
    rib_length: Length | None = None
    sac_depth: Length
    sac_width: Length
    cord_depth: Length | None = None
    cord_width: Length | None = None
    cord_area: Area | None = None
    csf_dorsal: Length | None = None
    prone_shift: Length | None = None

    def __post_init__(self) -> None:
        """Refuse half a cord."""
        names = ("cord_depth", "cord_width", "cord_area", "csf_dorsal")
        missing = [name for name in names if getattr(self, name) is None]
        if missing and len(missing) < len(names):
            raise ValueError(f"expected {', '.join(names)} together or none of them, got no {missing[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bone:
    """Thickness of compact bone."""

    __pydantic_config__ = STRICT

    body_shell: Length
    arch_shell: Length


@dataclass(frozen=True, slots=True, kw_only=True)
class Conus:
    """Where the cord ends: part of the body of a level below its upper end; the cauda equina lies below."""

    __pydantic_config__ = STRICT

    level: Annotated[str, Field(min_length=1)]
    percent: Annotated[float, Field(ge=0.0, le=100.0)]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Cross-section of the body around the spine; an organ without its size is left out.

    Lungs need `chest_wall`, `lung_reach` (how far their recess reaches below the upper end of the trunk),
    `lung_from_midline` and `dome_height` (of the diaphragm above the recess).
    """

    __pydantic_config__ = STRICT

    width: Length
    depth: Length
    height: Length
    skin_to_epidural: Length
    skin: Length
    fat: Length
    chest_wall: Length | None = None
    lung_reach: Length | None = None
    lung_from_midline: Length | None = None
    dome_height: Length | None = None
    aorta_diameter: Length | None = None
    airway_diameter: Length | None = None
    kidney_length: Length | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnatomyCheck:
    """Volumes that the voxel model must have."""

    __pydantic_config__ = STRICT

    cord_cm3: Annotated[float, Field(ge=0.0)]
    sac_cm3: Annotated[float, Field(gt=0.0)]
    bone_cm3: Annotated[float, Field(gt=0.0)]
    lung_cm3: Annotated[float, Field(ge=0.0)]
    trunk_cm3: Annotated[float, Field(gt=0.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A run of vertebrae from head to feet; z = 0 in the middle of the disc below `origin_below`.

    Posture moves the cord in the sac: prone, it lies further forward.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(min_length=1)]
    origin_below: str
    level: Annotated[tuple[Level, ...], Field(min_length=1)]
    bone: Bone
    trunk: Trunk
    posture: Literal["supine", "prone"] = "supine"
    conus: Conus | None = None
    check: AnatomyCheck | None = None

    def __post_init__(self) -> None:
        """Refuse an origin that is no level, and dimensions that can't be nested."""
        names = [level.name for level in self.level]
        if self.origin_below not in names:
            raise ValueError(f"origin_below: expected one of {names}, got {self.origin_below!r}")
        if len(set(names)) < len(names):
            raise ValueError(f"level: expected each name once, got {names}")
        for level in self.level:
            _check_nesting(level)


def _check_nesting(level: Level) -> None:
    """Cord inside sac inside canal."""
    chain = (
        ("cord_depth", level.cord_depth, "sac_depth", level.sac_depth),
        ("cord_width", level.cord_width, "sac_width", level.sac_width),
        ("sac_depth", level.sac_depth, "canal_depth", level.canal_depth),
        ("sac_width", level.sac_width, "canal_width", level.canal_width),
    )
    for inner_name, inner, outer_name, outer in chain:
        if inner is not None and inner.mm >= outer.mm:
            raise ValueError(
                f"level {level.name}: expected {inner_name} < {outer_name}, "
                f"got {inner.mm:g} >= {outer.mm:g} mm"
            )
