"""Maps from spot weights to channels, those of several scenarios side by side."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from doseplan.dose import DoseOperator, EntryOperator
from doseplan.dose.operator import ions_of_slots, spots_of_slots
from doseplan.planning.correction import CorrectedOperator

Array = NDArray[np.float64]
Operator = DoseOperator | EntryOperator | CorrectedOperator


def forward_all(operators: Sequence[Operator], weight: Array) -> list[tuple[Array, Array]]:
    """Apply all operators; ions are shared out once where all have the same sub-spots."""
    alike = _of_same_sub_spots(operators)
    if not alike:
        return [each.forward(weight) for each in operators]
    ions = ions_of_slots(alike[0].rays.sub_spots, weight)
    return [each.from_ions(ions) for each in alike]


def adjoint_all(
    operators: Sequence[Operator], by_linear: Array, by_root: Array, of: NDArray[np.bool_] | None
) -> Array:
    """Add up what all operators carry over to the spots; slots are gathered once where all have the same."""
    edges = np.cumsum([0, *(each.samples for each in operators)])
    slopes = [(by_linear[first:last], by_root[first:last]) for first, last in pairwise(edges)]
    alike = _of_same_sub_spots(operators)
    if not alike:
        pairs = zip(operators, slopes, strict=True)
        return np.asarray(sum(each.adjoint(*slope, of=of) for each, slope in pairs))
    slots = sum(each.to_slots(*slope, of=of) for each, slope in zip(alike, slopes, strict=True))
    return spots_of_slots(alike[0].rays.sub_spots, np.asarray(slots))


def _of_same_sub_spots(operators: Sequence[Operator]) -> list[DoseOperator]:
    """Give all operators if they have the same sub-spots, else none."""
    found = [each for each in operators if isinstance(each, DoseOperator)]
    same = all(each.rays.sub_spots is found[0].rays.sub_spots for each in found)
    return found if same and len(found) == len(operators) else []
