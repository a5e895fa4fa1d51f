import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan.anatomy import build_phantom
from doseplan.anatomy.model import model_arm
from doseplan.anatomy.neural import sections
from doseplan.anatomy.paint import TISSUES
from doseplan.anatomy.spine import bone, place_levels
from doseplan.anatomy.surface import distance
from doseplan.case import Case, bundled_cases, load_case
from doseplan.messages import InputError

Arms = dict[str, xr.Dataset]


def area_mm2(phantom: xr.Dataset, name: str) -> np.ndarray:
    return phantom[name].sum(("y", "x"), dtype="float64").values * phantom.attrs["voxel_mm"] ** 2


@pytest.fixture(scope="module")
def steps(changed: Callable[..., Case]) -> list[xr.Dataset]:
    """No surgery, then growing separation, with one material for tumour and cavity."""
    case = changed("surgery", cavity_material="tumour")
    case = replace(case, grid=replace(case.grid, voxel_mm=2.0))
    return [build_phantom(case, separation_mm=separation) for separation in (None, 0.0, 1.0, 2.0, 4.0)]


def test_arms_are_named_by_their_separation(arms: Arms) -> None:
    assert list(arms) == ["none", "decompressed", "separated"]
    assert math.isnan(arms["none"].attrs["separation_mm"])
    assert arms["separated"].attrs["separation_mm"] == 3.0


def test_what_arms_share_is_found_once_and_changes_no_bit(slim: Case) -> None:
    case = replace(slim, grid=replace(slim.grid, voxel_mm=2.0))
    other = replace(case, tumour=replace(case.tumour, paraspinal_width_mm=15.0))
    before = model_arm(case, separation_mm=None)
    after = build_phantom(case, separation_mm=3.0)
    assert model_arm(case, separation_mm=0.0).gross is before.gross
    # the last case counts, and no other
    assert build_phantom(other, separation_mm=None).attrs["gtv_cm3"] < after.attrs["gtv_before_cm3"]
    xr.testing.assert_identical(build_phantom(case, separation_mm=3.0), after)


def test_cord_has_the_published_area_at_t11(arms: Arms, case: Case) -> None:
    middle = next(placed.middle for placed in place_levels(case.anatomy) if placed.level.name == "T11")
    area = float(np.interp(middle, arms["decompressed"]["z"], area_mm2(arms["decompressed"], "cord")))
    # 48.78 mm2; cells of 0.5 mm at a radius of 4 mm make 0.2 mm2 too much at most
    assert area == pytest.approx(48.78, abs=0.3)


def test_cord_keeps_its_area_in_every_slice(arms: Arms) -> None:
    pressed, free = (area_mm2(arms[arm], "cord") for arm in ("none", "decompressed"))
    np.testing.assert_allclose(pressed, free, rtol=0.01)  # 0.5 mm2, the error of either
    half = arms["none"]["z"].values
    changed = np.abs(arms["none"]["cord"] - arms["decompressed"]["cord"]).sum(("y", "x")).values
    assert changed[np.abs(half) < 5.0].min() > 10.0  # its shape and place do change


def test_cord_lies_inside_the_sac_at_every_height(case: Case) -> None:
    z = np.linspace(-55.0, 55.0, 221)
    levels = place_levels(case.anatomy)
    turn = np.linspace(0.0, 2 * np.pi, 72)[:, None]
    for pressed in (False, True):
        sac, cord = sections(case, levels, z, pressed=pressed)
        root = np.sqrt(cord.xx)
        x = cord.x + root * np.cos(turn)
        y = cord.y + cord.xy / root * np.cos(turn) + np.sqrt(cord.yy - (cord.xy / root) ** 2) * np.sin(turn)
        u, v = x - sac.x, y - sac.y
        inside = (sac.yy * u * u - 2 * sac.xy * u * v + sac.xx * v * v) / (sac.xx * sac.yy - sac.xy**2)
        assert inside.max() < 1.0


def test_sac_is_pressed_without_surgery_and_the_same_after_any(arms: Arms) -> None:
    z = arms["none"]["z"].values
    pressed, free = area_mm2(arms["none"], "sac"), area_mm2(arms["decompressed"], "sac")
    assert (pressed[np.abs(z) < 5.0] < 0.7 * free[np.abs(z) < 5.0]).all()
    np.testing.assert_allclose(pressed[np.abs(z) > 30.0], free[np.abs(z) > 30.0], rtol=1e-3)
    np.testing.assert_array_equal(arms["decompressed"]["sac"], arms["separated"]["sac"])


def test_dorsal_csf_is_the_published_one(arms: Arms, case: Case) -> None:
    middle = next(placed.middle for placed in place_levels(case.anatomy) if placed.level.name == "T11")
    sac, cord = sections(case, place_levels(case.anatomy), np.array([middle]), pressed=False)
    dorsal = float((sac.y + np.sqrt(sac.yy) - cord.y - np.sqrt(cord.yy))[0])
    assert dorsal == pytest.approx(2.51, abs=1e-4)  # tables along z have steps of 0.1 mm


