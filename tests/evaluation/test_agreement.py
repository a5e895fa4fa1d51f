import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.evaluation import agreement
from doseplan.evaluation.agreement import ASSUMPTIONS, at_points, full_doses
from doseplan.evaluation.gamma import GAMMA_MM, GAMMA_PERCENT
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


def _with_dose(samples, dose_rbe):
    return samples.assign(sample_dose_rbe=samples["sample_dose_rbe"].copy(data=dose_rbe))


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
    with pytest.raises(
        InputError, match=r"^monte_carlo: expected \(10, 10, 10\) voxels along x, y, z, got \(7, 10, 10\)$"
    ):
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


def test_the_answer_says_what_was_compared(case, samples_of):
    run = _run(case, samples_of, noise=0.01)
    found = agreement(*run)
    assert set(found) == {
        "histories",
        "seed",
        "scale",
        "rows",
        "gamma",
        "gamma_percent",
        "gamma_mm",
        "voxels",
        "assumptions",
    }
    assert (found["histories"], found["seed"], found["scale"]) == (100, 1, "NIRS")
    assert (found["gamma_percent"], found["gamma_mm"]) == (GAMMA_PERCENT, GAMMA_MM)
    assert found["assumptions"] == [*ASSUMPTIONS, "made up"]
    del run[4].attrs["assumptions"]
    assert agreement(*run)["assumptions"] == list(ASSUMPTIONS)
    assert [(row["structure"], row["quantity"]) for row in found["rows"]] == [
        ("cord", "maximum, at its place"),
        ("cord", "maximum, anywhere"),
        ("cord", "d0_03cc"),
        ("cord", "d1cc"),
        ("target", "minimum, at its place"),
        ("target", "minimum, anywhere"),
        ("target", "d98"),
        ("target", "d95"),
        ("target", "d50"),
        ("target", "d2"),
    ]
    limits = [(row["limit_gye"], row["met"], row["met_monte_carlo"]) for row in found["rows"]]
    assert limits == [(50.0, True, True)] * 2 + [(None, None, None)] * 8
    # a hundredth of the dose at that place; doses at a volume have none
    told = [row["uncertainty_gye"] for row in found["rows"]]
    expected = [0.475, 0.475, None, None, 0.625, 0.625, None, None, None, None]
    assert [None if one is None else pytest.approx(one, rel=1e-3) for one in expected] == told


def test_rows_hold_the_pencil_beam_beside_the_monte_carlo(case, samples_of):
    """A Monte Carlo that is higher by a tenth everywhere."""
    found = agreement(*_run(case, samples_of, times=1.1))
    for row in found["rows"]:
        assert row["monte_carlo_gye"] == pytest.approx(1.1 * row["pencil_beam_gye"], rel=1e-3)
    wanted = [47.5, 47.5, 47.5, 44.5, 62.5, 62.5, 62.5, 62.5, 64.0, 65.5]
    assert [row["pencil_beam_gye"] for row in found["rows"]] == pytest.approx(wanted)


def test_extremes_anywhere_may_lie_elsewhere(case, samples_of):
    """The Monte Carlo rises where the pencil beam falls: its hottest cord and coldest target are others."""
    case, phantom, samples, dose, other = _run(case, samples_of, noise=0.01)
    x = other["x"].values
    rising = np.broadcast_to(30.0 + 1.5 * x, (10, 10, 10))
    other = other.assign(dose_rbe=other["dose_rbe"].copy(data=rising.astype(np.float32)))
    rows = {
        (row["structure"], row["quantity"]): row
        for row in agreement(case, phantom, samples, dose, other)["rows"]
    }
    # cord at 15, 16 and 17 mm; target at 3 and 5
    at_place, anywhere = rows["cord", "maximum, at its place"], rows["cord", "maximum, anywhere"]
    assert (at_place["pencil_beam_gye"], anywhere["pencil_beam_gye"]) == (47.5, 47.5)
    assert at_place["monte_carlo_gye"] == pytest.approx(52.5, rel=1e-6)
    assert anywhere["monte_carlo_gye"] == pytest.approx(55.5, rel=1e-6)
    assert anywhere["uncertainty_gye"] == pytest.approx(0.555, rel=1e-6)
    at_place, anywhere = rows["target", "minimum, at its place"], rows["target", "minimum, anywhere"]
    assert (at_place["pencil_beam_gye"], anywhere["pencil_beam_gye"]) == (62.5, 62.5)
    assert at_place["monte_carlo_gye"] == pytest.approx(37.5, rel=1e-6)
    assert anywhere["monte_carlo_gye"] == pytest.approx(34.5, rel=1e-6)
    assert at_place["uncertainty_gye"] == pytest.approx(0.375, rel=1e-6)
    assert anywhere["uncertainty_gye"] == pytest.approx(0.345, rel=1e-6)


