"""Every bundled case: its voxel model has what its [check] says, whatever the voxel size."""

import math
from dataclasses import replace

import numpy as np
import pytest

from doseplan.anatomy import build_phantom, stage
from doseplan.anatomy.model import model_arm
from doseplan.anatomy.surface import Surface
from doseplan.case import Case, bundled_cases, load_case, parse_case
from doseplan.case.disease_spec import RESECTIONS

NAMES = sorted(bundled_cases())


def at(name: str, voxel_mm: float) -> Case:
    case = load_case(bundled_cases()[name])
    return replace(case, grid=replace(case.grid, voxel_mm=voxel_mm))


def test_the_gallery_shows_every_template_and_resection() -> None:
    cases = [load_case(path) for path in bundled_cases().values()]
    assert len(cases) >= 14
    assert {case.tumour.template for case in cases} == {
        "dumbbell",
        "epidural",
        "body",
        "body_epidural",
        "paraspinal",
        "cells",
    }
    shown = {case.surgery.en_bloc.resection for case in cases if case.surgery.en_bloc is not None}
    assert shown == set(RESECTIONS)
    assert any(case.hardware is not None for case in cases)
    origins = [case.anatomy.origin_below for case in cases]
    assert any(name.startswith("C") for name in origins)
    assert any(name == "L3" for name in origins)
    assert {case.anatomy.posture for case in cases} == {"supine", "prone"}
    fields = [field for case in cases for field in case.fields]
    assert {field.part for field in fields} == {None, "left", "right", "anterior", "posterior"}
    assert any(field.roll_deg != 0.0 for field in fields)


@pytest.mark.parametrize("name", NAMES)
def test_volumes_and_grade_are_those_of_the_check(name: str) -> None:
    """The numbers in the files are of 1 mm voxels; here they are 2 mm."""
    case = at(name, 2.0)
    check = case.check
    assert check is not None
    before = build_phantom(case, separation_mm=None)
    after = build_phantom(case, separation_mm=case.surgery.separation_mm)  # the free shape of sac and cord
    # 2 %, as the issue asks; a hundredth of a cm3 is the rounding in the file
    assert before.attrs["gtv_cm3"] == pytest.approx(check.gtv_cm3, rel=0.02, abs=0.01)
    assert before.attrs["target_cm3"] == pytest.approx(check.target_cm3, rel=0.02, abs=0.01)
    assert after.attrs["gtv_cm3"] == pytest.approx(check.residual_cm3, rel=0.02, abs=0.01)
    assert after.attrs["cord_cm3"] == pytest.approx(check.cord_cm3, rel=0.02)
    assert after.attrs["sac_cm3"] == pytest.approx(check.sac_cm3, rel=0.02)
    assert stage(before, after)["escc"] == check.escc


def counted_cm3(surface: Surface | None, spacing_mm: float) -> float:
    """Add up a fine lattice of the implicit function, near the surface in proportion."""
    if surface is None:
        return 0.0
    z, y, x = (np.arange(low, high, spacing_mm) + spacing_mm / 2 for low, high in surface.box)
    total = 0.0
    for height in z:
        value = surface.shape(np.full((1, 1, 1), height), y[None, :, None], x[None, None, :])
        total += float(np.clip(0.5 - value / spacing_mm, 0.0, 1.0).sum())
    return total * spacing_mm**3 / 1000.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["c5_dumbbell", "l1_body_epidural", "l1_sagittal_8_11", "l3_cauda_equina", "t12_ring"]
)
def test_volumes_are_those_of_a_count_on_the_shapes(name: str) -> None:
    case = at(name, 1.0)
    check = case.check
    assert check is not None
    model = model_arm(case, separation_mm=case.surgery.separation_mm)
    for surface, volume in (
        (model.gross, check.gtv_cm3),
        (model.residual, check.residual_cm3),
        (model.spot_target, check.target_cm3),
    ):
        # 1 %, as the issue asks; the count at 0.7 mm is within 0.2 % of one at 0.5 mm
        assert counted_cm3(surface, 0.7) == pytest.approx(volume, rel=0.01)


def test_an_ellipsoid_has_its_analytic_volume_at_any_voxel_size() -> None:
    case = parse_case(
        """
        anatomy = { levels = "T10-L1", origin_below = "T11" }
        prescription = { total_gy_rbe = 64.0 }
        surgery = { separation_mm = 3.0 }
        grid = { x_mm = [-60.0, 60.0], y_mm = [-50.0, 50.0], z_mm = [-30.0, 30.0] }
        [tumour]
        side = "left"
        template = "paraspinal"
        paraspinal_width_mm = 30.0
        paraspinal_depth_mm = 26.0
        paraspinal_length_mm = 40.0
        """,
        None,
    )
    expected = 4.0 / 3.0 * math.pi * 15.0 * 13.0 * 20.0 / 1000.0
    for voxel_mm in (0.5, 1.0, 2.0):
        phantom = build_phantom(replace(case, grid=replace(case.grid, voxel_mm=voxel_mm)), separation_mm=None)
        assert phantom.attrs["gtv_cm3"] == pytest.approx(expected, rel=0.01)


def test_a_straight_sac_has_the_volume_of_its_ellipses() -> None:
    """One level alone: sac and canal don't change along z, so that a cylinder's volume is exact."""
    case = parse_case(
        """
        anatomy = { levels = "T9" }
        prescription = { total_gy_rbe = 64.0 }
        surgery = { separation_mm = 1.0 }
        grid = { x_mm = [-40.0, 40.0], y_mm = [-45.0, 40.0], z_mm = [-15.0, 15.0] }
        [tumour]
        side = "left"
        template = "paraspinal"
        paraspinal_width_mm = 10.0
        paraspinal_depth_mm = 10.0
        paraspinal_length_mm = 10.0
        foramen_diameter_mm = 5.0
        """,
        None,
    )
    level = case.anatomy.level[0]
    assert level.cord_area is not None
    sac = math.pi / 4 * level.sac_depth.mm * level.sac_width.mm * 30.0 / 1000.0
    for voxel_mm in (0.5, 1.0, 2.0):
        grid = replace(case.grid, voxel_mm=voxel_mm)
        phantom = build_phantom(replace(case, grid=grid), separation_mm=0.0)
        assert phantom.attrs["sac_cm3"] == pytest.approx(sac, rel=0.01)
        assert phantom.attrs["cord_cm3"] == pytest.approx(level.cord_area.mm2 * 0.03, rel=0.01)
