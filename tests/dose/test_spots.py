"""Spots cover the target seen from each field, and say so when they can't."""

from dataclasses import asdict

import numpy as np
import pytest
import xarray as xr

from doseplan.case import finer_delivery
from doseplan.case.spec import Robustness
from doseplan.dose.curves import beams_eye_view
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.fields import place_fields
from doseplan.dose.spots import place_spots
from doseplan.messages import InputError


def _place(case, phantom, beams):
    return place_spots(case, phantom, place_fields(case, phantom), beams)


def _target(phantom):
    z, y, x = np.nonzero(phantom["spot_target"].values >= 0.5)
    return np.column_stack([phantom["x"].values[x], phantom["y"].values[y], phantom["z"].values[z]])


def test_rays_are_the_grid_points_within_the_margin(phantom_of, case_of, beams):
    case, phantom = case_of(0.0, 60.0, spot_spacing_mm=3.0, spot_margin_mm=4.0), phantom_of()
    spots = _place(case, phantom, beams)
    uv = beams_eye_view(spots, _target(phantom))
    for field in range(2):
        own = spots.isel(spot=spots["field_index"].values == field)
        found = set(zip(own["spot_u"].values.tolist(), own["spot_v"].values.tolist(), strict=True))
        grid = 3.0 * np.arange(-8, 9)
        distance = np.array([[np.hypot(*(uv[field] - (u, v)).T).min() for u in grid] for v in grid])
        # margin 4 mm, and half a voxel of 2 mm from the centre of the outermost voxel to its edge
        expected = {(u, v) for i, v in enumerate(grid) for j, u in enumerate(grid) if distance[i, j] <= 5.0}
        assert found == expected


def test_layers_reach_from_the_proximal_to_the_distal_end(phantom_of, case_of, beams):
    case, phantom = case_of(0.0, layer_spacing_mm=4.0), phantom_of()
    spots = _place(case, phantom, beams)
    wepl = water_equivalent_depth(phantom, spots, _target(phantom))[0]
    r80 = beams["r80"].values[spots["energy_index"].values]
    middle = (spots["spot_u"].values == 0.0) & (spots["spot_v"].values == 0.0)
    # 36.0 to 56 mm deep; multiples of 4 mm; library ranges are 2 mm apart from 30 mm, so they match exactly
    assert (wepl.min(), wepl.max()) == (37.0, 55.0)
    np.testing.assert_allclose(np.sort(r80[middle]), [36.0, 40.0, 44.0, 48.0, 52.0, 56.0])
    assert (
        len(set(zip(*(spots[n].values.tolist() for n in ("energy_index", "spot_u", "spot_v")), strict=True)))
        == (spots.sizes["spot"])
    )


def test_layers_reach_as_far_as_the_margin_along_the_beam(phantom_of, case_of, beams):
    phantom, found = phantom_of(), {}
    for margin in (0.0, 4.0, 6.0, None):
        case = case_of(0.0, layer_spacing_mm=4.0, layer_margin_mm=margin)
        spots = _place(case, phantom, beams)
        middle = (spots["spot_u"].values == 0.0) & (spots["spot_v"].values == 0.0)
        found[margin] = beams["r80"].values[spots["energy_index"].values[middle]]
    # the target is 37 to 55 mm deep
    np.testing.assert_allclose(found[0.0], [40.0, 44.0, 48.0, 52.0])
    np.testing.assert_allclose(found[6.0], np.arange(32.0, 61.0, 4.0))
    np.testing.assert_array_equal(found[None], found[4.0])


def test_a_finer_grid_has_all_spots_of_the_grid_before_and_others_between(phantom_of, case_of, beams):
    phantom = phantom_of()

    def places(spots):
        names = ("field_index", "energy_index", "spot_v", "spot_u")
        return set(zip(*(spots[name].values.round(6).tolist() for name in names), strict=True))

    grid = {"layer_spacing_mm": 4.0, "spot_spacing_mm": 4.0, "spot_margin_mm": 5.0}
    case = case_of(0.0, 60.0, **grid)
    between = case_of(0.0, 60.0, **asdict(finer_delivery(case.delivery)))
    before, finer = (places(_place(each, phantom, beams)) for each in (case, between))
    assert before < finer
    # four times the rays, twice the energies, but for the rim
    assert 7.0 < len(finer) / len(before) < 9.0


