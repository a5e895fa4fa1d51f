"""Names of fields, the parts of the target they cover, and the days on which they are given."""

from collections import Counter
from collections.abc import Sequence

from doseplan.case.complaints import nearest
from doseplan.case.spec import BeamField, Case

PAIRS = (("left", "right"), ("anterior", "posterior"))
"""Parts that are the whole target together."""


def field_names(fields: Sequence[BeamField]) -> tuple[str, ...]:
    """Name every field: as stated, or `field 1`, `field 2`, ... by its place in the list."""
    return tuple(field.name or f"field {number}" for number, field in enumerate(fields, start=1))


def field_courses(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Find which fields are given on which days; one course of all fields if the case states none.

    Returns
    -------
    index : (field,) course of each field
    fractions : (course,) days of each course
    """
    if not case.course:
        return (0,) * len(case.fields), (case.prescription.fractions,)
    course = {name: index for index, course in enumerate(case.course) for name in course.fields}
    return (
        tuple(course[name] for name in field_names(case.fields)),
        tuple(course.fractions for course in case.course),
    )


def field_lines(case: Case, where: str) -> list[str]:
    """List what is wrong with fields whose keys are all valid by themselves."""
    return [*_names(case, where), *_parts(case, where), *_courses(case, where)]


def _names(case: Case, where: str) -> list[str]:
    names = field_names(case.fields)
    return [
        f"{where}: fields[{index}].name: expected a name of its own, got '{name}' a second time"
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _parts(case: Case, where: str) -> list[str]:
    parts = {field.part for field in case.fields}
    overlap = case.delivery.patch_overlap_mm
    if parts == {None}:
        if overlap == 0.0:
            return []
        return [
            f"{where}: delivery.patch_overlap_mm: expected 0, as no field covers a part of the target, "
            f"got {overlap:g}"
        ]
    if None in parts or any(parts.issuperset(pair) for pair in PAIRS):
        return []
    return [
        f"{where}: fields: expected parts that make up the target (left and right, or anterior and "
        f"posterior), or a field without part, got {' and '.join(sorted(map(str, parts)))} alone"
    ]


def _courses(case: Case, where: str) -> list[str]:
    if not case.course:
        return []
    names = field_names(case.fields)
    lines, seen = [], Counter[str]()
    for index, course in enumerate(case.course):
        for place, name in enumerate(course.fields):
            seen[name] += 1
            if name not in names:
                rule, got = "the name of a field", f"'{name}'; {nearest(name, names)}"
            elif seen[name] > 1:
                rule, got = "each field once in all courses", f"'{name}' a second time"
            else:
                continue
            lines.append(f"{where}: course[{index}].fields[{place}]: expected {rule}, got {got}")
    missing = [name for name in names if name not in seen]
    if missing and not lines:
        lines.append(
            f"{where}: course: expected every field in a course, got none with '{', '.join(missing)}'"
        )
    fractions = [course.fractions for course in case.course]
    if sum(fractions) != case.prescription.fractions:
        terms = f" ({' + '.join(map(str, fractions))})" if len(fractions) > 1 else ""
        lines.append(
            f"{where}: course: expected fractions that add up to the {case.prescription.fractions} of the "
            f"prescription, got {sum(fractions)}{terms}"
        )
    return lines
