"""Collect what a case assumes: every number without a published source."""

from dataclasses import fields, is_dataclass

from doseplan.case.anatomy_spec import Area, Length, Part
from doseplan.case.courses import field_names
from doseplan.case.spec import TISSUE_LIMIT, Case, PhantomCase, ScanCase

UNSOURCED = ("assumed", "from memory")
"""A source that starts with one of these is no published source."""


def assumptions(case: Case) -> tuple[str, ...]:
    """Write the assumptions of a case as sentences for the report, those of one kind together."""
    if isinstance(case, ScanCase):
        return (*_of_scan(case), *_of_fields(case), *_of_limits(case))
    return (*_of_case(case), *_of_fields(case), *_of_limits(case), *_of_anatomy(case))


def _of_scan(case: ScanCase) -> list[str]:
    """Sentences for a case on a CT."""
    surgery = case.surgery
    after = "keeps the resected region" if surgery.ctv_keeps_resected else "residual tumour only"
    curve = case.ct.curve if isinstance(case.ct.curve, str) else "stated in the case"
    return [
        "sac and cord keep the shape of the CT in every arm: how far they would unfold is not known",
        "surgery is simulated on the CT: tumour nearer to the dura than the separation, and bone behind the "
        f"canal, become {surgery.cavity_material}",
        f"target: its contour, or the gross tumour and a margin of {surgery.ctv_margin_mm:g} mm, cut back at "
        f"the dura; after surgery: {after}",
        f"CT numbers to stopping power and density: curve {curve}; each scanner has its own",
        "contours reach half a slice beyond their first and last plane",
        f"PRV of the cord: a margin of {case.prv_margin_mm:g} mm, for the reported gap only",
    ]


def _of_case(case: PhantomCase) -> list[str]:
    tumour, surgery = case.tumour, case.surgery
    sizes = ", ".join(
        f"{field.name} {getattr(tumour, field.name):g}"
        for field in fields(tumour)
        if isinstance(getattr(tumour, field.name), float)
    )
    after = "keeps the resected region" if surgery.ctv_keeps_resected else "residual tumour only"
    lines = [
        f"tumour: every size assumed ({sizes})",
        f"target: gross tumour and a margin of {surgery.ctv_margin_mm:g} mm into bone and soft tissue, cut "
        f"back at the dura; after surgery: {after}",
        f"cavity filled with {surgery.cavity_material}; "
        "thickness of the dura (0.31 mm) counted as part of the sac",
        f"PRV of the cord: a margin of {case.prv_margin_mm:g} mm, for the reported gap only",
        "CT numbers of tissues from clinical ranges (from memory)",
        *_of_parts(case),
    ]
    if any((case.grid.x_mm, case.grid.y_mm, case.grid.z_mm)):
        lines.append("grid is a part of the trunk: tissue outside it is not in the way of a beam")
    return lines


def _of_parts(case: PhantomCase) -> list[str]:
    """Sentences for parts that not every case has."""
    lines = []
    conus = case.anatomy.conus
    if conus is not None:
        lines.append(
            f"the cord ends {conus.percent:g} % down the body of {conus.level} ({conus.source}); below, the "
            "thecal sac stands for the cauda equina and takes the limits of the cord"
        )
    if case.anatomy.posture == "prone":
        lines.append("prone: the cord lies further forward by prone_shift of each level, cut by the sac")
    if case.tumour.cells:
        lines.append(
            "staging cells: 12 equal sectors around the middle of the canal; layer C is bone within half the "
            "depth of the body (behind: half the lamina) of the canal; layer A reaches "
            f"{case.tumour.soft_tissue_mm:g} mm (assumed)"
        )
    if case.hardware is not None:
        hardware = case.hardware
        lines.append(
            f"implants ({hardware.material}) of {hardware.screw_diameter_mm:g} x "
            f"{hardware.screw_length_mm:g} mm, rods {hardware.rod_diameter_mm:g} mm, cement "
            f"{hardware.cement_ml:g} ml if any: sizes and materials of typical products (from memory); "
            "screws are solid cylinders"
        )
    if case.clinical is not None and case.clinical.dumbbell is not None:
        lines.append("dumbbell score: the points of each feature are assumed, the cut-off of 3 is published")
    return lines


def _of_fields(case: Case) -> list[str]:
    """Sentences for patches, rolls and days that not every case has."""
    lines, names = [], field_names(case.fields)
    parts = [
        f"{name}: {field.part}"
        for name, field in zip(names, case.fields, strict=True)
        if field.part is not None
    ]
    if parts:
        lines.append(
            f"patch fields ({', '.join(parts)}): the target is divided through the middle of the unoperated "
            f"cord in every axial slice, parts overlap by {case.delivery.patch_overlap_mm:g} mm"
        )
    rolls = [
        f"{name} {field.roll_deg:g} deg"
        for name, field in zip(names, case.fields, strict=True)
        if field.roll_deg != 0.0
    ]
    if rolls:
        lines.append(f"rolled table top ({', '.join(rolls)}): the patient turns as one rigid body")
    if len(case.course) > 1:
        days = [f"{course.fractions} x {' + '.join(course.fields)}" for course in case.course]
        lines.append(
            f"courses ({'; '.join(days)}): fields of one day are mixed before the RBE step, days are added "
            "after it"
        )
    if case.robustness is not None:
        stated = case.robustness
        lines.append(
            f"errors of a whole course: {stated.setup_mm:g} mm of setup along an axis, "
            f"{stated.range_percent:g} % of range; their sizes are stated, not measured"
            + ("" if stated.daily_mm else ", and errors that change from day to day are not among them")
        )
        if stated.daily_mm:
            lines.append(
                "errors that change from day to day: shifts with a standard deviation of "
                f"{stated.daily_mm:g} mm along each axis, independent of each other, without turns, changes "
                "of range or a part that stays; their size is stated, not measured"
            )
    return lines


def _of_limits(case: Case) -> list[str]:
    """Sentence for the limit that a case has without stating it."""
    if not any(limit is TISSUE_LIMIT for limit in case.constraint):
        return []
    return [f"limit of other tissue: {TISSUE_LIMIT.max_percent:g} % of the prescription (assumed)"]


def _of_anatomy(case: PhantomCase) -> list[str]:
    anatomy = case.anatomy
    lines = []
    parts = [(level.name, level) for level in anatomy.level]
    for name, part in (*parts, ("bone", anatomy.bone), ("trunk", anatomy.trunk)):
        values = unsourced(part)
        if values:
            lines.append(f"{anatomy.name} {name}: " + ", ".join(values))
    return lines


def unsourced(part: object) -> list[str]:
    """List `key value unit (source)` of the numbers of one table that have no published source."""
    found: list[str] = []
    if not is_dataclass(part):
        return found
    for field in fields(part):
        number = getattr(part, field.name)
        if isinstance(number, Length | Area | Part) and number.source.lower().startswith(UNSOURCED):
            value, unit = _value(number)
            found.append(f"{field.name} {value:g} {unit} ({number.source})")
    return found


def _value(number: Length | Area | Part) -> tuple[float, str]:
    if isinstance(number, Length):
        return number.mm, "mm"
    return (number.mm2, "mm2") if isinstance(number, Area) else (number.percent, "%")
