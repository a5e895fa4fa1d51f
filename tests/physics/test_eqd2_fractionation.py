"""Fractionation by the linear-quadratic model.

Photon schedules that are said to be equal, and limits as their authors printed them: Sahgal et al. 2021
(HyTEC, doi:10.1016/j.ijrobp.2019.09.038) and doi:10.1186/s12885-021-08473-5.
"""

import numpy as np
import pytest

from doseplan.evaluation import eqd2
from doseplan.messages import InputError

# total in 16 fractions: EQD2 at alpha/beta 0.87, 2, 3, 10 Gy, worked out by hand from the definition
SIXTEEN = {
    40.0: (46.97, 45.00, 44.00, 41.67),
    50.0: (69.60, 64.06, 61.25, 54.69),
    60.0: (96.59, 86.25, 81.00, 68.75),
    64.0: (108.6, 96.0, 89.6, 74.67),
    70.4: (129.3, 112.6, 104.2, 84.5),
}


@pytest.mark.parametrize("total", SIXTEEN)
def test_sixteen_fractions(compare, total: float) -> None:
    for ratio, expected in zip((0.87, 2.0, 3.0, 10.0), SIXTEEN[total], strict=True):
        compare(
            f"EQD2 of {total:g} Gy in 16 fractions, alpha/beta {ratio:g} Gy",
            eqd2(total, fractions=16, alpha_beta=ratio),
            expected,
            tolerance=0.05,
            absolute=True,
            unit="Gy",
            why="last printed digit",
        )


# Sahgal et al. 2021 (HyTEC), doi:10.1016/j.ijrobp.2019.09.038: 1-5 % risk; alpha/beta 2 Gy
@pytest.mark.parametrize(
    ("total", "fractions", "expected"),
    [(12.4, 1, 44.6), (17.0, 2, 44.6), (20.3, 3, 44.5), (23.0, 4, 44.6), (25.3, 5, 44.7), (13.0, 1, 48.75)],
)
def test_cord_limits_of_radiosurgery_are_equal(
    compare, total: float, fractions: int, expected: float
) -> None:
    compare(
        f"EQD2 of {total:g} Gy in {fractions}, alpha/beta 2 Gy",
        eqd2(total, fractions=fractions, alpha_beta=2.0),
        expected,
        tolerance=0.06,
        absolute=True,
        unit="Gy",
        why="last printed digit",
    )


def test_a_printed_conversion_is_met(compare) -> None:
    compare(
        "EQD2 of 45 Gy(RBE) in 22 fractions, alpha/beta 2 Gy, table 3",
        eqd2(45.0, fractions=22, alpha_beta=2.0),
        45.3,
        tolerance=0.25,
        absolute=True,
        unit="Gy",
        why="the formula gives 45.5, the table prints 45.3",
    )


def test_two_gray_fractions_are_themselves() -> None:
    totals = 2.0 * np.arange(1, 40)
    assert [float(eqd2(t, fractions=int(t / 2), alpha_beta=0.87)) for t in totals] == pytest.approx(
        list(totals)
    )


@pytest.mark.parametrize(
    ("total", "fractions", "ratio", "message"),
    [
        (-1.0, 16, 2.0, "total: expected values of at least 0 Gy, got -1"),
        (1.0, 0, 2.0, "fractions: expected a whole number of at least 1, got 0"),
        (1.0, 16, 0.0, "alpha_beta: expected more than 0 Gy, got 0"),
    ],
)
def test_senseless_input_is_refused(total: float, fractions: int, ratio: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        eqd2(total, fractions=fractions, alpha_beta=ratio)
