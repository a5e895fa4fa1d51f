"""What may go wrong: the patient lies elsewhere, or all ranges are wrong by some part."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from doseplan.case.spec import Robustness


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


def error_scenarios(robustness: Robustness) -> tuple[Scenario, ...]:
    """List the errors of a whole course under which a plan is judged; the nominal one is not among them.

    Either one error at a time, eight of them, or every shift with every range, twenty of them; then draws.
    Draws take the numbers of the case as standard deviations, as is usual for worst-case sets.
    """
    size, part = robustness.setup_mm, robustness.range_percent
    steps = np.concatenate([np.zeros((1, 3)), np.kron(np.eye(3), [[1.0], [-1.0]])])
    found = [
        Scenario(shift_mm=tuple(shift), range_percent=error)
        for shift, error in product((size * steps + 0.0).tolist(), (0.0, part, -part))
        if robustness.combined or not any(shift) or error == 0.0
    ]
    # an error of 0 is no other scenario
    systematic = [each for each in dict.fromkeys(found) if each != NOMINAL]
    drawn = np.random.default_rng(robustness.seed).normal(size=(robustness.random, 4))
    draws = [
        Scenario(
            shift_mm=(size * float(x), size * float(y), size * float(z)), range_percent=part * float(last)
        )
        for x, y, z, last in drawn
    ]
    return (*systematic, *draws)


def has_scenarios(robustness: Robustness | None) -> bool:
    """Tell whether a case names errors of a whole course; shifts that change from day to day are none."""
    return robustness is not None and bool(error_scenarios(robustness))
