"""Final dose at samples and on the grid: one model, stated zeros, stated scale, clear errors."""

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology import nirs_dose
from doseplan.dose.fields import place_fields
from doseplan.dose.rays import trace_spots
from doseplan.dose.spots import place_spots
from doseplan.dose.total import grid_dose, sample_dose
from doseplan.dose.voxel_sums import BODY_RSP, NEAR_MM
from doseplan.messages import InputError


@pytest.fixture(scope="module")
def case(case_of):
    return case_of(0.0, 110.0, spot_spacing_mm=5.0, layer_spacing_mm=4.0)


@pytest.fixture(scope="module")
def phantom(phantom_of):
    """Water with a layer of air in front of it."""
    rsp = np.ones((40, 46, 50))
    rsp[:, :5] = 0.001
    return phantom_of(rsp, centre=(25.0, -2.0, 20.0), radius=8.0)


@pytest.fixture(scope="module")
def spots(case, phantom, beams):
    placed = place_spots(case, phantom, place_fields(case, phantom), beams)
    weight = np.random.default_rng(9).random(placed.sizes["spot"])
    return placed.assign(weight=placed["weight"].copy(data=weight))


@pytest.fixture(scope="module")
def grid(case, phantom, spots, beams):
    return grid_dose(case, phantom, spots, beams)


def _centres(phantom):
    z, y, x = np.meshgrid(phantom["z"].values, phantom["y"].values, phantom["x"].values, indexing="ij")
    return np.column_stack([x.ravel(), y.ravel(), z.ravel()])


def _samples(points):
    return xr.Dataset({"sample_position": schema.variable("sample_position", points)})


def test_grid_and_samples_are_one_model(case, phantom, spots, beams, grid):
    rng = np.random.default_rng(10)
    voxels = rng.choice(np.flatnonzero(grid["dose"].values > 0.0), 200, replace=False)
    found = sample_dose(case, phantom, _samples(_centres(phantom)[voxels]), spots, beams)
    for name in ("dose", "dose_rbe", "let_d"):
        # the grid is float32: 6e-8
        np.testing.assert_allclose(
            grid[name].values.flat[voxels], found[f"sample_{name}"].values, rtol=1e-7, atol=1e-40
        )


def test_bone_has_its_dose_on_the_other_scale_too(case, phantom, spots, beams, grid):
    assert "bone_dose_lem1" not in grid  # nobody said where bone is
    region = np.zeros(phantom["rsp"].shape)
    region[10:30, 2:20, 10:40] = 1
    region[10:30, 20:25, 20:30] = 2
    found = grid_dose(case, phantom.assign(region=schema.variable("region", region)), spots, beams)
    lem1, bone = found["bone_dose_lem1"].values, region == 1
    assert not lem1[~bone].any()
    assert found["bone_dose_lem1"].attrs["scale"] == "LEM1"
    inside = np.flatnonzero(bone & (found["dose"].values > 0.0))
    voxels = np.random.default_rng(11).choice(inside, 200, replace=False)
    expected = sample_dose(case, phantom, _samples(_centres(phantom)[voxels]), spots, beams)
    # the grid is float32: 6e-8
    np.testing.assert_allclose(lem1.flat[voxels], expected["sample_dose_lem1"].values, rtol=1e-7, atol=1e-40)
    np.testing.assert_array_equal(found["dose_rbe"].values, grid["dose_rbe"].values)


def test_grid_is_zero_in_air_only_where_there_is_dose(case, phantom, spots, beams, grid):
    air = phantom["rsp"].values.ravel() < BODY_RSP
    assert not grid["dose"].values.ravel()[air].any()
    dark = np.flatnonzero(~air & (grid["dose"].values.ravel() == 0.0))
    found = sample_dose(case, phantom, _samples(_centres(phantom)[dark]), spots, beams)
    assert not found["sample_dose"].values.any()
    assert any("on the grid there is no dose where rsp" in line for line in grid.attrs["assumptions"])


