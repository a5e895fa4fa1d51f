"""The frozen dataclasses of an anatomy file: every dimension with its unit and its source."""

from dataclasses import dataclass
from typing import Annotated

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
    """One vertebra, the disc below it, and the sac and cord at its height."""

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
    cord_depth: Length
    cord_width: Length
    cord_area: Area


@dataclass(frozen=True, slots=True, kw_only=True)
class Bone:
    """Thickness of compact bone."""

    __pydantic_config__ = STRICT

    body_shell: Length
    arch_shell: Length


@dataclass(frozen=True, slots=True, kw_only=True)
class Canal:
    """What lies between dura and cord."""

    __pydantic_config__ = STRICT

    csf_dorsal: Length


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Cross-section of the body around the spine."""

    __pydantic_config__ = STRICT

    width: Length
    depth: Length
    height: Length
    skin_to_epidural: Length
    skin: Length
    fat: Length
    chest_wall: Length
    lung_reach: Length
    lung_from_midline: Length


@dataclass(frozen=True, slots=True, kw_only=True)
class AnatomyCheck:
    """Volumes that the voxel model must have."""

    __pydantic_config__ = STRICT

    cord_cm3: Annotated[float, Field(gt=0.0)]
    sac_cm3: Annotated[float, Field(gt=0.0)]
    bone_cm3: Annotated[float, Field(gt=0.0)]
    lung_cm3: Annotated[float, Field(ge=0.0)]
    trunk_cm3: Annotated[float, Field(gt=0.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A run of vertebrae from head to feet; z = 0 in the middle of the disc below `origin_below`."""

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(min_length=1)]
    origin_below: str
    level: Annotated[tuple[Level, ...], Field(min_length=1)]
    bone: Bone
    canal: Canal
    trunk: Trunk
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
        if inner.mm >= outer.mm:
            raise ValueError(
                f"level {level.name}: expected {inner_name} < {outer_name}, "
                f"got {inner.mm:g} >= {outer.mm:g} mm"
            )
