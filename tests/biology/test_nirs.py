import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doseplan.biology import nirs_dose, rbe_attributes, require_same_scale
from doseplan.biology.models import NirsMkm
from doseplan.messages import InputError

doses = st.floats(0.01, 150.0)
z_stars = st.floats(0.05, 40.0)
courses = st.integers(1, 40)


@given(doses, z_stars, courses, st.floats(1e-6, 1.0))
def test_more_dose_or_more_specific_energy_is_more(
    dose: float, z_star: float, fractions: int, by: float
) -> None:
    base = nirs_dose(dose, dose * z_star, fractions=fractions)
    assert nirs_dose(dose * (1 + by), dose * z_star, fractions=fractions) > base
    assert nirs_dose(dose, dose * z_star * (1 + by), fractions=fractions) > base


def test_equal_fractions_add() -> None:
    one = nirs_dose(2.0, 18.0, fractions=1)
    assert nirs_dose(32.0, 288.0, fractions=16) == pytest.approx(16 * one, rel=1e-14)


def test_rbe_falls_with_dose_above_the_reference_z_star_and_rises_below_it() -> None:
    dose = np.linspace(0.1, 6.0, 50)
    assert (np.diff(nirs_dose(dose, 20.0 * dose, fractions=1) / dose) < 0.0).all()
    assert (np.diff(nirs_dose(dose, 2.0 * dose, fractions=1) / dose) > 0.0).all()


def test_no_dose_is_no_dose_and_warns_of_nothing() -> None:
    dose = np.array([0.0, 1e-300, 1e-12])
    total = nirs_dose(dose, 9.0 * dose, fractions=16)
    assert total[0] == 0.0
    # the limit of low dose, 2.41 alpha / alpha_r, is reached without cancellation
    assert total[1:] / dose[1:] == pytest.approx(2.41 * (0.172 + 0.0615 * 9.0) / 0.764, rel=1e-9)
    assert np.isfinite(NirsMkm().gradient(dose, dose, fractions=16)).all()


def test_shapes_are_kept() -> None:
    assert nirs_dose(1.0, 9.0, fractions=16).shape == ()
    assert nirs_dose(np.ones((2, 3)), 9.0, fractions=16).shape == (2, 3)


@pytest.mark.parametrize(
    ("dose", "product", "fractions", "message"),
    [
        (-1.0, 0.0, 16, "dose: expected values of at least 0, got -1"),
        (1.0, np.nan, 16, "dose_z_star: expected values of at least 0, got nan"),
        (1.0, 1.0, 0, "fractions: expected a whole number of at least 1, got 0"),
        (1.0, 1.0, 1.5, "fractions: expected a whole number of at least 1, got 1.5"),
    ],
)
def test_senseless_input_is_refused(dose: float, product: float, fractions: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nirs_dose(dose, product, fractions=fractions)


def test_doses_of_different_fractions_or_scale_are_not_compared() -> None:
    require_same_scale(rbe_attributes(16), rbe_attributes(16))
    with pytest.raises(InputError, match=r"fractions: expected the same .* got 16 and 12"):
        require_same_scale(rbe_attributes(16), rbe_attributes(12))
    with pytest.raises(InputError, match=r"scale: expected the same .* got NIRS and LEM1"):
        require_same_scale(rbe_attributes(16), {**rbe_attributes(16), "scale": "LEM1"})
    with pytest.raises(InputError, match="scale: expected on every RBE-weighted dose"):
        require_same_scale(rbe_attributes(16), {"fractions": 16})