def test_spots_reach_further_where_errors_are_planned_for(phantom_of, case_of, beams):
    phantom = phantom_of()

    def placed(robustness):
        delivery = {"layer_spacing_mm": 4.0, "spot_spacing_mm": 3.0, "spot_margin_mm": 4.0}
        return _place(case_of(0.0, robustness=robustness, **delivery), phantom, beams)

    before = placed(None)
    judged, planned = (
        placed(Robustness(setup_mm=3.0, range_percent=5.0, plan=each)) for each in (False, True)
    )
    xr.testing.assert_identical(judged, before)
    assert planned["spot_u"].values.max() == before["spot_u"].values.max() + 3.0
    assert planned["spot_v"].values.min() == before["spot_v"].values.min() - 3.0
    r80 = beams["r80"].values[planned["energy_index"].values]
    middle = (planned["spot_u"].values == 0.0) & (planned["spot_v"].values == 0.0)
    # 37 mm less 5 % and 55 mm more 5 %, a layer of 4 mm more on either side: 31.2 to 61.8 mm
    np.testing.assert_allclose(np.sort(r80[middle])[[0, -1]], [32.0, 60.0])
    assert any(
        "3 mm further to the side and 5 % of the depth" in line for line in planned.attrs["assumptions"]
    )
    assert not any("further to the side" in line for line in before.attrs["assumptions"])


def test_order_weight_and_assumptions(phantom_of, case_of, beams):
    spots = _place(case_of(0.0, 90.0), phantom_of(), beams)
    keys = [spots[name].values for name in ("spot_u", "spot_v", "energy_index", "field_index")]
    np.testing.assert_array_equal(np.lexsort(keys), np.arange(spots.sizes["spot"]))
    assert not spots["weight"].values.any()
    energy = beams["energy"].values[spots["energy_index"].values]
    np.testing.assert_array_equal(spots["spot_energy"].values, energy)
    assert any("parallel" in line for line in spots.attrs["assumptions"])
    assert any("half of it" in line for line in spots.attrs["assumptions"])


def test_a_field_without_rays_is_an_error(phantom_of, case_of, beams):
    # two voxels whose centres stand 1 mm from the isocentre each; the grid's other rays are 10 mm away
    phantom = phantom_of()
    target = np.zeros(phantom["rsp"].shape, np.float32)
    target[20, 20, [20, 26]] = 1.0
    phantom["spot_target"].values[:] = target
    case = case_of(0.0, spot_spacing_mm=10.0, spot_margin_mm=0.0)
    with pytest.raises(
        InputError, match=r"fields\[0\]: expected to hit the target, got no ray on a grid of 10 mm"
    ):
        _place(case, phantom, beams)


def test_a_target_beyond_the_highest_energy_is_an_error(phantom_of, case_of, beams):
    phantom = phantom_of(centre=(0.0, 25.0, 0.0), radius=8.0)
    message = r"fields\[1\]: expected a target within 80.0 mm of water, .* got a target 83.0 mm deep"
    with pytest.raises(InputError, match=message):
        _place(case_of(180.0, 0.0), phantom, beams)


def test_a_target_under_the_skin_is_noted(phantom_of, case_of, beams):
    spots = _place(case_of(0.0), phantom_of(centre=(0.0, -40.0, 0.0), radius=8.0), beams)
    assert set(spots["energy_index"].values) == {0}
    assert any("in front of the shortest range" in line for line in spots.attrs["assumptions"])


def test_no_voxel_of_target_is_an_error(phantom_of, case_of, beams):
    phantom = phantom_of()
    phantom["spot_target"].values[:] *= 0.4
    with pytest.raises(InputError, match="spot_target: expected a voxel that is at least half target"):
        _place(case_of(0.0), phantom, beams)