@pytest.mark.parametrize(("highest", "met"), [(50.0, False), (np.nextafter(50.0, 0.0), True)])
def test_a_dose_at_the_limit_is_not_below_it(case, samples_of, highest, met):
    case, phantom, samples, dose, other = _run(case, samples_of)
    for name in ("dose", "dose_rbe"):
        dose[name][:] = other[name][:] = 60.0
    samples = _with_dose(samples, np.full(5, highest))
    row = agreement(case, phantom, samples, dose, other)["rows"][0]
    assert (row["met"], row["met_monte_carlo"]) == (met, met)


def test_high_voxels_are_those_of_half_the_prescription(case, samples_of):
    """A twentieth of the voxels gets exactly half of 64 GyE, the others hardly less."""
    case, phantom, samples, dose, other = _run(case, samples_of)
    for data in (dose, other):
        data["dose_rbe"][:] = 31.9
        data["dose"][:] = 16.0
    dose["dose_rbe"][:2, :2, :10] = 32.0
    other["dose_rbe"][0, 0, :5] = [32.0, 33.6, 32.0, 33.6, 32.0]
    found = agreement(case, phantom, samples, dose, other)["voxels"]
    assert found["dose_rbe"]["count"] == found["dose"]["count"] == 5
    assert found["dose_rbe"]["mean_ratio"] == pytest.approx(1.02)
    # 2 of 5 are 5 % higher
    assert found["dose_rbe"]["ratio_spread"] == pytest.approx(0.05 * np.sqrt(0.4 * 0.6), rel=1e-5)
    assert found["dose"] == {"count": 5, "uncertainty_percent": 0.0, "mean_ratio": 1.0, "ratio_spread": 0.0}
    other["dose_rbe"][:] = 31.9
    said = "monte_carlo: expected voxels above half the prescription, got none"
    with pytest.raises(InputError, match=f"^{said}$"):
        agreement(case, phantom, samples, dose, other)


def test_small_doses_have_a_ratio_too(case, samples_of):
    """Absorbed doses below 1 Gy beside weighted ones that are high."""
    case, phantom, samples, dose, other = _run(case, samples_of)
    dose["dose"][:], other["dose"][:] = 0.5, 0.55
    samples["sample_dose"].values[:] = 0.01 * samples["sample_dose_rbe"].values
    found = agreement(case, phantom, samples, dose, other)["voxels"]["dose"]
    assert found["mean_ratio"] == pytest.approx(1.1, rel=1e-6)


def test_no_dose_is_below_zero(case, samples_of):
    case, phantom, samples, dose, other = _run(case, samples_of)
    samples = _with_dose(samples, [65.5, 62.5, 0.25, 0.25, 0.25])
    rows = agreement(case, phantom, samples, dose, other)["rows"]
    assert rows[0]["monte_carlo_gye"] == pytest.approx(0.25, rel=1e-3)
    other["dose_rbe"][..., 6:] = 1.0
    assert agreement(case, phantom, samples, dose, other)["rows"][0]["monte_carlo_gye"] == 0.0