def test_fragments_between_coarse_voxels_are_nearly_exact(case, phantom, spots, beams, grid):
    z, y, x = np.meshgrid(phantom["z"], phantom["y"], phantom["x"], indexing="ij")
    distance = np.hypot(np.hypot(x - 25.0, y + 2.0), z - 20.0) - 8.0
    told = phantom.assign(distance_target=schema.variable("distance_target", distance))
    other = grid_dose(case, told, spots, beams)
    near = distance < NEAR_MM
    np.testing.assert_array_equal(other["dose"].values[near], grid["dose"].values[near])
    miss = np.abs(other["dose"].values - grid["dose"].values)
    # voxels of 2 mm here: straight lines over 6 mm between fragments of sigma 6 mm and more miss up to
    # 6^2 / (8 x 6^2) of their own dose, a twentieth of the peak's
    assert 0.0 < miss.max() < 0.01 * grid["dose"].values.max()


def test_rays_may_be_given(case, phantom, spots, beams, grid):
    again = grid_dose(case, phantom, spots, beams, rays=trace_spots(phantom, spots, beams))
    np.testing.assert_array_equal(again["dose"].values, grid["dose"].values)


def test_scale_and_let_are_stated(case, phantom, spots, beams, grid):
    points = np.array([[25.0, -2.0, 20.0], [20.0, 0.0, 10.0]])
    found = sample_dose(case, phantom, _samples(points), spots, beams)
    expected = nirs_dose(found["sample_dose"].values, found["sample_dose_z_star"].values, fractions=16)
    np.testing.assert_array_equal(found["sample_dose_rbe"].values, expected)
    for variable in (found["sample_dose_rbe"], grid["dose_rbe"]):
        assert variable.attrs["fractions"] == 16
        assert variable.attrs["scale"] == "NIRS"
    # a mean lies between the extremes of what is averaged: 10 (fragments) and 40 x (1 + 0.02 x 110)
    assert np.all((found["sample_let_d"].values > 10.0) & (found["sample_let_d"].values < 128.0))


def test_days_are_mixed_within_and_added_between_them(case, phantom, spots, beams):
    """Two fields on alternate days: each day's dose by the formula for its own fractions, then the sum."""
    points = np.array([[25.0, -2.0, 20.0], [20.0, 0.0, 10.0]])
    alternate = spots.drop_vars(["course_index", "course_fractions"]).assign(
        course_index=schema.variable("course_index", [0, 1]),
        course_fractions=schema.variable("course_fractions", [10, 6]),
    )
    found = sample_dose(case, phantom, _samples(points), alternate, beams)
    expected, absorbed = np.zeros(2), np.zeros(2)
    for field, fractions in ((0, 10), (1, 6)):
        own = np.where(spots["field_index"].values == field, spots["weight"].values, 0.0)
        day = sample_dose(
            case, phantom, _samples(points), spots.assign(weight=spots["weight"].copy(data=own)), beams
        )
        expected += nirs_dose(
            day["sample_dose"].values, day["sample_dose_z_star"].values, fractions=fractions
        )
        absorbed += day["sample_dose"].values
    np.testing.assert_allclose(found["sample_dose_rbe"].values, expected, rtol=1e-12)
    np.testing.assert_allclose(found["sample_dose"].values, absorbed, rtol=1e-12)
    mixed = sample_dose(case, phantom, _samples(points), spots, beams)
    assert np.any(found["sample_dose_rbe"].values != mixed["sample_dose_rbe"].values)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (0.0, "weight: expected a spot with ions, got weights that are all 0"),
        (-1.0, "weight: expected finite weights of at least 0"),
        (np.nan, "weight: expected finite weights of at least 0"),
    ],
)
def test_weights_that_make_no_dose_are_an_error(case, phantom, spots, beams, weight, message):
    wrong = spots.assign(weight=spots["weight"].copy(data=np.full(spots.sizes["spot"], weight)))
    with pytest.raises(InputError, match=message):
        grid_dose(case, phantom, wrong, beams)
    with pytest.raises(InputError, match=message):
        sample_dose(case, phantom, _samples(np.zeros((1, 3))), wrong, beams)


def test_grid_dose_reports_progress(case, phantom, spots, beams):
    told = []
    grid_dose(case, phantom, spots, beams, progress=lambda message, done: told.append((message, done)))
    assert told[-1] == ("dose grid", 1.0)
