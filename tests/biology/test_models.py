"""RBE models behind one interface: closed-form gradients, inverses, mixing before or after the step."""

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
    course_dose,
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


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
@given(total=st.floats(0.01, 150.0), fractions=st.integers(1, 40))
@settings(max_examples=50, deadline=None, derandomize=True)
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


def test_nirs_is_the_clinical_dose_of_dose_and_z_star():
    rng = np.random.default_rng(3)
    dose = rng.uniform(0.1, 60.0, 100)
    dose_z_star = dose * rng.uniform(1.0, 25.0, 100)
    linear, root = HSG.alpha0 * dose + HSG.beta * dose_z_star, np.sqrt(HSG.beta) * dose
    expected = nirs_dose(dose, dose_z_star, fractions=FRACTIONS)
    # the same formula in another grouping
    np.testing.assert_allclose(NirsMkm().dose(linear, root, fractions=FRACTIONS), expected, rtol=1e-13)
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


def test_same_day_fields_are_mixed_before_the_step_and_others_summed_after():
    model, one, two = NirsMkm(), (10.0, 4.0), (12.0, 3.0)
    same = course_dose(model, [(one[0] + two[0], one[1] + two[1], 16)])
    alternate = course_dose(model, [(*one, 8), (*two, 8)])
    assert same == model.dose(22.0, 7.0, fractions=16)
    assert alternate == model.dose(*one, fractions=8) + model.dose(*two, fractions=8)
    # by hand, effects per fraction: 22/16 + (7/16)^2, 10/8 + (4/8)^2, 12/8 + (3/8)^2
    doses = [
        2.41 * (np.sqrt(0.764**2 + 4 * 0.0615 * effect) - 0.764) / (2 * 0.0615)
        for effect in (1.56640625, 1.5, 1.640625)
    ]
    assert same == pytest.approx(16 * doses[0], rel=1e-12)
    assert alternate == pytest.approx(8 * (doses[1] + doses[2]), rel=1e-12)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(seed=st.integers(0, 10_000), part=st.floats(0.0, 1.0))
def test_effect_is_convex_in_the_weights(seed, part):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 2)) * 20.0
    mixed = part * first + (1 - part) * second

    def effect(channels):
        return channels[0] / 16 + (channels[1] / 16) ** 2

    assert effect(mixed) <= part * effect(first) + (1 - part) * effect(second) + 1e-12


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
    with pytest.raises(InputError, match="parts: expected at least one part"):
        course_dose(model, [])
    with pytest.raises(InputError, match=r"rbe: expected 0\.1 <= rbe <= 10, got 0"):
        ConstantRbe(rbe=0.0)
