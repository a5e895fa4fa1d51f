"""Staging zones: which side is which, and cells that are read back as they were stated."""

from dataclasses import replace

import numpy as np
import pytest

from doseplan.anatomy import build_phantom, stage
from doseplan.anatomy.zones import sectors, zone_of
from doseplan.case import Case, parse_case

LEFT, BACK = 1.0, 1.0  # x grows to the patient's left, y to the back


def cells_case(cells: str, side: str = "left") -> Case:
    tumour = f'template = "cells", cells = [{cells}]' if cells else 'template = "paraspinal"'
    case = parse_case(
        f"""
        anatomy = {{ levels = "T10-L1", origin_below = "T11" }}
        prescription = {{ total_gy_rbe = 64.0 }}
        surgery = {{ separation_mm = 2.0 }}
        tumour = {{ side = "{side}", {tumour} }}
        """,
        None,
    )
    return replace(case, grid=replace(case.grid, x_mm=(-60.0, 60.0), y_mm=(-70.0, 60.0)))


def cell(level: str, zones: object, layers: object) -> str:
    return f'{{ level = "{level}", zones = {zones}, layers = {layers} }}'


def volume_cm3(*cells: str) -> float:
    return float(build_phantom(cells_case(", ".join(cells)), separation_mm=None).attrs["gtv_cm3"])


@pytest.mark.parametrize(
    ("x", "y", "zone"),
    [
        (0.2 * LEFT, 10.0 * BACK, 1),  # the patient's left half of the spinous process
        (-0.2, 10.0 * BACK, 12),  # the right half
        (10.0 * LEFT, 0.1 * BACK, 3),  # left, just behind the middle of the canal
        (10.0 * LEFT, -0.1, 4),
        (0.1 * LEFT, -10.0, 6),  # the body, left of the midline
        (-0.1, -10.0, 7),
        (-10.0, -0.1, 9),
        (-10.0, 0.1, 10),
    ],
)
def test_zones_run_from_the_left_half_of_the_spinous_process_round_the_left(
    x: float, y: float, zone: int
) -> None:
    assert int(zone_of(np.array(x), np.array(y))) == zone


def test_seen_from_the_feet_zones_count_counter_clockwise() -> None:
    """Seen from the feet the patient's left is on the right of the picture, and the front is above."""
    turn = np.radians(15.0 + 30.0 * np.arange(12))  # counter-clockwise from below
    right_of_picture, up_in_picture = np.sin(turn), -np.cos(turn)
    assert zone_of(right_of_picture, -up_in_picture).tolist() == list(range(1, 13))


@pytest.mark.parametrize(
    "zones", [(1,), (12, 1), (4, 5, 6, 7, 8), (10, 11, 12, 1, 2, 3), (1, 4, 9), tuple(range(1, 13))]
)
def test_sectors_hold_their_zones_and_no_others(zones: tuple[int, ...]) -> None:
    turn = np.radians(np.arange(0.5, 360.0))
    x, y = 20.0 * np.sin(turn), 20.0 * np.cos(turn)
    inside = sectors(zones)(np.zeros_like(x), y, x) < 0.0
    np.testing.assert_array_equal(inside, np.isin(zone_of(x, y), zones))


@pytest.mark.parametrize(
    ("zones", "layers"),
    [
        ([4, 5], ["B", "C"]),
        ([8, 9, 10], ["A", "B", "C"]),
        ([12, 1], ["B", "C"]),
        ([5, 6, 7, 8], ["C", "D"]),
        ([6, 7], ["B"]),
        ([2, 3], ["A"]),
    ],
)
def test_cells_are_read_back_as_stated(zones: list[int], layers: list[str]) -> None:
    case = cells_case(cell("T12", zones, layers))
    phantom = build_phantom(case, separation_mm=None)
    found = stage(phantom, phantom)
    assert found["cells"] == {"T12": {layer: sorted(zones) for layer in layers}}


def test_cells_of_two_levels_and_entries_join_without_a_seam() -> None:
    zones, both = [4, 5, 6], ["B", "C"]
    joined = volume_cm3(cell("T11", zones, both), cell("T12", zones, ["B"]), cell("T12", zones, ["C"]))
    apart = sum(volume_cm3(cell(level, zones, both)) for level in ("T11", "T12"))
    assert joined == pytest.approx(apart, rel=0.01)  # cells reach 0.05 mm over their edges


def test_a_tumour_of_the_left_lies_in_the_zones_of_the_left() -> None:
    for side, own in (("left", {2, 3, 4, 5}), ("right", {8, 9, 10, 11})):
        case = cells_case("", side).tumour
        paraspinal = replace(case, template="paraspinal", paraspinal_width_mm=20.0, paraspinal_length_mm=30.0)
        phantom = build_phantom(replace(cells_case("", side), tumour=paraspinal), separation_mm=None)
        assert set(stage(phantom, phantom)["zones"]) <= own
        centroid = float((phantom["gtv"].sum(("z", "y")) * phantom["x"]).sum() / phantom["gtv"].sum())
        assert (centroid > 0.0) == (side == "left")
