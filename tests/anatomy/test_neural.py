"""Cord, conus, cauda equina and posture."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from doseplan.anatomy import build_phantom
from doseplan.anatomy.neural import DURA_THICKNESS_MM, Section, press_direction, sections, tip_mm
from doseplan.anatomy.spine import place_levels
from doseplan.case import Case, parse_case
from doseplan.case.tissues import TISSUES


def case_of(levels: str, more: str = "", tumour: str = 'template = "paraspinal"') -> Case:
    return parse_case(
        f"""
        anatomy = {{ levels = "{levels}" {more} }}
        prescription = {{ total_gy_rbe = 64.0 }}
        surgery = {{ separation_mm = 2.0 }}
        tumour = {{ side = "left", {tumour} }}
        """,
        None,
    )


def test_the_cord_ends_in_the_lower_third_of_l1() -> None:
    case = case_of("T11-L3")
    levels = place_levels(case.anatomy)
    l1 = next(placed for placed in levels if placed.level.name == "L1")
    tip = tip_mm(case, levels)
    assert l1.lower < tip < l1.lower + (l1.upper - l1.lower) / 3.0
    z = np.array([tip + 0.1, tip + 4.0, tip + 8.0, l1.upper])
    _, cord = sections(case, levels, z, pressed=False)
    area = np.pi * np.sqrt(cord.xx * cord.yy - cord.xy**2)
    assert (np.diff(area) > 0.0).all()
    assert area[0] < 0.5


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [("T9-T12", "spinal cord"), ("T11-L3", "spinal cord and cauda equina"), ("L2-L5", "cauda equina")],
)
def test_the_protected_structure_is_named(levels: str, wanted: str) -> None:
    case = case_of(levels)
    case = replace(case, grid=replace(case.grid, voxel_mm=2.0, x_mm=(-75.0, 75.0), y_mm=(-65.0, 60.0)))
    phantom = build_phantom(case, separation_mm=None)
    assert phantom.attrs["neural_structure"].startswith(wanted)
    below = (phantom["tissue"] == TISSUES.index("cauda_equina")).any(("y", "x"))
    assert bool(below.any()) == ("cauda" in wanted)
    # below the conus all within the dura counts
    full = phantom["cord"].sum(("y", "x"))[below] / phantom["sac"].sum(("y", "x"))[below]
    assert (full[1:-1] > 0.9).all()


def test_prone_the_cord_lies_further_forward_by_the_published_shift() -> None:
    supine, prone = (case_of("T10-L1", f', posture = "{posture}"') for posture in ("supine", "prone"))
    levels = place_levels(supine.anatomy)
    middle = np.array([next(p.middle for p in levels if p.level.name == "T11")])
    back, front = (sections(case, levels, middle, pressed=False)[1].y[0] for case in (supine, prone))
    assert back - front == pytest.approx(2.2, abs=1e-3)  # Holsheimer 1994
    t12 = np.array([next(p.middle for p in levels if p.level.name == "T12")])
    sac, cord = sections(prone, levels, t12, pressed=False)
    # 3.4 mm at T12 would press the cord against the front of the sac: it stops there
    assert cord.y[0] - np.sqrt(cord.yy[0]) >= sac.y[0] - np.sqrt(sac.yy[0])


def inside_sac(case: Case, z: np.ndarray) -> float:
    """Largest value of the sac's quadratic form on the cord's rim; below 1 is inside."""
    sac, cord = sections(case, place_levels(case.anatomy), z, pressed=True)
    turn = np.linspace(0.0, 2 * np.pi, 90)[:, None]
    root = np.sqrt(cord.xx)
    x = cord.x + root * np.cos(turn)
    y = cord.y + cord.xy / root * np.cos(turn) + np.sqrt(cord.yy - (cord.xy / root) ** 2) * np.sin(turn)
    u, v = x - sac.x, y - sac.y
    return float(
        ((sac.yy * u * u - 2 * sac.xy * u * v + sac.xx * v * v) / (sac.xx * sac.yy - sac.xy**2)).max()
    )


@pytest.mark.parametrize("levels", ["C3-C7", "T3-T8", "T10-L1"])
@pytest.mark.parametrize("pressed", ["one_side", "all_round"])
@pytest.mark.parametrize("push", [0.0, 40.0, 90.0])
def test_a_pressed_cord_stays_in_the_sac_whatever_presses(levels: str, pressed: str, push: float) -> None:
    z = np.linspace(-40.0, 40.0, 161)
    for compression in (10.0, 35.0, 60.0):
        tumour = f'pressed = "{pressed}", push_deg = {push}, compression_percent = {compression}'
        case = case_of(levels, tumour=f"{tumour}, csf_left_mm = 0.0")
        assert inside_sac(case, z) <= 1.001  # 180 directions are compared: 2e-4 of a radius


def test_a_cord_with_room_keeps_its_shape(changed: Callable[..., Case]) -> None:
    case = changed("tumour", compression_percent=20.0)
    levels, z = place_levels(case.anatomy), np.linspace(-20.0, 20.0, 41)
    free, pressed = (sections(case, levels, z, pressed=press)[1] for press in (False, True))
    for name in ("xx", "yy", "xy"):
        np.testing.assert_allclose(getattr(pressed, name), getattr(free, name), atol=1e-9)


def test_the_stated_fluid_is_left_within_the_dura(changed: Callable[..., Case]) -> None:
    case = changed("tumour", compression_percent=50.0, csf_left_mm=0.4)
    levels = place_levels(case.anatomy)
    z = np.array([case.tumour.centre_z_mm])
    sac, cord = sections(case, levels, z, pressed=True)
    ux, uy = press_direction(case)
    gap = _half(sac, ux, uy) - _half(cord, ux, uy) - abs((cord.x - sac.x)[0] * ux + (cord.y - sac.y)[0] * uy)
    assert gap - DURA_THICKNESS_MM == pytest.approx(0.4, abs=0.01)  # 180 directions are compared


def _half(section: Section, ux: float, uy: float) -> float:
    squared = ux * ux * section.xx + 2.0 * ux * uy * section.xy + uy * uy * section.yy
    return float(np.sqrt(squared[0]))