def test_per_cent_of_absorbed_dose_go_with_the_prescription(case, samples_of):
    samples = samples_of([1, 2, 2], np.ones(3), [10.0, 60.0, 40.0])
    samples["sample_dose"].values[:] = [9.0, 20.0, 10.0]
    # the target has 15 Gy for 50 GyE
    assert full_doses(case, samples) == {"dose": pytest.approx(64.0 * 0.3), "dose_rbe": 64.0}


def test_fields_are_linear_between_voxels_and_as_at_their_edge_beyond():
    z, y, x = (np.arange(size) for size in (3, 4, 5))
    values = 100.0 * z[:, None, None] ** 2 + 10.0 * y[:, None] + x
    field = _on_grid("dose", values, 2.0)
    # centres lie at 1, 3, 5, ...; x, y, z
    points = np.array(
        [[1.0, 1.0, 1.0], [4.0, 1.0, 1.0], [1.0, 4.0, 1.0], [1.0, 1.0, 4.0], [-50.0, 99.0, 1.0]]
    )
    np.testing.assert_allclose(at_points(field, points), [0.0, 1.5, 15.0, 250.0, 30.0], rtol=1e-6)


def test_voxels_of_air_are_not_compared(case, samples_of):
    """The Monte Carlo has a dose in air as well: 69 GyE, where the pencil beam has none."""
    case, phantom, samples, dose, other = _run(case, samples_of)
    air = dose["x"].values < 2.0
    phantom["rsp"][..., air] = 0.001
    for name in ("dose", "dose_rbe"):
        dose[name][..., air] = 0.0
    found = agreement(case, phantom, samples, dose, other)
    assert found["gamma"] == {"dose": 100.0, "dose_rbe": 100.0}
    # all but the first of ten layers get half of 64 GyE
    assert found["voxels"]["dose_rbe"]["count"] == 900
    assert found["voxels"]["dose_rbe"]["mean_ratio"] == pytest.approx(1.0, abs=1e-6)


def test_the_last_scored_voxel_may_stand_out(case, samples_of):
    """Of nineteen voxels along x two make a scored one: ten, the last of them half outside."""
    case, phantom, samples, dose, other = _run(case, samples_of)
    phantom, dose = (data.isel(x=slice(0, 19)) for data in (phantom, dose))
    row = agreement(case, phantom, samples, dose, other)["rows"][0]
    assert row["monte_carlo_gye"] == pytest.approx(row["pencil_beam_gye"], rel=1e-6)


def test_a_difference_is_spread_over_millimetres(case, samples_of):
    """A layer of 2 mm at 15 mm, where the cord is hottest, gets 10 GyE more; spread by 2 mm, a voxel."""
    case, phantom, samples, dose, other = _run(case, samples_of)
    smooth = _on_grid("smooth_dose_rbe", other["dose_rbe"].values, 2.0, **rbe_attributes(16))
    doubt = _on_grid("smooth_dose_rbe_uncertainty", np.zeros(smooth.shape), 2.0)
    other = other.assign(smooth_dose_rbe=smooth, smooth_dose_rbe_uncertainty=doubt).assign_attrs(blur_mm=2.0)
    other["dose_rbe"][..., 7] += 10.0
    rows = {row["quantity"]: row for row in agreement(case, phantom, samples, dose, other)["rows"]}
    spread = rows["maximum, at its place, difference spread by 2 mm"]
    # the middle of a Gaussian whose width is a voxel, among integers
    share = 1.0 / np.exp(-0.5 * np.arange(-4, 5) ** 2).sum()
    assert spread["monte_carlo_gye"] == pytest.approx(47.5 + 10.0 * share, rel=1e-4)
    little = _with_dose(samples, [65.5, 62.5, 0.25, 0.25, 0.25])
    other["dose_rbe"][..., 7] -= 10.0
    rows = {row["quantity"]: row for row in agreement(case, phantom, little, dose, other)["rows"]}
    spread = rows["maximum, at its place, difference spread by 2 mm"]
    assert spread["monte_carlo_gye"] == pytest.approx(0.25, rel=1e-3)
