"""The frozen dataclasses of tumour, surgery and hardware."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from doseplan.case.anatomy_spec import STRICT

Millimetres = Annotated[float, Field(gt=0.0, le=200.0)]
Zone = Annotated[int, Field(ge=1, le=12)]
Sides = Literal["none", "left", "right", "both"]
Resection = Literal[
    "vertebrectomy_4_8", "vertebrectomy_5_9", "sagittal_2_5", "sagittal_8_11", "posterior_10_3"
]

RESECTIONS: dict[str, tuple[int, ...]] = {
    "vertebrectomy_4_8": (4, 5, 6, 7, 8),
    "vertebrectomy_5_9": (5, 6, 7, 8, 9),
    "sagittal_2_5": (2, 3, 4, 5),
    "sagittal_8_11": (8, 9, 10, 11),
    "posterior_10_3": (10, 11, 12, 1, 2, 3),
}
"""WBB zones that each en bloc resection takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A part of the tumour by staging cells: one level, WBB zones, layers.

    Zones count counter-clockwise as seen from the feet, 1 the patient's left half of the spinous process,
    12 the right. Layers: A soft tissue outside the bone, B superficial and C deep bone, D epidural space.
    """

    __pydantic_config__ = STRICT

    level: Annotated[str, Field(min_length=1)]
    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]
    layers: Annotated[tuple[Literal["A", "B", "C", "D"], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tumour:
    """The mass before surgery: the parts of a template, and staging cells.

    `push_deg` is the direction, seen from the sac, that the epidural part pushes from: 0 from the front, 90
    from the stated side. The sac is narrowed along it by `compression_percent`, or all round.
    """

    __pydantic_config__ = STRICT

    side: Literal["left", "right"]
    template: Literal["dumbbell", "epidural", "body", "body_epidural", "paraspinal", "cells"] = "dumbbell"
    cells: tuple[Cells, ...] = ()
    soft_tissue_mm: Annotated[float, Field(gt=0.0, le=50.0)] = 10.0
    bone: Literal["lytic", "sclerotic"] = "lytic"
    centre_z_mm: Annotated[float, Field(ge=-200.0, le=200.0)] = 0.0
    wrap_deg: Annotated[float, Field(ge=60.0, le=360.0)] = 270.0
    push_deg: Annotated[float, Field(ge=0.0, le=90.0)] = 45.0
    pressed: Literal["one_side", "all_round"] = "one_side"
    compression_percent: Annotated[float, Field(ge=0.0, le=60.0)] = 50.0
    csf_left_mm: Annotated[float, Field(ge=0.0, le=5.0)] = 0.4
    epidural_length_mm: Millimetres = 44.0
    bone_diameter_mm: Millimetres = 26.0
    bone_height_mm: Annotated[float, Field(ge=-100.0, le=100.0)] = -14.0
    bone_reach_mm: Annotated[float, Field(ge=-30.0, le=10.0)] = 3.0
    foramen_diameter_mm: Millimetres = 13.0
    paraspinal_width_mm: Millimetres = 42.0
    paraspinal_depth_mm: Millimetres = 38.0
    paraspinal_length_mm: Millimetres = 54.0

    def __post_init__(self) -> None:
        """Refuse a template of cells without cells."""
        if self.template == "cells" and not self.cells:
            raise ValueError('cells: expected at least one entry with template = "cells", got none')

    @property
    def epidural(self) -> bool:
        """Whether a cuff lies around the sac and presses it."""
        return self.template in ("dumbbell", "epidural", "body_epidural")

    @property
    def in_body(self) -> bool:
        """Whether a ball lies in the vertebral body."""
        return self.template in ("dumbbell", "body", "body_epidural")

    @property
    def paraspinal(self) -> bool:
        """Whether a mass lies beside the spine."""
        return self.template in ("dumbbell", "paraspinal")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnBloc:
    """Bone and tumour that leave in one piece: WBB zones of some levels, outside the dura."""

    __pydantic_config__ = STRICT

    resection: Resection
    levels: Annotated[tuple[str, ...], Field(min_length=1)]
    filled_with: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surgery:
    """What the surgeon does, and how the target is drawn afterwards.

    `separation_mm` is made in the arm `separated`, in `separation_zones` (all round if none is stated).
    Laminectomy, facetectomy and en bloc resection belong to both operated arms.
    """

    __pydantic_config__ = STRICT

    separation_mm: Annotated[float, Field(ge=0.0, le=30.0)]
    separation_zones: tuple[Zone, ...] = ()
    laminectomy: Sides = "both"
    facetectomy: Sides = "none"
    en_bloc: EnBloc | None = None
    ctv_margin_mm: Annotated[float, Field(ge=0.0, le=20.0)] = 0.0
    ctv_keeps_resected: bool = False
    cavity_material: str = "csf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Implants of the operated arms: pedicle screws with rods, and cement in a body.

    `compare` plans the separated arm once more for each named material (`none`: without implants).
    """

    __pydantic_config__ = STRICT

    material: Literal["titanium", "cobalt_chrome", "cfr_peek"] = "titanium"
    screw_levels: tuple[str, ...] = ()
    screw_diameter_mm: Annotated[float, Field(ge=3.0, le=10.0)] = 6.5
    screw_length_mm: Annotated[float, Field(ge=15.0, le=80.0)] = 45.0
    rods: bool = True
    rod_diameter_mm: Annotated[float, Field(ge=3.0, le=8.0)] = 5.5
    cement_level: str | None = None
    cement_ml: Annotated[float, Field(gt=0.0, le=10.0)] = 5.0
    ct_artefact: bool = False
    compare: tuple[Literal["none", "titanium", "cobalt_chrome", "cfr_peek"], ...] = ()

    def __post_init__(self) -> None:
        """Refuse hardware without screws and without cement."""
        if not self.screw_levels and self.cement_level is None:
            raise ValueError("expected screw_levels or cement_level, got neither")


IMPLANT_MATERIAL = {"titanium": "Ti6Al4V", "cobalt_chrome": "CoCrMo", "cfr_peek": "carbon_fibre_PEEK"}
"""Rows of data/materials.csv."""
