"""What drives an outcome, on made-up outcomes whose drivers are known."""

import math

import numpy as np
import pytest

from doseplan.study.draws import even_shares
from doseplan.study.ranking import FEWEST, rank_drivers, why_not_ranked


def drawn(count: int) -> dict[str, list[float]]:
    return {
        name: column.tolist() for name, column in zip("abcd", even_shares(count, 4, seed=3).T, strict=True)
    }


def test_drivers_come_in_the_order_of_their_effect() -> None:
    values = drawn(128)
    a, b = np.array(values["a"]), np.array(values["b"])
    found = rank_drivers(values, 3.0 * a - b)
    assert [each.name for each in found[:2]] == ["a", "b"]
    assert found[0].correlation > 0.85
    assert found[1].correlation < -0.2
    assert [each.told for each in found] == [True, True, False, False]
    for each in found:
        assert each.low <= each.correlation <= each.high
        assert 0.0 <= each.share <= 1.0
        assert 0.0 <= each.chance <= 1.0


def test_an_effect_that_turns_round_is_seen() -> None:
    values = drawn(128)
    found = {each.name: each for each in rank_drivers(values, (np.array(values["c"]) - 0.5) ** 2)}
    assert abs(found["c"].correlation) < 0.3
    assert found["c"].told
    assert found["c"].share > 0.4


def test_none_in_range_ranks_above_every_number() -> None:
    values = drawn(64)
    margin = np.round(10.0 * np.array(values["a"]))
    censored = np.where(margin > 6.0, math.inf, margin)
    assert rank_drivers(values, censored)[0].name == "a"
    beyond = np.where(margin > 6.0, 99.0, margin)
    assert rank_drivers(values, censored) == rank_drivers(values, beyond)


def test_chance_is_rarely_taken_for_a_driver() -> None:
    rng = np.random.default_rng(11)
    told = [
        any(each.told for each in rank_drivers({name: rng.random(40) for name in "abcd"}, rng.random(40)))
        for _ in range(60)
    ]
    # at most 5 % in all; 60 trials leave three deviations above it
    assert np.mean(told) <= 0.05 + 3.0 * math.sqrt(0.05 * 0.95 / 60)


def test_too_few_or_equal_outcomes_are_not_ranked() -> None:
    values = drawn(32)
    few = [1.0] * (FEWEST - 2) + [2.0] + [math.nan] * (33 - FEWEST)
    assert rank_drivers(values, few) == ()
    assert why_not_ranked(few) == f"expected at least {FEWEST} anatomies with a verdict to rank by, got 19"
    assert rank_drivers(values, [4.0] * 32) == ()
    assert why_not_ranked([4.0] * 32) == "every anatomy has the same outcome"
    assert why_not_ranked([4.0] * 31 + [5.0]) == ""


def test_a_number_that_does_not_differ_drives_nothing() -> None:
    values = drawn(32) | {"same": [2.0] * 32}
    same = next(each for each in rank_drivers(values, values["a"]) if each.name == "same")
    assert (same.correlation, same.share, same.chance) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("count", [1, 7, 64])
def test_draws_fill_the_cube_evenly_and_the_first_stay(count: int) -> None:
    found = even_shares(count, 10, seed=1)
    assert found.shape == (count, 10)
    assert ((found >= 0.0) & (found < 1.0)).all()
    assert (even_shares(200, 10, seed=1)[:count] == found).all()
    assert (even_shares(count, 10, seed=2) != found).any()


def test_each_number_has_as_many_draws_in_every_part() -> None:
    found = even_shares(64, 10, seed=4)
    for column, base in zip(found.T, (2, 3, 5, 7, 11, 13, 17, 19, 23, 29), strict=True):
        counts = np.histogram(column, bins=base, range=(0.0, 1.0))[0]
        assert set(counts) <= {64 // base, -(-64 // base)}


def test_numbers_are_not_drawn_together() -> None:
    # one that follows a driver would be taken for it; chance has 0.31 on average, 0.44 at most in 40 tries
    largest = [
        np.abs(np.corrcoef(even_shares(64, 10, seed=seed).T)[np.triu_indices(10, 1)]).max()
        for seed in range(20)
    ]
    assert np.mean(largest) < 0.31
    assert max(largest) < 0.44
