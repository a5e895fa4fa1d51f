"""Comparison with a reference: asserted here, and a row of docs/validation.md."""

import json
from collections.abc import Callable

import pytest

Compare = Callable[..., None]


@pytest.fixture
def compare(record_property: Callable[[str, object], None]) -> Compare:
    """Give `compare(quantity, ours, reference, tolerance=..., why=...)`.

    The difference must be at most `tolerance`, relative to the reference, or absolute in `unit` with
    `absolute=True`. `why` says what the tolerance rests on. Where we are known to disagree, `disagrees` says
    why we think so; then the difference must lie between `tolerance` and `at_most`, so that both a loss and a
    mend are noticed. Every call is a row of docs/validation.md, written by docs/update_validation.py.
    """

    def check(
        quantity: str,
        ours: float,
        reference: float,
        *,
        tolerance: float,
        why: str,
        unit: str = "",
        absolute: bool = False,
        disagrees: str = "",
        at_most: float = 0.0,
    ) -> None:
        ours, reference = float(ours), float(reference)
        difference = ours - reference if absolute else ours / reference - 1.0
        row = {
            "quantity": quantity,
            "ours": ours,
            "reference": reference,
            "unit": unit,
            "difference": difference,
            "tolerance": tolerance,
            "absolute": absolute,
            "why": why,
            "disagrees": disagrees,
        }
        record_property("comparison", json.dumps(row))
        low, high = (tolerance, at_most) if disagrees else (0.0, tolerance)
        assert low <= abs(difference) <= high, row

    return check
