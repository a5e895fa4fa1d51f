"""Margins for several setup errors, the one without errors beside them, on made-up rooms."""

import pytest

from doseplan.case import parse_case
from doseplan.exchange import finished_points
from doseplan.messages import InputError
from doseplan.study import margins_of_levels, uncertainty_levels

SEARCH = {"prove": False, "programs": 1}


def test_what_holds_with_errors_comes_first_and_each_level_has_its_points(rooms, made_up, tmp_path) -> None:
    levels = uncertainty_levels(made_up.made_up_case(), robust=False, setup_mm=[1.0, 2.5])
    assert [each.robust for each in levels] == [False, True, True]
    errors = [each.case.robustness for each in levels]
    assert errors[0] is None
    assert [(each.setup_mm, each.range_percent, each.plan) for each in errors[1:]] == [
        (1.0, 3.5, True),
        (2.5, 3.5, True),
    ]
    found = [margin for margin, _ in margins_of_levels(levels, out=tmp_path / "out", **SEARCH)]
    assert [each.named() for each in found] == [
        "64 GyE, 1 mm setup error and 3.5 % range error",
        "64 GyE, 2.5 mm setup error and 3.5 % range error",
        "64 GyE, without errors",
    ]
    assert [each.margin_mm for each in found] == [6.0, 6.0, 4.0]
    assert found[0].said().startswith("64 GyE, 1 mm setup error and 3.5 % range error: 6.0 mm; not closed")
    assert all(finished_points(each.folder(tmp_path / "out")) for each in levels)
    # the search goes on from the margin before: 4 mm misses, a first step, and the steps between
    assert [each[0] for each in rooms.planned] == [0.0, 2.0, 4.0, 3.5, 4.0, 6.0, 5.0, 5.5, 6.0, 5.5]


def test_own_errors_of_a_case_have_the_margin_without_them_beside(rooms, made_up, tmp_path) -> None:
    errors = "robustness = { setup_mm = 0.0, range_percent = 2.0, random = 3, plan = true }\n"
    case = parse_case(made_up.CASE + errors, None, where="made_up.toml")
    levels = uncertainty_levels(case, robust=True)
    assert [(each.suffix, each.case.robustness is None) for each in levels] == [
        ("_without_errors", True),
        ("", False),
    ]
    assert levels[1].case is case
    found = [margin for margin, _ in margins_of_levels(levels, out=tmp_path / "out", **SEARCH)]
    assert [each.named() for each in found] == [
        "64 GyE, 2 % range error, 3 random draws",
        "64 GyE, without errors",
    ]
    (alone,) = uncertainty_levels(case, robust=False)
    assert (alone.case, alone.robust, alone.suffix) == (case, False, "")


def test_a_level_that_is_no_error_is_refused(rooms, made_up) -> None:
    case = made_up.made_up_case()
    with pytest.raises(
        InputError, match=r"made up.toml: robustness.setup_mm: expected setup_mm >= 0, got -1"
    ):
        uncertainty_levels(case, robust=False, setup_mm=[-1.0])


def test_no_errors_at_all_are_refused_before_any_plan(rooms, made_up) -> None:
    case = made_up.made_up_case()
    with pytest.raises(InputError, match=r"robustness: expected errors to hold out against, got none"):
        uncertainty_levels(case, robust=True)
    no_range = parse_case(made_up.CASE + "robustness = { range_percent = 0.0 }\n", None, where="made_up.toml")
    with pytest.raises(InputError, match=r"robustness: expected errors to hold out against, got none"):
        uncertainty_levels(no_range, robust=False, setup_mm=[2.0, 0.0])
    assert rooms.planned == []
