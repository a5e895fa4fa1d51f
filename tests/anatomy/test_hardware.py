"""Implants: where they lie, how large they are, and what a CT makes of them."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan.anatomy import build_phantom
from doseplan.anatomy.ct_curve import HIGHEST_HU
from doseplan.anatomy.hardware import rods, screws
from doseplan.anatomy.materials import materials
from doseplan.anatomy.spine import place_levels
from doseplan.case import Case
from doseplan.case.disease_spec import Hardware
from doseplan.case.tissues import TISSUES
from doseplan.messages import InputError


def with_hardware(case: Case, **keys: object) -> Case:
    stated = {"screw_levels": ("T10", "T11", "L1"), **keys}
    return replace(case, hardware=Hardware(**stated))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def screwed(slim: Case) -> xr.Dataset:
    return build_phantom(with_hardware(slim, cement_level="L1", ct_artefact=True), separation_mm=3.0)


def test_screws_run_through_the_pedicles_and_spare_the_canal(slim: Case) -> None:
    levels = place_levels(slim.anatomy)
    found = screws(with_hardware(slim), levels)
    assert len(found) == 6
    for placed, (entry, tip) in zip((levels[0], levels[1], levels[3]), found[0::2], strict=True):
        assert entry[0] == tip[0] == placed.pedicle_z
        assert math.dist(entry, tip) == pytest.approx(45.0)
        # beside the canal the axis lies in the pedicle
        share = entry[1] / (entry[1] - tip[1])
        at_middle = entry[2] + share * (tip[2] - entry[2])
        assert abs(at_middle - placed.pedicle_x) < placed.level.pedicle_width.mm / 2
        assert tip[1] < -placed.level.canal_depth.mm / 2 - 10.0
        assert tip[2] < entry[2]  # towards the midline
    for left, right in zip(found[0::2], found[1::2], strict=True):
        assert [(z, y, -x) for z, y, x in left] == list(right)
    assert len(rods(with_hardware(slim), levels)) == 4


def test_metal_has_the_volume_of_rods_with_round_ends(slim: Case) -> None:
    fine = replace(
        with_hardware(slim, screw_levels=("T11",), rods=False),
        tumour=replace(slim.tumour, template="epidural", epidural_length_mm=12.0),
        grid=replace(slim.grid, voxel_mm=0.5, x_mm=(-27.0, 27.0), y_mm=(-40.0, 26.0), z_mm=(-14.0, 26.0)),
    )
    bare = build_phantom(replace(fine, hardware=None), separation_mm=3.0)
    phantom = build_phantom(fine, separation_mm=3.0)
    metal, volume = materials()["Ti6Al4V"], 0.125e-3
    # where a screw runs, density rises from what was there to that of the metal
    near = phantom["tissue"].values == TISSUES.index("implant")
    near |= np.abs(phantom["density"].values - bare["density"].values) > 1e-3
    share = (phantom["density"].values - bare["density"].values) / (metal.density - bare["density"].values)
    radius, length = 6.5 / 2, 45.0
    expected = 2 * (math.pi * radius**2 * length + 4 / 3 * math.pi * radius**3) / 1000.0
    # a part of each screw that would lie in the canal is left out; none does here
    assert float(share[near].sum()) * volume == pytest.approx(expected, rel=0.01)


def test_cement_has_the_stated_volume(slim: Case) -> None:
    for millilitres in (4.0, 6.0):
        cemented = with_hardware(slim, screw_levels=(), cement_level="L1", cement_ml=millilitres)
        phantom = build_phantom(cemented, separation_mm=3.0)
        counted = float((phantom["tissue"] == TISSUES.index("cement")).sum()) * 1e-3
        assert counted == pytest.approx(millilitres, rel=0.02)  # whole voxels of 1 mm


def test_too_much_cement_is_refused(slim: Case) -> None:
    with pytest.raises(InputError, match=r"cement_ml: expected at most .* ml in the body of T10, got 10"):
        build_phantom(with_hardware(slim, cement_level="T10", cement_ml=10.0), separation_mm=3.0)


def test_no_implant_before_surgery(slim: Case) -> None:
    phantom = build_phantom(with_hardware(slim), separation_mm=None)
    assert "rsp_ct" not in phantom
    assert not (phantom["tissue"] == TISSUES.index("implant")).any()


def test_a_ct_cuts_metal_and_misreads_cement(screwed: xr.Dataset) -> None:
    metal = screwed["tissue"].values == TISSUES.index("implant")
    deep = metal & (screwed["density"].values > 4.4)
    assert deep.sum() > 100
    assert float(screwed["hu"].max()) == HIGHEST_HU
    np.testing.assert_allclose(screwed["rsp"].values[deep], materials()["Ti6Al4V"].rsp, rtol=0.01)
    np.testing.assert_allclose(screwed["rsp_ct"].values[deep], 2.54, atol=0.01)  # the end of the curve
    cement = (screwed["tissue"].values == TISSUES.index("cement")) & (screwed["hu"].values > 1990.0)
    # 2000 HU read as bone; the true ratio is 1.2
    assert (screwed["rsp_ct"].values[cement] - screwed["rsp"].values[cement]).mean() > 0.5


def test_streaks_stay_near_metal_and_leave_the_truth_alone(slim: Case, screwed: xr.Dataset) -> None:
    clean = build_phantom(with_hardware(slim, cement_level="L1"), separation_mm=3.0)
    np.testing.assert_array_equal(clean["rsp"], screwed["rsp"])
    change = np.abs(clean["hu"].values - screwed["hu"].values)
    assert change.max() > 100.0
    metal = (screwed["tissue"].values == TISSUES.index("implant")).any(axis=(1, 2))
    assert float(change[~metal].max()) == 0.0


def test_cfr_peek_throws_no_streaks(slim: Case) -> None:
    phantom = build_phantom(with_hardware(slim, material="cfr_peek", ct_artefact=True), separation_mm=3.0)
    bare = build_phantom(with_hardware(slim, material="cfr_peek"), separation_mm=3.0)
    np.testing.assert_array_equal(phantom["hu"], bare["hu"])


def test_a_material_can_be_exchanged(slim: Case) -> None:
    soft = build_phantom(replace(slim, material={"tumour": "sclerotic_bone"}), separation_mm=None)
    inside = soft["distance_gtv"].values < -2.0
    np.testing.assert_allclose(soft["rsp"].values[inside], materials()["sclerotic_bone"].rsp, rtol=1e-4)


def test_a_sclerotic_tumour_is_dense_in_bone_only(changed: Callable[..., Case]) -> None:
    phantom = build_phantom(changed("tumour", bone="sclerotic"), separation_mm=None)
    inside = phantom["gtv"].values == 1.0
    bone = phantom["region"].values == 1
    assert np.median(phantom["density"].values[inside & bone]) == pytest.approx(1.45, abs=0.01)
    assert np.median(phantom["density"].values[inside & ~bone]) == pytest.approx(1.05, abs=0.01)
