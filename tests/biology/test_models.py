"""RBE models behind one interface: closed-form gradients and inverses, mixing before the step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doseplan.biology import lem, mkm, nirs_dose, require_same_scale
from doseplan.biology.mkm import HSG
from doseplan.biology.models import (
    ConstantRbe,
    LemOne,
    NirsMkm,
    effect_per_fraction,
    largest_factor,
    rbe_model,
    z_star_factor,
)
from doseplan.messages import InputError

MODELS = (NirsMkm(), LemOne(), ConstantRbe(rbe=3.0))
FRACTIONS = 16


def _channels(model, seed, size=60):
    """Totals over a course of mixed fields: up to 80 Gy."""
    rng = np.random.default_rng(seed)
    dose = rng.uniform(0.1, 80.0, size)
    if isinstance(model, ConstantRbe):
        return np.zeros(size), model.rbe * dose
    return dose * rng.uniform(0.2, 1.8, size), dose * rng.uniform(0.1, 0.25, size)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
def test_gradient_is_that_of_the_dose(model):
    linear, root = _channels(model, 1)
    by_linear, by_root = model.gradient(linear, root, fractions=FRACTIONS)
    step = 1e-5
    up, down = (model.dose(linear, root + side * step, fractions=FRACTIONS) for side in (1, -1))
    # central differences: 1e-10 of truncation, 1e-10 of rounding
    np.testing.assert_allclose(by_root, (up - down) / (2 * step), rtol=1e-6)
    if model.scale != "constant":
        up, down = (model.dose(linear + side * step, root, fractions=FRACTIONS) for side in (1, -1))
        np.testing.assert_allclose(by_linear, (up - down) / (2 * step), rtol=1e-6)
    else:
        # linear is always zero here: no slope, and none that divides by zero without dose
        assert (by_linear == 0.0).all()
        assert [float(part) for part in model.gradient(0.0, 0.0, fractions=FRACTIONS)] == [0.0, 1.0]


def test_gradient_of_lem_above_the_transition():
    model = LemOne()
    linear, root = np.array([60.0, 10.0, 200.0]), np.array([1.0, 8.0, 12.0])
    # effects of one fraction: 61, 74 and 344, all above 48 at the transition
    assert (linear + root**2 > model.tissue.transition_effect).all()
    by_linear, by_root = model.gradient(linear, root, fractions=1)
    # a straight line of slope 0.1 + 2 * 0.05 * 30 = 3.1 per Gy; rounding only
    np.testing.assert_allclose(by_linear, 1.0 / 3.1, rtol=1e-12)
    np.testing.assert_allclose(by_root, 2.0 * root / 3.1, rtol=1e-12)
    step = 1e-4
    up, down = (model.dose(linear, root + side * step, fractions=1) for side in (1, -1))
    # no truncation in a parabola; rounding of 1e-16 * 130 Gy over 2e-4
    np.testing.assert_allclose(by_root, (up - down) / (2 * step), rtol=1e-8)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
@given(total=st.floats(0.01, 150.0), fractions=st.integers(1, 40))
@settings(max_examples=50)
def test_effect_limit_is_the_inverse(model, total, fractions):
    effect = float(model.effect_limit(total, fractions=fractions))
    # all of it in `root`, then all of it in `linear`
    assert model.dose(0.0, fractions * np.sqrt(effect), fractions=fractions) == pytest.approx(
        total, rel=1e-12
    )
    assert model.dose(fractions * effect, 0.0, fractions=fractions) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
def test_largest_factor_reaches_the_limit(model):
    linear, root = _channels(model, 2)
    factor = largest_factor(model, linear, root, 50.0, fractions=FRACTIONS)
    reached = model.dose(factor * linear, factor * root, fractions=FRACTIONS)
    np.testing.assert_allclose(reached, 50.0, rtol=1e-12)
    assert np.isinf(largest_factor(model, 0.0, 0.0, 50.0, fractions=FRACTIONS))


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.scale)
def test_largest_factor_does_not_cancel_without_curvature(model):
    # with almost nothing in `root`, linear / n = effect gives the factor; root adds 1e-16 to it
    factor = largest_factor(model, 2.0, 1e-9, 50.0, fractions=FRACTIONS)
    effect = float(model.effect_limit(50.0, fractions=FRACTIONS))
    assert factor == pytest.approx(effect * FRACTIONS / 2.0, rel=1e-13)


def test_nirs_is_the_clinical_dose_of_dose_and_z_star():
    rng = np.random.default_rng(3)
    dose = rng.uniform(0.1, 60.0, 100)
    dose_z_star = dose * rng.uniform(1.0, 25.0, 100)
    linear, root = HSG.alpha0 * dose + HSG.beta * dose_z_star, np.sqrt(HSG.beta) * dose
    # written out as the reference has it, section 2.4, with its numbers
    effect = (0.172 * dose + 0.0615 * dose_z_star) / 16 + 0.0615 * (dose / 16) ** 2
    reference = (np.sqrt(0.764**2 + 4 * 0.0615 * effect) - 0.764) / (2 * 0.0615)
    # the subtraction loses two digits at 0.1 Gy
    np.testing.assert_allclose(NirsMkm().dose(linear, root, fractions=16), 16 * 2.41 * reference, rtol=1e-12)
    np.testing.assert_allclose(nirs_dose(dose, dose_z_star, fractions=16), 16 * 2.41 * reference, rtol=1e-12)
    assert NirsMkm().attributes(16) == {
        "rbe_model": "NIRS modified MKM (HSG, Inaniwa 2010; F 2.41)",
        "scale": "NIRS",
        "fractions": 16,
    }


@pytest.mark.parametrize("species", ["1H", "4He", "7Li", "9Be", "11B", "12C"])
def test_tables_follow_the_models(species):
    energy = np.geomspace(0.05, 700.0, 57)
    alpha, beta = lem.alpha_beta(species, energy)
    # off the tables' points: straight lines between 200 points a decade, splines between 40
    np.testing.assert_allclose(LemOne().linear_factor(species, energy), alpha, rtol=2e-3)
    np.testing.assert_allclose(LemOne().root_factor(species, energy), np.sqrt(beta), atol=2e-3)
    np.testing.assert_allclose(z_star_factor(species, energy), mkm.z_star(species, energy), rtol=2e-3)


def test_little_carbon_has_the_largest_rbe():
    alpha, beta = lem.alpha_beta("12C", 50.0)
    small = 1e-6
    found = LemOne().dose(small * alpha, small * np.sqrt(beta), fractions=1)
    # RBE_max = alpha / alpha_x as the dose goes to zero
    assert found / small == pytest.approx(alpha / 0.1, rel=1e-4)


def test_lem_goes_straight_on_above_the_transition():
    model = LemOne()
    below, above = (float(model.effect_limit(dose, fractions=1)) for dose in (29.999, 30.001))
    assert above - below == pytest.approx(0.002 * 3.1, rel=1e-3)
    dose = model.dose(float(model.effect_limit(45.0, fractions=1)), 0.0, fractions=1)
    assert dose == pytest.approx(45.0, rel=1e-12)


def test_mixed_fields_add_in_both_channels():
    energies, doses = {"12C": 60.0, "4He": 80.0, "1H": 120.0}, {"12C": 20.0, "4He": 3.0, "1H": 1.5}
    pairs = {ion: lem.alpha_beta(ion, energy) for ion, energy in energies.items()}
    linear = sum(doses[ion] * alpha for ion, (alpha, _) in pairs.items())
    root = sum(doses[ion] * np.sqrt(beta) for ion, (_, beta) in pairs.items())
    # dose-weighted means of alpha and of the root of beta, as Zaider and Rossi mix them
    total = sum(doses.values())
    alpha = sum(doses[ion] / total * alpha for ion, (alpha, _) in pairs.items())
    beta = sum(doses[ion] / total * np.sqrt(beta) for ion, (_, beta) in pairs.items()) ** 2
    per_fraction = total / FRACTIONS
    assert effect_per_fraction(linear, root, fractions=FRACTIONS) == pytest.approx(
        alpha * per_fraction + beta * per_fraction**2, rel=1e-12
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), part=st.floats(0.0, 1.0))
def test_effect_is_convex_in_the_weights(seed, part):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 2)) * 20.0

    def effect(channels):
        return float(effect_per_fraction(*channels, fractions=FRACTIONS))

    # rounding only; so that a dose limit, as a limit on the effect, is a convex set of plans
    between = part * effect(first) + (1 - part) * effect(second)
    assert effect(part * first + (1 - part) * second) <= between + 1e-12


def test_scales_do_not_mix():
    with pytest.raises(InputError, match="scale: expected the same on both doses"):
        require_same_scale(rbe_model("NIRS").attributes(16), rbe_model("LEM1").attributes(16))
    with pytest.raises(InputError, match="scale: expected one of NIRS, LEM1, got 'GyE'"):
        rbe_model("GyE")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
def test_senseless_input_is_refused(model):
    with pytest.raises(InputError, match="linear: expected values of at least 0, got -1"):
        model.dose(-1.0, 1.0, fractions=16)
    with pytest.raises(InputError, match="root: expected values of at least 0, got nan"):
        model.dose(1.0, np.nan, fractions=16)
    with pytest.raises(InputError, match="fractions: expected a whole number of at least 1, got 0"):
        model.dose(1.0, 1.0, fractions=0)
    with pytest.raises(InputError, match=r"rbe: expected 0\.1 <= rbe <= 10, got 0"):
        ConstantRbe(rbe=0.0)


def test_tables_hold_their_ends_beyond_them():
    ends, beyond = np.array([0.01, 1200.0]), np.array([1e-6, 1e5])
    np.testing.assert_array_equal(z_star_factor("12C", beyond), z_star_factor("12C", ends))
    np.testing.assert_array_equal(LemOne().linear_factor("4He", beyond), LemOne().linear_factor("4He", ends))
