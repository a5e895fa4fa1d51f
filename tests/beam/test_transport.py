"""The transport keeps energy and ions, and its steps are fine enough."""

import numpy as np
import pytest

from doseplan.beam import csda_range
from doseplan.beam.cross_sections import interaction_coefficient
from doseplan.beam.line import BeamLine
from doseplan.beam.stopping import energy_at_range
from doseplan.beam.transport import transport, transport_tables

ENERGIES = (120.0, 270.0)


@pytest.fixture(scope="module", params=ENERGIES)
def beam(request):
    return transport(request.param).isel(energy=0)


def test_energy_is_kept(beam):
    # deposited in the water, carried out at the end, or taken out by reactions, each counted on its own; the
    # fragments' places are shared between cells by range, not by energy: 5e-5 of the beam's energy
    closed = beam["deposited"] + beam["escaping"] + beam["removed"]
    assert float(closed) == pytest.approx(float(beam["entering"]), rel=5e-5)
    # reactions lose binding energy and neutrons: more than nothing, less than a fifth
    assert 0.0 < float(beam["removed"]) < 0.2 * float(beam["entering"])


def test_curve_holds_the_deposited_energy(beam):
    step = float(beam["depth"][1] - beam["depth"][0]) * 0.0998
    # fragments are interpolated from 1 mm to the fine depths
    assert float(beam["idd"].sum()) * step == pytest.approx(float(beam["deposited"]), rel=1e-3)


def test_primary_ions_are_lost_to_reactions_only(beam):
    energy = float(beam["entering"]) / 12.0
    reach = float(csda_range("12C", energy))
    depth = np.linspace(0.0, 0.9 * reach, 3001)
    middle = 0.5 * (depth[1:] + depth[:-1])
    along = energy_at_range("12C", reach - middle)
    mu = interaction_coefficient("12C", along)
    expected = np.exp(-np.concatenate([[0.0], np.cumsum(mu) * (depth[1] - depth[0])]))
    found = np.interp(depth[1:] / 0.0998, beam["depth"], beam["fluence"].sel(species="12C"))
    # straggling mixes energies a little; the sum and the exact exponential agree to 1e-4
    np.testing.assert_allclose(found[5:], expected[6:], rtol=2e-4)


def test_lost_primary_ions_are_counted_as_reactions():
    beam = transport(200.0, depth_mm=70.0).isel(energy=0)
    left = beam["fluence"].sel(species="12C").values
    end = left[-1] - 0.5 * (left[-2] - left[-1])
    assert float(beam["reactions"].sel(species="12C")) == pytest.approx(1.0 - end, rel=1e-4)


@pytest.mark.parametrize("energy", [100.0, 200.0, 400.0])
def test_halving_the_steps_changes_little(energy):
    coarse = transport(energy).isel(energy=0)
    fine = transport(energy, step_mm=0.05, fragment_step_mm=0.25).isel(energy=0)
    depth = coarse["depth"].values
    one = coarse["idd"].sum("species").values
    two = np.interp(depth, fine["depth"], fine["idd"].sum("species"))
    outside = np.abs(depth - float(coarse["csda"])) > 5.0
    # 0.3 % outside the peak, or, far behind it, a ten-thousandth of the peak; up to the common end
    outside &= (depth > 1.0) & (depth < float(fine["depth"][-1]) - 1.0)
    np.testing.assert_allclose(one[outside], two[outside], rtol=3e-3, atol=1e-4 * two.max())


def test_several_energies_at_once_are_each_alone():
    tables = transport_tables(highest_energy=200.0, step_mm=0.5)
    both = transport([100.0, 200.0], step_mm=0.5, depth_mm=120.0, tables=tables)
    alone = transport(100.0, step_mm=0.5, depth_mm=120.0, tables=tables)
    np.testing.assert_array_equal(both["idd"].values[0], alone["idd"].values[0])


def test_ripple_filter_shortens_the_range_by_half_its_thickness():
    plain = transport(150.0).isel(energy=0)
    filtered = transport(150.0, line=BeamLine(ripple_filter_mm=3.0)).isel(energy=0)
    for beam in (plain, filtered):
        assert float(beam["fluence"].sel(species="12C")[0]) == pytest.approx(1.0, abs=1e-3)
    # the area A under the fluence is the mean path; with mu where the ions enter, dA / dR = 1 - mu A exactly
    step = float(plain["depth"][1] - plain["depth"][0])
    areas = [float(beam["fluence"].sel(species="12C").sum()) * step for beam in (plain, filtered)]
    mu = float(interaction_coefficient("12C", np.array([150.0]))[0]) * 0.0998
    # mu changes by 2 % over 1.5 mm
    assert areas[0] - areas[1] == pytest.approx(1.5 * (1.0 - mu * areas[0]), rel=0.01)


def test_momentum_spread_widens_the_peak_and_leaves_the_plateau():
    narrow, wide = (
        transport(300.0, line=BeamLine(momentum_spread=spread)).isel(energy=0)["idd"].sum("species")
        for spread in (0.0, 0.002)
    )
    assert float(wide.max()) < 0.8 * float(narrow.max())
    # 2 cm of water from the peak nothing but the mean range matters
    near = slice(5.0, 150.0)
    np.testing.assert_allclose(wide.sel(depth=near), narrow.sel(depth=near), rtol=2e-3)


def test_responses_are_folded_with_the_energy_loss():
    beam = transport(100.0, responses={"twice": lambda species, energy: np.full_like(energy, 2.0)})
    np.testing.assert_allclose(beam["twice"], 2.0 * beam["idd"], rtol=1e-9, atol=1e-12)


def test_lateral_variance_grows_and_hydrogen_is_widest(beam):
    middle = float(beam["csda"]) / 2.0
    variance = beam["lateral_variance"].sel(depth=middle, method="nearest")
    assert float(variance.sel(species="12C")) < float(variance.sel(species="11B"))
    assert float(variance.sel(species="11B")) < float(variance.sel(species="4He"))
    assert float(variance.sel(species="4He")) < float(variance.sel(species="1H"))
    carbon = beam["lateral_variance"].sel(species="12C").values
    assert (np.diff(carbon) >= 0.0).all()
    assert np.isfinite(beam["lateral_variance"]).all()
