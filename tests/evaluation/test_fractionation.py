"""Fractionation by the linear-quadratic model: closed forms, inverses, and what is refused."""

import numpy as np
import pytest

from doseplan.evaluation.fractionation import bed, eqd2, total_of_eqd2
from doseplan.messages import InputError

EACH = (bed, eqd2, total_of_eqd2)


def test_a_schedule_by_hand() -> None:
    # 20 fractions of 3 Gy, alpha/beta 3 Gy: 60 (1 + 1) and 60 (3 + 3) / (2 + 3)
    assert bed(60.0, fractions=20, alpha_beta=3.0) == pytest.approx(120.0)
    assert eqd2(60.0, fractions=20, alpha_beta=3.0) == pytest.approx(72.0)
    assert total_of_eqd2(72.0, fractions=20, alpha_beta=3.0) == pytest.approx(60.0)


def test_one_fraction_is_a_schedule() -> None:
    # 10 Gy at once, alpha/beta 0.5 Gy: 10 (1 + 20), and over 1 + 4
    assert bed(10.0, fractions=1, alpha_beta=0.5) == pytest.approx(210.0)
    assert eqd2(10.0, fractions=1, alpha_beta=0.5) == pytest.approx(42.0)
    assert total_of_eqd2(42.0, fractions=1, alpha_beta=0.5) == pytest.approx(10.0)


@pytest.mark.parametrize("fractions", [1, 7, 16])
@pytest.mark.parametrize("alpha_beta", [0.87, 2.0, 10.0])
def test_the_inverse_gives_the_total_back_from_none_to_much(fractions: int, alpha_beta: float) -> None:
    total = np.array([[0.0, 1e-9, 0.3], [50.0, 70.4, 1e4]])
    there = eqd2(total, fractions=fractions, alpha_beta=alpha_beta)
    back = total_of_eqd2(there, fractions=fractions, alpha_beta=alpha_beta)
    # a dozen roundings of 1e-16 each, none of which cancels
    np.testing.assert_allclose(back, total, rtol=1e-14)


@pytest.mark.parametrize("compute", EACH)
def test_numbers_of_any_shape_keep_it(compute) -> None:
    assert compute(50.0, fractions=16, alpha_beta=2.0).shape == ()
    assert compute([[40, 50]], fractions=16, alpha_beta=2.0).shape == (1, 2)
    assert compute([], fractions=16, alpha_beta=2.0).shape == (0,)


@pytest.mark.parametrize("compute", EACH)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fractions": 0}, "fractions: expected a whole number of at least 1, got 0"),
        ({"fractions": 1.5}, "fractions: expected a whole number of at least 1, got 1.5"),
        ({"fractions": np.inf}, "fractions: expected a whole number of at least 1, got inf"),
        ({"fractions": np.nan}, "fractions: expected a whole number of at least 1, got nan"),
        ({"alpha_beta": 0.0}, "alpha_beta: expected more than 0 Gy, got 0"),
        ({"alpha_beta": -0.5}, "alpha_beta: expected more than 0 Gy, got -0.5"),
        ({"alpha_beta": np.inf}, "alpha_beta: expected more than 0 Gy, got inf"),
        ({"alpha_beta": np.nan}, "alpha_beta: expected more than 0 Gy, got nan"),
    ],
)
def test_schedules_that_are_none_are_refused(compute, wrong: dict[str, float], said: str) -> None:
    with pytest.raises(InputError) as error:
        compute(50.0, **{"fractions": 16, "alpha_beta": 2.0, **wrong})
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("compute", "name"), [(bed, "total"), (eqd2, "total"), (total_of_eqd2, "equivalent")]
)
@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_the_first_dose_that_is_none_is_named(compute, name: str, wrong: float) -> None:
    with pytest.raises(InputError) as error:
        compute([50.0, wrong, -9.0], fractions=16, alpha_beta=2.0)
    assert str(error.value) == f"{name}: expected values of at least 0 Gy, got {wrong:g}"


@pytest.mark.parametrize("compute", EACH)
def test_doses_of_less_digits_are_taken_to_float64(compute) -> None:
    found = compute(np.array([50.1], dtype=np.float32), fractions=16, alpha_beta=2.0)
    assert found.dtype == np.float64
    assert found == compute(float(np.float32(50.1)), fractions=16, alpha_beta=2.0)
