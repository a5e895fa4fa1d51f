"""A margin beside that of the same case with another number, on made-up rooms."""

import pytest

from doseplan.messages import InputError
from doseplan.study import margin_against, require_other_number, smallest_margin

RING = "tumour.wrap_deg"


def _both(made_up, degrees, **search):
    case = made_up.made_up_case()
    values = {RING: degrees}
    margins = [smallest_margin(case, prove=False, values=each, **search) for each in ({}, values)]
    return margin_against(*margins, values)


def test_margins_that_a_number_moves_by_a_step_agree(rooms, made_up) -> None:
    # 4.0 mm for the ring of 270 deg; a ring that is open by 30 deg more gets 0.6 GyE more: 3.5 mm
    rooms.least_gye, rooms.ring_gye = 50.2, 0.02
    found = _both(made_up, 240.0)
    assert (found.margin_mm, found.difference_mm, found.agrees) == (3.5, -0.5, True)
    assert found.said == (
        "64 GyE with tumour.wrap_deg = 240: 3.5 mm instead of 4 mm; they differ by 0.5 mm, "
        "not more than 0.5 mm"
    )


def test_a_difference_of_more_is_printed_as_one(rooms, made_up) -> None:
    rooms.least_gye, rooms.ring_gye = 50.2, 0.02
    found = _both(made_up, 180.0)
    assert (found.difference_mm, found.agrees) == (-1.0, False)
    assert "they DIFFER by 1 mm, more than 0.5 mm" in found.said


def test_a_margin_out_of_range_has_no_difference(rooms, made_up) -> None:
    rooms.least_gye, rooms.ring_gye = 50.2, 0.02
    found = _both(made_up, 180.0, range_mm=(0.0, 3.5))
    assert (found.margin_mm, found.difference_mm, found.agrees) == (3.0, None, False)
    assert "3 mm instead of none up to 3.5 mm" in found.said
    neither = _both(made_up, 180.0, range_mm=(0.0, 2.0))
    assert (neither.margin_mm, neither.difference_mm, neither.agrees) == (None, None, True)


def test_numbers_that_the_search_sets_or_that_make_no_case_are_refused(made_up) -> None:
    case = made_up.made_up_case()
    require_other_number(case, {"grid.voxel_mm": 2.0})
    for key in ("surgery.separation_mm", "prescription.total_gy_rbe"):
        with pytest.raises(InputError, match=f"{key}: expected another number of the case"):
            require_other_number(case, {key: 2.0})
    with pytest.raises(InputError, match=r"grid\.voxel: expected a known key"):
        require_other_number(case, {"grid.voxel": 2.0})
