"""What may go wrong: the patient lies elsewhere, or all ranges are wrong by some part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way in which a treatment differs from its plan.

    Attributes
    ----------
    shift_mm : (x, y, z) [mm]
        How far the patient lies from where the plan has it, in patient LPS.
    range_percent : [%]
        By how much water-equivalent depths are larger than planned.
    """

    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    range_percent: float = 0.0


NOMINAL = Scenario()
