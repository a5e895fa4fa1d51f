import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.evaluation import agreement
from doseplan.messages import InputError
from doseplan.montecarlo.voxels import coarse_mean

TWO = np.array([2, 2, 2])


def _on_grid(name, values, edge_mm, **attributes):
    axes = {n: edge_mm * (np.arange(size) + 0.5) for n, size in zip("zyx", values.shape, strict=True)}
    coordinates = {n: schema.variable(n, axis) for n, axis in axes.items()}
    return xr.DataArray(schema.variable(name, values, **attributes), coords=coordinates)


def _run(case, samples_of, noise=0.0, times=1.0):
    """A plan whose dose falls along x through cord and target."""
    shape = (20, 20, 20)
    slope = np.broadcast_to(70.0 - 1.5 * (np.arange(20) + 0.5), shape).astype(np.float64)
    stated = rbe_attributes(16)
    fine = xr.Dataset(
        {"dose": _on_grid("dose", slope / 2.0, 1.0), "dose_rbe": _on_grid("dose_rbe", slope, 1.0, **stated)}
    )
    coarse = times * coarse_mean(slope, TWO)
    other = xr.Dataset(
        {
            "dose": _on_grid("dose", coarse / 2.0, 2.0),
            "dose_rbe": _on_grid("dose_rbe", coarse, 2.0, **stated),
            "dose_uncertainty": _on_grid("dose_uncertainty", np.full((10, 10, 10), noise), 2.0),
            "dose_rbe_uncertainty": _on_grid("dose_rbe_uncertainty", np.full((10, 10, 10), noise), 2.0),
        },
        attrs={"histories": 100, "seed": 1, "assumptions": ["made up"]},
    )
    x = np.array([3.0, 5.0, 15.0, 16.0, 17.0])
    position = np.column_stack([x, np.full(5, 10.0), np.full(5, 10.0)])
    samples = samples_of([2, 2, 1, 1, 1], np.full(5, 0.1), 70.0 - 1.5 * x, position=position)
    phantom = xr.Dataset({"rsp": _on_grid("rsp", np.ones(shape), 1.0)}, attrs={"separation_mm": 3.0})
    return case, phantom, samples, fine, other


def test_same_doses_agree_in_every_row(case, samples_of):
    found = agreement(*_run(case, samples_of, noise=0.01))
    for row in found["rows"]:
        assert row["monte_carlo_gye"] == pytest.approx(row["pencil_beam_gye"], rel=1e-6)
    assert found["gamma"] == {"dose": 100.0, "dose_rbe": 100.0}
    hottest = found["rows"][0]
    assert hottest["quantity"] == "maximum, at its place"
    assert hottest["pencil_beam_gye"] == pytest.approx(47.5)
    assert hottest["uncertainty_gye"] == pytest.approx(0.475, rel=1e-3)
    assert (hottest["limit_gye"], hottest["met"], hottest["met_monte_carlo"]) == (50.0, True, True)
    assert found["voxels"]["dose_rbe"]["uncertainty_percent"] == pytest.approx(1.0)


def test_a_hotter_monte_carlo_breaks_the_limit(case, samples_of):
    found = agreement(*_run(case, samples_of, times=1.1))
    hottest = found["rows"][0]
    assert hottest["monte_carlo_gye"] == pytest.approx(1.1 * 47.5, rel=1e-3)
    assert (hottest["met"], hottest["met_monte_carlo"]) == (True, False)
    assert found["voxels"]["dose"]["mean_ratio"] == pytest.approx(1.1)


def test_doses_on_two_scales_are_not_compared(case, samples_of):
    run = _run(case, samples_of)
    run[4]["dose_rbe"].attrs["scale"] = "LEM1"
    with pytest.raises(InputError, match="scale: expected the same on both doses"):
        agreement(*run)


def test_grids_have_to_fit(case, samples_of):
    *rest, other = _run(case, samples_of)
    with pytest.raises(InputError, match=r"monte_carlo: expected .* voxels along x, y, z"):
        agreement(*rest, other.isel(x=slice(0, 7)))


def test_air_at_the_skin_is_no_difference(case, samples_of):
    case, phantom, samples, dose, other = _run(case, samples_of)
    air = dose["x"].values < 1.0
    phantom["rsp"][..., air] = 0.001
    for name in ("dose", "dose_rbe"):
        dose[name][..., air] = 0.0
    found = agreement(case, phantom, samples, dose, other)
    assert found["gamma"] == {"dose": 100.0, "dose_rbe": 100.0}
    # the body's half of the first voxels lies half a millimetre deeper
    assert found["voxels"]["dose"]["mean_ratio"] == pytest.approx(1.0, abs=3e-3)


def test_gamma_is_global_to_the_prescription(case, samples_of):
    """At half the prescription 3 % of the dose are 1.5 % of the prescription, and pass."""
    case, phantom, samples, dose, other = _run(case, samples_of)
    for name in ("dose", "dose_rbe"):
        for data in (dose, other):
            data[name][:] = 0.5 * 64.0 * (0.5 if name == "dose" else 1.0)
        other[name] *= 1.03
    assert agreement(case, phantom, samples, dose, other)["gamma"] == {"dose": 100.0, "dose_rbe": 100.0}
    for name in ("dose", "dose_rbe"):
        other[name] *= 1.05 / 1.03
    assert agreement(case, phantom, samples, dose, other)["gamma"] == {"dose": 0.0, "dose_rbe": 0.0}


def test_a_spread_difference_has_its_own_rows_and_uncertainty(case, samples_of):
    case, phantom, samples, dose, other = _run(case, samples_of, noise=0.02)
    rng = np.random.default_rng(0)
    noisy = other["dose_rbe"].values * rng.normal(1.0, 0.02, other["dose_rbe"].shape)
    smooth = _on_grid("smooth_dose_rbe", other["dose_rbe"].values, 2.0, **rbe_attributes(16))
    other = other.assign(
        dose_rbe=other["dose_rbe"].copy(data=noisy.astype(np.float32)),
        smooth_dose_rbe=smooth,
        smooth_dose_rbe_uncertainty=_on_grid("smooth_dose_rbe_uncertainty", np.full(noisy.shape, 0.004), 2.0),
    ).assign_attrs(blur_mm=2.0)
    rows = {row["quantity"]: row for row in agreement(case, phantom, samples, dose, other)["rows"]}
    spread = rows["maximum, at its place, difference spread by 2 mm"]
    # a Gaussian of one voxel leaves a sixth of independent noise: 0.16 of 47.5 GyE
    assert spread["monte_carlo_gye"] == pytest.approx(47.5, abs=0.5)
    assert spread["uncertainty_gye"] == pytest.approx(0.004 * 47.5, rel=1e-3)
    assert (spread["structure"], spread["limit_gye"]) == ("cord", 50.0)
    assert rows["minimum, at its place, difference spread by 2 mm"]["structure"] == "target"
    # noise makes the coldest part colder; most of it is gone here
    cold, true = rows["d98, difference spread by 2 mm"], rows["d98"]["pencil_beam_gye"]
    assert abs(cold["monte_carlo_gye"] - true) < abs(rows["d98"]["monte_carlo_gye"] - true)
