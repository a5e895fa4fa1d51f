"""LEM I: the closed form of one particle's effect, its limits, and what is refused."""

import numpy as np
import pytest
from scipy.integrate import quad

from doseplan.biology.lem import LemTissue, alpha_beta, tissue_of, tissues
from doseplan.constants import KEV_PER_UM_TO_GRAY_UM2
from doseplan.messages import InputError


def _effect(tissue, dose):
    if dose <= tissue.transition_dose_gy:
        return (tissue.alpha_x + tissue.beta_x * dose) * dose
    return tissue.transition_effect + tissue.slope * (dose - tissue.transition_dose_gy)


def _by_quadrature(tissue, energy, let):
    """alpha_z from the definition: the photon effect of the local dose, averaged over the nucleus."""
    rim = max(tissue.penumbra_radius_um * energy**tissue.penumbra_power, tissue.core_radius_um)
    core, nucleus = tissue.core_radius_um, tissue.nucleus_radius_um
    scale = KEV_PER_UM_TO_GRAY_UM2 * let / (2 * np.pi * (0.5 + np.log(rim / core)))

    def shell(log_radius):
        radius = np.exp(log_radius)
        return _effect(tissue, scale / radius**2) * 2 * np.pi * radius**2

    total = np.pi * min(core, nucleus) ** 2 * _effect(tissue, scale / core**2)
    knee = np.log(np.sqrt(scale / tissue.transition_dose_gy))
    total += quad(shell, np.log(core), np.log(min(rim, nucleus)), points=[knee], epsrel=1e-10)[0]
    return total / (KEV_PER_UM_TO_GRAY_UM2 * let)


@pytest.mark.parametrize(
    ("species", "energy", "let"),
    [("1H", 1.0, 26.0), ("4He", 20.0, 10.4), ("12C", 0.2, 880.0), ("12C", 15.0, 118.0), ("12C", 300.0, 12.7)],
)
@pytest.mark.parametrize("name", ["CNS", "HSG"])
def test_closed_form_equals_quadrature(species, energy, let, name):
    tissue = tissue_of(name)
    alpha, beta = alpha_beta(species, energy, let=let, tissue=tissue)
    one_dose = KEV_PER_UM_TO_GRAY_UM2 * let / (np.pi * tissue.nucleus_radius_um**2)
    first = _by_quadrature(tissue, energy, let)
    expected = -np.expm1(-first * one_dose) / one_dose
    # quad's own error
    assert alpha == pytest.approx(expected, rel=1e-7)
    curved = (tissue.slope - first) / (2.0 * tissue.transition_dose_gy)
    # the slope minus alpha_z cancels up to two digits at high LET
    assert beta == pytest.approx((expected / first) ** 2 * curved, rel=1e-5)


def test_russo_adds_what_leaves_the_nucleus():
    # section 3.2 of the reference, by another code: carbon of 100, protons of 150 MeV/u; two digits, and for
    # protons 0.06 for how that code counts what is inside
    for species, energy, more, room in (("12C", 100.0, 1.05, 0.005), ("1H", 150.0, 1.38, 0.07)):
        plain, _ = alpha_beta(species, energy)
        russo, _ = alpha_beta(species, energy, lda="russo")
        assert russo / plain == pytest.approx(more, abs=room)


def test_beta_is_zero_or_more_and_falls_where_alpha_rises():
    energy = np.geomspace(0.1, 430.0, 200)
    alpha, beta = alpha_beta("12C", energy)
    assert (beta >= 0.0).all()
    assert (beta <= tissue_of("CNS").beta_x * 1.0001).all()
    assert (alpha > 0.0).all()
    assert 5.0 < energy[alpha.argmax()] < 30.0


def test_shapes_and_own_parameters():
    mine = LemTissue(name="mine", alpha_x=0.2, beta_x=0.02, transition_dose_gy=20.0, nucleus_radius_um=6.0)
    alpha, beta = alpha_beta("4He", np.full((2, 3), 50.0), tissue=mine)
    assert alpha.shape == beta.shape == (2, 3)
    assert np.ndim(alpha_beta("4He", 50.0)[0]) == 0
    assert set(tissues()) == {"CNS", "HSG"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"species": "12X", "energy": 10.0}, r"^species: expected"),
        ({"species": "12C", "energy": -1.0}, r"^energy: expected finite values above 0 MeV/u, got -1"),
        ({"species": "12C", "energy": 1.0, "let": np.nan}, r"^let: expected finite values above 0"),
        (
            {"species": "12C", "energy": 1.0, "tissue": "liver"},
            r"^tissue: expected one of CNS, HSG, got 'liver'",
        ),
        ({"species": "12C", "energy": 1.0, "lda": "best"}, r"^lda: expected kraemer or russo, got 'best'"),
    ],
)
def test_senseless_input_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        alpha_beta(**arguments)
