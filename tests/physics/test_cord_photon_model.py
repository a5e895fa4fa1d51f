"""Photon models of the cord.

Schultheiss 2008 (PubMed 18243570): 5 % at 59.3 Gy and 50 % at 69.4 Gy in fractions of 2 Gy; QUANTEC gives
below 1 % at 54 Gy and below 10 % at 61 Gy; radiosurgery by HyTEC. None of them is validated for carbon ions.
"""

import pytest

from doseplan.evaluation import bed, eqd2, radiosurgery_share, schultheiss, total_of_eqd2
from doseplan.evaluation.cord_model import NOT_VALIDATED
from doseplan.messages import InputError


@pytest.mark.parametrize(("total", "expected"), [(54.0, 0.9), (61.0, 8.2)])
def test_probability_in_two_gray_fractions(compare, total, expected):
    fractions = round(total / 2)
    # the dose per fraction is 2 Gy within a quarter of a fraction
    exact = total_of_eqd2(total, fractions=fractions, alpha_beta=0.87)
    compare(
        f"Myelopathy at EQD2 {total:g} Gy",
        100.0 * schultheiss(float(exact), fractions=fractions).probability,
        expected,
        tolerance=0.1,
        absolute=True,
        unit="%",
        why="last printed digit",
    )


def test_fifty_in_sixteen_fractions(compare):
    compare(
        "50 Gy of photons in 16 fractions",
        100.0 * schultheiss(50.0, fractions=16).probability,
        51.0,
        tolerance=1.0,
        absolute=True,
        unit="%",
        why="computed by other code for the reference, two digits",
    )


@pytest.mark.parametrize(("total", "fractions"), [(12.4, 1), (20.3, 3), (25.3, 5)])
def test_radiosurgery_limits_are_one(compare, total, fractions):
    compare(
        f"{total:g} Gy in {fractions} as a part of the common EQD2",
        radiosurgery_share(total, fractions=fractions),
        1.0,
        tolerance=0.005,
        why="limits with one decimal",
    )


def test_no_probability_without_its_warning():
    assert NOT_VALIDATED in str(schultheiss(45.0, fractions=16))
    assert "scale not validated" in NOT_VALIDATED


@pytest.mark.parametrize("ratio", [0.87, 2.0, 10.0])
def test_effective_dose_and_inverse(ratio):
    total = total_of_eqd2(eqd2(50.0, fractions=16, alpha_beta=ratio), fractions=16, alpha_beta=ratio)
    assert total == pytest.approx(50.0, rel=1e-12)
    # BED over (1 + 2 / (a/b)) is EQD2
    expected = eqd2(50.0, fractions=16, alpha_beta=ratio) * (1.0 + 2.0 / ratio)
    assert bed(50.0, fractions=16, alpha_beta=ratio) == pytest.approx(expected, rel=1e-12)


def test_senseless_input_is_refused():
    with pytest.raises(InputError, match="equivalent: expected values of at least 0 Gy, got -1"):
        total_of_eqd2(-1.0, fractions=16, alpha_beta=2.0)
