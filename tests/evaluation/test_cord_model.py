"""Photon models of the cord: the warning stays on, ends are bounds, and the conventions of the reference."""

import re

import numpy as np
import pytest

from doseplan.evaluation import CordRisk, radiosurgery_share, schultheiss, total_of_eqd2
from doseplan.evaluation.cord_model import (
    ALPHA_BETA_GY,
    NOT_VALIDATED,
    RADIOSURGERY_ALPHA_BETA_GY,
    RADIOSURGERY_EQD2_GY,
    TD5_GY,
    TD50_GY,
)
from doseplan.messages import InputError


def test_warning_is_printed_and_cannot_be_replaced():
    risk = schultheiss(50.0, fractions=16)
    for text in (str(risk), f"{risk}", repr(risk)):
        assert NOT_VALIDATED in text
    with pytest.raises(TypeError, match="warning"):
        CordRisk(probability=0.1, eqd2_gy=50.0, model="any", warning="")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="format"):
        f"{risk:.2f}"


def test_alpha_beta_of_the_conversion_decides():
    # 50 Gy in 16: EQD2 64.06 Gy at alpha/beta 2 and 69.60 at 0.87, so 18 or 51 %; two digits are stated
    for ratio, percent in ((2.0, 18.0), (0.87, 51.0)):
        risk = schultheiss(50.0, fractions=16, alpha_beta=ratio)
        assert 100.0 * risk.probability == pytest.approx(percent, abs=0.5)
        assert f"alpha/beta {ratio:g} Gy" in str(risk)


def test_photon_doses_in_sixteen_fractions_at_the_five_percent_points():
    # last printed digit: 45.7 Gy by the curve, 39.8 Gy by the line of radiosurgery
    curve = float(total_of_eqd2(TD5_GY, fractions=16, alpha_beta=ALPHA_BETA_GY))
    line = float(total_of_eqd2(RADIOSURGERY_EQD2_GY, fractions=16, alpha_beta=RADIOSURGERY_ALPHA_BETA_GY))
    assert (curve, line) == (pytest.approx(45.7, abs=0.05), pytest.approx(39.8, abs=0.05))
    assert schultheiss(curve, fractions=16).probability == pytest.approx(0.05, rel=1e-9)
    assert radiosurgery_share(line, fractions=16) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (0.0, "below 0.01 %"),
        (20.0, "below 0.01 %"),
        (50.0, "51 %"),
        (63.0, "above 99 %"),
        (1e20, "above 99 %"),
    ],
)
def test_ends_of_the_curve_are_said_as_bounds(total, said):
    assert str(schultheiss(total, fractions=16)).startswith(f"{said} (Schultheiss 2008")


def test_probability_rises_with_dose_and_falls_with_fractions():
    rising = [schultheiss(total, fractions=16).probability for total in np.linspace(20.0, 80.0, 25)]
    falling = [schultheiss(50.0, fractions=number).probability for number in (8, 16, 25, 50)]
    assert np.all(np.diff(rising) > 0.0)
    assert np.all(np.diff(falling) < 0.0)


@pytest.mark.parametrize(
    ("total", "fractions", "message"),
    [
        (-1.0, 16, "total: expected values of at least 0 Gy, got -1"),
        (np.nan, 16, "total: expected values of at least 0 Gy, got nan"),
        (np.inf, 16, "total: expected values of at least 0 Gy, got inf"),
        (50.0, 0, "fractions: expected a whole number of at least 1, got 0"),
        (50.0, np.inf, "fractions: expected a whole number of at least 1, got inf"),
    ],
)
def test_senseless_input_is_refused(total, fractions, message):
    for model in (schultheiss, radiosurgery_share):
        with pytest.raises(InputError, match=re.escape(message)):
            model(total, fractions=fractions)


def test_a_small_dose_has_a_small_probability():
    # EQD2 of 0.5 Gy, on the tail of the curve: (D / TD50)^k
    total = float(total_of_eqd2(0.5, fractions=16, alpha_beta=ALPHA_BETA_GY))
    steepness = np.log(19.0) / np.log(TD50_GY / TD5_GY)
    # a power of 19: its rounding is 19 times that of the EQD2
    expected = pytest.approx((0.5 / TD50_GY) ** steepness, rel=1e-12, abs=0.0)
    assert schultheiss(total, fractions=16).probability == expected


@pytest.mark.parametrize(("probability", "said"), [(1e-4, "0.01 %"), (0.99, "99 %"), (0.5, "50 %")])
def test_the_last_probabilities_that_are_stated(probability, said):
    risk = CordRisk(probability=probability, eqd2_gy=50.0, model="any")
    assert str(risk) == f"{said} (any, EQD2 50.0 Gy; {NOT_VALIDATED})"
