"""A margin beside that of the same case with another number, as its resolution."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from doseplan.case import Case, varied
from doseplan.messages import InputError
from doseplan.study.margin import Margin
from doseplan.study.points import SEPARATION, TOTAL

ALLOWED_MM = 0.5
"""[mm] margins may differ by this much: the step of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """How far a margin moves with another number of the case.

    Attributes
    ----------
    values
        The other number, by dotted key.
    margin_mm
        With it; None if none was found in range.
    difference_mm
        From the margin of the case, above 0 if more separation is needed; None if one of both is not found.
    agrees
        They differ by `ALLOWED_MM` or less, or neither is found.
    """

    values: dict[str, float]
    margin_mm: float | None
    difference_mm: float | None
    agrees: bool
    said: str

    def numbers(self) -> dict[str, Any]:
        """List everything with plain types."""
        return asdict(self)


def margin_against(margin: Margin, other: Margin, values: Mapping[str, float]) -> Against:
    """Set the margin of a case beside that with other numbers, found in the same range by the same steps."""
    found = (margin.margin_mm, other.margin_mm)
    difference = None if None in found else round(found[1] - found[0], 6)  # type: ignore[operator]
    agrees = found == (None, None) if difference is None else abs(difference) <= ALLOWED_MM + 1e-9
    named = ", ".join(f"{key} = {value:g}" for key, value in values.items())
    said = [f"none up to {margin.range_mm[1]:g} mm" if each is None else f"{each:g} mm" for each in found]
    if difference is None:
        verdict = "the same" if agrees else "one of them is not in range, so how far they DIFFER is not known"
    elif agrees:
        verdict = f"they differ by {abs(difference):g} mm, not more than {ALLOWED_MM:g} mm"
    else:
        verdict = f"they DIFFER by {abs(difference):g} mm, more than {ALLOWED_MM:g} mm"
    return Against(
        values=dict(values),
        margin_mm=other.margin_mm,
        difference_mm=difference,
        agrees=agrees,
        said=f"{margin.total_gy_rbe:g} GyE with {named}: {said[1]} instead of {said[0]}; {verdict}",
    )


def require_other_number(case: Case, values: Mapping[str, float]) -> None:
    """Refuse numbers that a margin is searched over or stated for, and those that make no valid case.

    Raises
    ------
    InputError
        As `varied`, or the key is separation or prescription.
    """
    for key in values:
        if key in (SEPARATION, TOTAL):
            raise InputError(
                f"{key}: expected another number of the case, as grid.voxel_mm, got one that the search sets"
            )
    varied(case, values)