def test_tumour_is_large_and_wraps_at_least_half_of_the_sac(arms: Arms, case: Case) -> None:
    phantom = arms["none"]
    assert phantom.attrs["gtv_cm3"] >= 60.0
    model = model_arm(case, separation_mm=None)
    middle = np.abs(model.dura.points[:, 0]) < 15.0
    outside = model.dura.points[middle] + 0.5 * model.dura.normals[middle]
    wrapped = np.mean(distance(model.residual, outside) < 0.0)
    assert 0.5 < wrapped < 0.95


def test_tumour_has_parts_in_the_canal_in_bone_and_beside_the_spine(arms: Arms) -> None:
    gtv = arms["none"]["gtv"]
    bone = arms["none"].sel(x=10, y=-20, z=-14, method="nearest")
    assert float(bone["gtv"]) == 1.0
    assert float(gtv.sel(x=40, y=0, z=0, method="nearest")) == 1.0
    assert float(gtv.sel(x=12, y=0, z=0, method="nearest")) == 1.0  # through the foramen


def test_free_distance_after_surgery_is_the_separation(case: Case, arms: Arms) -> None:
    for arm, separation in (("decompressed", 0.0), ("separated", 3.0)):
        assert arms[arm].attrs["gap_tumour_dura_mm"] == pytest.approx(separation, abs=0.1)
        assert arms[arm].attrs["gap_target_dura_mm"] == pytest.approx(separation, abs=0.1)
    for separation in (1.0, 6.5):
        model = model_arm(case, separation_mm=separation)
        # measured from surface to surface, not from voxels
        for surface in (model.residual, model.target):
            assert float(distance(model.dura, surface.points).min()) == pytest.approx(separation, abs=0.1)


def test_volumes_never_rise_with_separation(steps: list[xr.Dataset]) -> None:
    for name in ("gtv_cm3", "target_cm3"):
        volumes = [step.attrs[name] for step in steps]
        # 0.01 cm3 is noise of surfaces that are found anew
        assert (np.diff(volumes) <= 0.01).all()
        assert volumes[-1] < volumes[0] - 5.0
    assert len({round(step.attrs["spot_target_cm3"], 2) for step in steps}) == 1


def test_each_point_belongs_to_one_structure(arms: Arms) -> None:
    for phantom in arms.values():
        assert float((phantom["cord"] - phantom["sac"]).max()) <= 0.0
        for name in ("gtv", "target"):
            assert float((phantom["sac"] + phantom[name]).max()) <= 1.0 + 1e-6


def test_target_keeps_out_of_cavity_unless_the_case_says_so(arms: Arms, changed: Callable[..., Case]) -> None:
    separated = arms["separated"]
    free = separated["distance_dura"].values
    assert float(separated["target"].values[free < 2.0].max()) == 0.0
    keeps = build_phantom(changed("surgery", ctv_keeps_resected=True), separation_mm=3.0)
    assert keeps.attrs["target_cm3"] > separated.attrs["target_cm3"] + 3.0
    assert keeps.attrs["gap_target_dura_mm"] == pytest.approx(0.0, abs=0.1)
    assert keeps.attrs["target_reading"] != separated.attrs["target_reading"]
    np.testing.assert_allclose(keeps["gtv"], separated["gtv"], atol=1e-5)


def test_margin_grows_the_target_by_its_width(arms: Arms, changed: Callable[..., Case]) -> None:
    bare = build_phantom(changed("surgery", ctv_margin_mm=0.0), separation_mm=None)
    np.testing.assert_array_equal(bare["target"], bare["gtv"])
    inside = (arms["none"]["target"].values > 0.999) & (arms["none"]["gtv"].values < 0.001)
    assert float(arms["none"]["distance_gtv"].values[inside].max()) <= 2.0
    assert float(arms["none"]["distance_gtv"].values[inside].max()) > 1.0


def test_one_material_for_tumour_and_cavity_gives_the_same_tissue_at_any_separation(
    steps: list[xr.Dataset],
) -> None:
    _, first, *others = steps
    for other in others:
        for name in ("density", "rsp", "hu"):
            np.testing.assert_array_equal(first[name], other[name])


def test_cavity_and_lamina_are_filled_with_the_stated_material(
    arms: Arms, changed: Callable[..., Case]
) -> None:
    tissue = arms["separated"]["tissue"].values
    cavity = tissue == TISSUES.index("cavity")
    assert cavity.sum() > 3000
    filled = build_phantom(changed("surgery", cavity_material="fat"), separation_mm=3.0)
    pure = cavity & (np.abs(arms["separated"]["density"].values - 1.007) < 1e-4)
    assert pure.sum() > 1000
    # a few soft-tissue mixtures happen to have the density of the first fill
    assert np.mean(np.abs(filled["density"].values[pure] - 0.95) < 0.03) > 0.999
    bone = TISSUES.index("cortical_bone")
    here = arms["none"].sel(x=0, z=0, method="nearest")
    lamina = (here["tissue"].values == bone) & (here["y"].values > 0)
    assert lamina.any()
    after = arms["separated"].sel(x=0, z=0, method="nearest")["tissue"].values
    assert (after[lamina] == TISSUES.index("cavity")).all()


