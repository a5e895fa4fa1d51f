"""Percentiles and shares of draws, beside tables and simulation."""

import math

import numpy as np
import pytest

from doseplan.study.shares import PERCENTS, percentile, share


def test_a_percentile_is_one_of_the_draws() -> None:
    draws = [4.0, 1.0, 3.0, 2.0, math.inf]
    assert [percentile(draws, each, least=0.0).value for each in (5, 20, 50, 80, 81)] == [
        1,
        1,
        3,
        4,
        math.inf,
    ]
    tens = percentile([float(each) for each in range(1, 11)], 50, least=0.0)
    # the table of 95 % intervals of a median of 10 draws: the 2nd and the 9th (David and Nagaraja 2003)
    assert (tens.value, tens.low, tens.high) == (5.0, 2.0, 9.0)


def test_ends_that_the_draws_do_not_hold_are_those_of_the_range() -> None:
    found = percentile([1.0, 2.0, 3.0], 50, least=0.5)
    assert (found.value, found.low, found.high) == (2.0, 0.5, math.inf)
    whole = percentile([2.0] * 5, 90, least=0.0)
    assert (whole.value, whole.low, whole.high) == (2.0, 2.0, math.inf)


@pytest.mark.parametrize("percent", PERCENTS)
def test_intervals_hold_the_percentile_as_often_as_they_say(percent: float) -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(600):
        found = percentile(rng.random(40), percent, least=0.0)
        held.append(found.low <= percent / 100.0 <= found.high)
    # at least 95 %, less three deviations of 600 draws
    assert np.mean(held) >= 0.95 - 3.0 * math.sqrt(0.95 * 0.05 / 600)


def test_shares_have_the_published_interval() -> None:
    found = share(10, 100)
    assert found.value == 0.1
    assert (found.low, found.high) == pytest.approx((0.0490, 0.1762), abs=5e-5)  # Clopper-Pearson, 4 digits
    none = share(0, 30)
    assert none.low == 0.0
    assert none.high == pytest.approx(1.0 - 0.025 ** (1 / 30), rel=1e-9)  # closed form at no success
