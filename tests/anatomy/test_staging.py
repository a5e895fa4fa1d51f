"""ESCC grades, one test for each boundary; resections that would hold a tumour."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan.anatomy import build_phantom, stage
from doseplan.anatomy.staging import (
    CSF_SEEN_MM,
    DEFORMED_MM,
    INVOLVED_CM3,
    TOUCH_MM,
    cell_volumes,
    eligible_resections,
    escc,
)
from doseplan.case import Case


@pytest.fixture(scope="module")
def graded(slim: Case) -> Callable[..., dict[str, object]]:
    """Stage a changed tumour on a small grid."""
    small = replace(slim, grid=replace(slim.grid, x_mm=(-60.0, 60.0), z_mm=(-30.0, 30.0)))
    reference = build_phantom(small, separation_mm=0.0)

    def grade(**tumour: object) -> dict[str, object]:
        changed = replace(small, tumour=replace(small.tumour, **tumour))
        return stage(build_phantom(changed, separation_mm=None), reference)

    return grade


@pytest.mark.parametrize(
    ("tumour", "wanted"),
    [
        ({"template": "body", "bone_reach_mm": -2.0}, "0"),
        ({"compression_percent": 0.0}, "1a"),
        ({"compression_percent": 1.0}, "1a"),
        ({"compression_percent": 5.0}, "1b"),
        ({"compression_percent": 30.0, "csf_left_mm": 0.0}, "1b"),
        ({"compression_percent": 42.0, "csf_left_mm": 0.0}, "1c"),
        ({"compression_percent": 50.0}, "2"),
        ({"wrap_deg": 360.0, "pressed": "all_round", "compression_percent": 30.0}, "1b"),
        ({"wrap_deg": 360.0, "pressed": "all_round", "compression_percent": 30.0, "csf_left_mm": 0.1}, "1c"),
        ({"wrap_deg": 360.0, "pressed": "all_round", "compression_percent": 48.0, "csf_left_mm": 0.0}, "3"),
    ],
)
def test_compression_is_graded(
    graded: Callable[..., dict[str, object]], tumour: dict[str, object], wanted: str
) -> None:
    found = graded(**tumour)
    assert found["escc"] == wanted, found


def synthetic(
    shift: float = 0.0, *, flat: float = 1.0, sac: float = 6.0, epidural: bool = True
) -> xr.Dataset:
    """Straight round tubes: dura of radius `sac`, pushed by `shift` on one side; cord of radius 3, or flat.

    Distances are exact, so that each threshold can be met to a hundredth of a millimetre.
    """
    z, y, x = np.arange(3.0), np.arange(-15.0, 15.1, 0.5), np.arange(-15.0, 15.1, 0.5)
    at_y, at_x = np.meshgrid(y, x, indexing="ij")
    radius = np.hypot(at_x, at_y)
    dura = np.maximum(radius - sac, at_x - (sac - shift))  # the tumour flattens the side at +x
    cord = (np.hypot(at_x / flat, at_y * flat) - 3.0) * min(flat, 1.0 / flat)
    tumour = np.maximum(-dura, radius - 9.0) if epidural else np.full_like(radius, 8.0)
    whole = np.ones((3, 1, 1))
    variables = {
        "distance_dura": dura,
        "distance_cord": cord,
        "distance_gtv": tumour,
        "cord": np.clip(0.5 - cord / 0.5, 0.0, 1.0),
        "tissue": np.zeros_like(radius),
    }
    data = {name: (("z", "y", "x"), values * whole) for name, values in variables.items()}
    return xr.Dataset(data, coords={"z": z, "y": y, "x": x}, attrs={"voxel_mm": 0.5})


@pytest.mark.parametrize(
    ("shift", "wanted"),
    [
        (DEFORMED_MM - 0.05, "1a"),
        (DEFORMED_MM + 0.05, "1b"),
        (3.0 - 0.31 - TOUCH_MM - 0.1, "1b"),  # fluid of a little more than a film is left: 0.31 mm is dura
        (3.0 - 0.31 - TOUCH_MM + 0.1, "1c"),
    ],
)
def test_boundaries_of_grade_1(shift: float, wanted: str) -> None:
    assert escc(synthetic(shift), synthetic(), epidural_cm3=1.0)["escc"] == wanted


def test_boundary_of_grades_0_and_1() -> None:
    assert escc(synthetic(0.0), synthetic(), epidural_cm3=INVOLVED_CM3 - 0.001)["escc"] == "0"
    assert escc(synthetic(0.0), synthetic(), epidural_cm3=INVOLVED_CM3)["escc"] == "1a"


@pytest.mark.parametrize(("change", "wanted"), [(DEFORMED_MM - 0.1, "1c"), (DEFORMED_MM + 0.1, "2")])
def test_boundary_of_grades_1_and_2_is_a_half_axis_of_the_cord(change: float, wanted: str) -> None:
    flat = 1.0 + change / 3.0
    found = escc(synthetic(2.7, flat=flat), synthetic(), epidural_cm3=1.0)
    # volume fractions of half a millimetre give the half axis within 0.03 mm
    assert found["cord_deformation_mm"] == pytest.approx(change, abs=0.05)
    assert found["escc"] == wanted


@pytest.mark.parametrize(("room", "wanted"), [(CSF_SEEN_MM + 0.2, "2"), (CSF_SEEN_MM - 0.2, "3")])
def test_boundary_of_grades_2_and_3_is_fluid_on_the_worst_slice(room: float, wanted: str) -> None:
    tight = synthetic(0.0, sac=3.0 + 0.31 + room)
    deformed = tight.assign(cord=synthetic(flat=1.2)["cord"])
    assert escc(deformed, synthetic(), epidural_cm3=1.0)["escc"] == wanted


def test_a_cord_that_only_moves_is_not_deformed() -> None:
    moved = synthetic(1.0)
    moved["cord"] = moved["cord"].roll(x=-2)
    assert escc(moved, synthetic(), epidural_cm3=1.0)["cord_deformation_mm"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("zones", "layers", "wanted"),
    [
        ([5, 6, 7], ["B", "C"], {"vertebrectomy_4_8", "vertebrectomy_5_9"}),
        ([4, 5], ["B"], {"vertebrectomy_4_8", "sagittal_2_5"}),
        ([9], ["B"], {"vertebrectomy_5_9", "sagittal_8_11"}),
        ([12, 1], ["C"], {"posterior_10_3"}),
        ([3, 10], ["C"], {"posterior_10_3"}),
        ([4, 9], ["C"], set()),  # both pedicles: no vertebrectomy
        ([5, 6], ["B", "E"], set()),
        ([], [], set()),
    ],
)
def test_resections_hold_all_zones(zones: list[int], layers: list[str], wanted: set[str]) -> None:
    assert set(eligible_resections(zones, layers)) == wanted


def test_an_epidural_part_leaves_no_margin() -> None:
    assert "marginal" in eligible_resections([5], ["C", "D"])["vertebrectomy_4_8"]
    assert "marginal" not in eligible_resections([5], ["C"])["vertebrectomy_4_8"]


def test_cells_add_up_to_the_tumour(arms: dict[str, xr.Dataset]) -> None:
    tumour, whole = cell_volumes(arms["none"])
    # a film of 0.1 mm at the surface does not count: 100 cm2 of it are 1 cm3
    assert tumour.sum() == pytest.approx(arms["none"].attrs["gtv_cm3"], rel=0.03)
    assert (tumour <= whole + 1e-9).all()


def test_staging_changes_nothing(arms: dict[str, xr.Dataset]) -> None:
    before = arms["none"].copy(deep=True)
    stage(arms["none"], arms["decompressed"])
    xr.testing.assert_identical(arms["none"], before)
