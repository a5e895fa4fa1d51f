"""Verdicts in every detail: what they say, in which unit, and on which side of a limit equality lies."""

from dataclasses import replace

import numpy as np
import pytest

from doseplan.case import bundled_cases, load_case
from doseplan.case.spec import Constraint, Goal
from doseplan.evaluation.goals import limit_name, limited_value, verdicts
from doseplan.messages import InputError

CASE = replace(
    load_case(bundled_cases()["t11_t12_mpnst"]),
    constraint=(
        Constraint(structure="cord", max_gy_rbe=50.0),
        Constraint(structure="target", max_percent=110.0),
        Constraint(structure="target", max_gy_rbe=70.0),
    ),
    goal=(Goal(min_percent=90.0), Goal(dose_percent=95.0, volume_percent=75.0)),
)
STRUCTURE = np.array([1, 1, 2, 2, 2])
VOLUME = np.array([1.0, 1.0, 2.0, 1.0, 1.0])
LABELS = {"scale": "NIRS", "fractions": 16}


def judged(cord_gye: float, *target_gye: float) -> list[dict[str, object]]:
    return verdicts(CASE, np.array([10.0, cord_gye, *target_gye]), VOLUME, STRUCTURE)


def test_verdicts_say_what_was_judged_against_what() -> None:
    cord, percent, gye, minimum, volume = judged(49.0, 64.0, 60.0, 57.6)
    assert cord == {
        "name": "cord maximum",
        "structure": "cord",
        "value": 49.0,
        "comparator": "<",
        "limit": 50.0,
        "unit": "Gy(RBE)",
        "hard": True,
        "met": True,
        "value_gye": 49.0,
        "limit_gye": 50.0,
        **LABELS,
    }
    assert percent == {
        "name": "target maximum",
        "structure": "target",
        "value": 100.0,
        "comparator": "<=",
        "limit": 110.0,
        "unit": "% of prescription",
        "hard": True,
        "met": True,
        "value_gye": 64.0,
        "limit_gye": pytest.approx(70.4),
        **LABELS,
    }
    assert (gye["value"], gye["limit"], gye["unit"], gye["comparator"]) == (64.0, 70.0, "Gy(RBE)", "<=")
    assert minimum == {
        "name": "target minimum",
        "structure": "target",
        "value": pytest.approx(90.0),
        "comparator": ">=",
        "limit": 90.0,
        "unit": "% of prescription",
        "hard": False,
        "met": True,
        "value_gye": 57.6,
        "limit_gye": pytest.approx(57.6),
        **LABELS,
    }
    assert volume == {
        "name": "target V95",
        "structure": "target",
        "value": 50.0,
        "comparator": ">=",
        "limit": 75.0,
        "unit": "% of volume",
        "hard": False,
        "met": False,
        "level_gye": pytest.approx(60.8),
        **LABELS,
    }


@pytest.mark.parametrize(
    ("place", "dose", "met"),
    [
        (0, (50.0, 64.0, 64.0, 64.0), False),  # the cord stays strictly below
        (0, (49.999, 64.0, 64.0, 64.0), True),
        (2, (49.0, 70.0, 64.0, 64.0), True),  # the target may reach its limit
        (2, (49.0, 70.001, 64.0, 64.0), False),
        (3, (49.0, 64.0, 64.0, 57.599), False),
        (4, (49.0, 64.0, 61.0, 60.0), True),  # three quarters of the volume: just enough
        (4, (49.0, 60.0, 61.0, 61.0), False),
    ],
)
def test_equality_lies_where_it_is_stated(place: int, dose: tuple[float, ...], met: bool) -> None:
    assert judged(*dose)[place]["met"] is met


def one_limit(dose: list[float], **stated: object) -> dict[str, object]:
    """Judge a limit on four samples of 1, 2, 3 and 4 cm3 of the cord; one of other tissue is beside."""
    case = replace(CASE, constraint=(Constraint(structure="cord", **stated),), goal=())  # type: ignore[arg-type]
    volume, structure = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([1, 1, 1, 1, 0])
    (found,) = verdicts(case, np.array([*dose, 99.0]), volume, structure)
    return found


def test_a_limit_at_a_volume_leaves_the_hottest_part_out() -> None:
    dose = [60.0, 50.0, 20.0, 10.0]
    # each sample stands at the middle of its share of the cumulative volume: 0.5, 2, 4.5, 8 cm3
    found = one_limit(dose, max_gy_rbe=45.0, volume_cm3=2.0)
    assert (found["name"], found["value"], found["met"]) == ("cord D2cc", 50.0, False)
    halfway = one_limit(dose, max_gy_rbe=45.0, volume_cm3=3.25)
    assert (halfway["value"], halfway["met"]) == (35.0, True)
    with pytest.raises(InputError, match=r"volume_cm3: expected less than the cord has \(10 cm3\), got 10"):
        one_limit(dose, max_gy_rbe=45.0, volume_cm3=10.0)


def test_a_limit_of_the_mean_weighs_by_volume() -> None:
    found = one_limit([60.0, 50.0, 20.0, 10.0], mean_percent=50.0)
    # (60 + 100 + 60 + 40) / 10 cm3, in per cent of 64
    assert (found["name"], found["unit"]) == ("cord mean", "% of prescription")
    assert found["value"] == pytest.approx(100.0 * 26.0 / 64.0)
    assert found["value_gye"] == pytest.approx(26.0)
    assert (found["limit_gye"], found["met"]) == (32.0, True)


@pytest.mark.parametrize("stated", [{"scale": "LEM1"}, {"fractions": 8}])
def test_a_limit_on_another_scale_or_in_other_fractions_is_not_compared(stated: dict[str, object]) -> None:
    case = replace(CASE, constraint=(replace(CASE.constraint[0], **stated),))
    with pytest.raises(InputError, match=next(iter(stated))):
        verdicts(case, np.full(5, 40.0), VOLUME, STRUCTURE)


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        (Constraint(structure="cord", max_gy_rbe=50.0), "cord maximum"),
        (Constraint(structure="cord", max_gy_rbe=50.0, volume_cm3=0.03), "cord D0.03cc"),
        (Constraint(structure="target", max_percent=110.0), "target maximum"),
        (Constraint(structure="other", mean_gy_rbe=20.0), "other tissue mean"),
    ],
)
def test_limits_are_named_by_what_they_limit(limit: Constraint, name: str) -> None:
    assert limit_name(limit) == name


def test_a_structure_without_samples_has_no_dose_and_one_of_one_sample_has_its_own() -> None:
    for stated in ({"max_gy_rbe": 50.0}, {"mean_gy_rbe": 50.0}, {"max_gy_rbe": 50.0, "volume_cm3": 0.5}):
        limit = Constraint(structure="cord", **stated)  # type: ignore[arg-type]
        assert limited_value(limit, np.empty(0), np.empty(0)) == 0.0
        assert limited_value(limit, np.array([42.0]), np.array([2.0])) == 42.0