def test_left_and_right_are_mirror_images(changed: Callable[..., Case]) -> None:
    def built(side: str) -> xr.Dataset:
        case = changed("tumour", side=side)
        trunk = replace(case.anatomy.trunk, aorta_diameter=None, kidney_length=None)  # these are not
        return build_phantom(replace(case, anatomy=replace(case.anatomy, trunk=trunk)), separation_mm=3.0)

    left, right = built("left"), built("right")
    for name in ("cord", "sac", "gtv", "target", "density"):
        away = np.abs(right[name].values[:, :, ::-1] - left[name].values)
        # the order of surface points is not mirrored; it decides within 0.5 mm of creases only
        assert float(away.max()) < 0.5, name
        assert np.mean(away > 0.05) < 5e-5, name
        assert float(away.sum()) < 3e-4 * float(left[name].sum()), name
    assert float(left["gtv"].sel(x=slice(20, None)).sum()) > 10 * float(
        left["gtv"].sel(x=slice(None, -20)).sum() + 1
    )


def test_volumes_are_stable_from_one_to_two_millimetres(arms: Arms, changed: Callable[..., Case]) -> None:
    fine = arms["separated"]
    coarse = build_phantom(changed("grid", voxel_mm=2.0), separation_mm=3.0)
    for name in ("cord_cm3", "sac_cm3", "gtv_cm3", "target_cm3", "spot_target_cm3"):
        assert coarse.attrs[name] == pytest.approx(fine.attrs[name], rel=0.02), name
    mass = [float(p["density"].sum(dtype="float64")) * p.attrs["voxel_mm"] ** 3 for p in (fine, coarse)]
    assert mass[1] == pytest.approx(mass[0], rel=0.005)


@pytest.mark.parametrize(
    ("table", "keys", "message"),
    [
        ("grid", {"x_mm": (10.0, 75.0)}, "cord inside the grid"),
        ("grid", {"x_mm": (-30.0, 30.0)}, "tumour: expected inside the grid"),
    ],
)
def test_what_makes_no_sense_is_refused(
    changed: Callable[..., Case], table: str, keys: dict[str, object], message: str
) -> None:
    case = changed(table, **keys)
    with pytest.raises(InputError, match=message):
        build_phantom(case, separation_mm=None)


def test_a_separation_that_leaves_nothing_is_refused(changed: Callable[..., Case]) -> None:
    small = changed("tumour", paraspinal_width_mm=4.0, paraspinal_depth_mm=4.0, paraspinal_length_mm=4.0)
    with pytest.raises(InputError, match="expected tumour to be left"):
        build_phantom(small, separation_mm=30.0)
    with pytest.raises(InputError, match="separation_mm: expected 0 to 30 mm"):
        build_phantom(small, separation_mm=-1.0)
    with pytest.raises(InputError, match="separation_mm: expected 0 to 30 mm"):
        build_phantom(small, separation_mm=math.nan)


def test_expected_volumes_of_the_bundled_files() -> None:
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    case = replace(case, grid=replace(case.grid, voxel_mm=2.0))
    phantom = build_phantom(case, separation_mm=0.0)
    names = {name: TISSUES.index(name) for name in ("cortical_bone", "spongiosa", "lung", "air")}
    counted = {name: float((phantom["tissue"] == code).sum()) * 8e-3 for name, code in names.items()}
    trunk = phantom["tissue"].size * 8e-3 - counted["air"]
    assert case.anatomy.check is not None
    assert case.check is not None
    # volumes are stated to 1 %; counted tissues of thin shells change by 2 % with the voxel size
    assert phantom.attrs["cord_cm3"] == pytest.approx(case.anatomy.check.cord_cm3, rel=0.01)
    assert phantom.attrs["sac_cm3"] == pytest.approx(case.anatomy.check.sac_cm3, rel=0.01)
    assert phantom.attrs["gtv_before_cm3"] == pytest.approx(case.check.gtv_cm3, rel=0.01)
    assert phantom.attrs["spot_target_cm3"] == pytest.approx(case.check.target_cm3, rel=0.01)
    assert counted["lung"] == pytest.approx(case.anatomy.check.lung_cm3, rel=0.02)
    assert trunk == pytest.approx(case.anatomy.check.trunk_cm3, rel=0.01)
    z, y, x = np.meshgrid(
        np.arange(-54.5, 55), np.arange(-59.5, 50), np.arange(-44.5, 45), indexing="ij", sparse=True
    )
    shells = (case.anatomy.bone.body_shell.mm, case.anatomy.bone.arch_shell.mm)
    whole, inner = bone(place_levels(case.anatomy), shells, z, y, x)
    assert float((whole < 0).sum()) * 1e-3 == pytest.approx(case.anatomy.check.bone_cm3, rel=0.01)
    assert 0.3 < float((inner < 0).sum()) / float((whole < 0).sum()) < 0.8
