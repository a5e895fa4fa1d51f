"""Courses whose fractions are shifted, on doses with closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.case.spec import Robustness
from doseplan.dose import daily_counts, daily_shifts
from doseplan.evaluation import daily_bands, daily_metrics
from doseplan.evaluation.daily import expected_dose
from doseplan.messages import InputError

ERRORS = Robustness(daily_mm=2.0, daily_courses=200, daily_shifts=8)


@pytest.fixture
def judged(case):
    return replace(case, robustness=ERRORS)


def _with_days(samples, factor, count, *, fractions=16):
    """Fractions that get the planned dose times a factor of their shift, (shift,)."""
    dose = np.outer(factor, samples["sample_dose_rbe"].values / fractions)[np.newaxis]
    shift = np.zeros((len(factor), 3))
    shift[:, 1] = np.arange(len(factor))
    return samples.assign(
        daily_shift=schema.variable("daily_shift", shift),
        daily_count=schema.variable("daily_count", count),
        daily_dose_rbe=schema.variable("daily_dose_rbe", dose, **rbe_attributes(1)),
    )


def test_no_shift_is_the_plan(judged, arm_samples) -> None:
    count = daily_counts(ERRORS, (16,))
    found = daily_metrics(judged, _with_days(arm_samples, np.ones(8), count))
    # cord 20 to 45 in 1000 steps of 0.025, target 56 to 68 in 2000 of 0.006: the middles of the last steps
    for end in ("p5", "median", "p95", "expected"):
        # doses of fractions are stored as float32
        assert found["cord_max_gye"][end] == pytest.approx(45.0 - 0.0125, rel=1e-6)
        assert found["target_dmin_gye"][end] == pytest.approx(56.0 + 0.003, rel=1e-6)
        assert found["target_v95_percent"][end] == pytest.approx(100.0 * (68.0 - 60.8) / 12.0, abs=0.06)
    assert found["limits_percent"] == 100.0
    assert found["goals_percent"] == found["pass_percent"] == 0.0  # 56 GyE is less than 90 % of 64


def test_fractions_add_up_one_by_one(judged, arm_samples) -> None:
    """Two courses: 12 fractions of the plan and 4 without dose; 16 with a fifth more."""
    count = [[[12, 4, 0]], [[0, 0, 16]]]
    found = daily_metrics(judged, _with_days(arm_samples, [1.0, 0.0, 1.2], count))
    low, high = found["each"]
    assert low["cord_max_gye"] == pytest.approx(0.75 * 44.9875, rel=1e-6)
    assert high["cord_max_gye"] == pytest.approx(1.2 * 44.9875, rel=1e-6)
    assert low["mean_shift_mm"] == [0.0, 0.25, 0.0]
    assert (low["limits_met"], high["limits_met"]) == (True, False)  # 33.7 and 54.0 GyE
    assert (low["goals_met"], high["goals_met"]) == (False, True)  # 42.0 and 67.2 GyE
    assert (found["limits_percent"], found["goals_percent"], found["pass_percent"]) == (50.0, 50.0, 0.0)
    # every shift as often: (1 + 0 + 1.2) / 3 of the plan
    assert found["cord_max_gye"]["expected"] == pytest.approx(2.2 / 3.0 * 44.9875, rel=1e-6)
    kept = {goal["name"]: goal["kept_percent"] for goal in found["goals"]}
    assert kept == {
        "cord maximum": 50.0,
        "target maximum": 50.0,
        "target minimum": 50.0,
        "target V95": 50.0,
    }


def test_percentiles_are_those_of_courses(judged, arm_samples) -> None:
    factor = 0.9 + 0.002 * np.arange(101)
    count = 16 * np.eye(101, dtype=int)[:, np.newaxis, :]
    found = daily_metrics(judged, _with_days(arm_samples, factor, count))["cord_max_gye"]
    # of 101 courses the 6th, the 51st and the 96th
    wanted = 44.9875 * np.array([0.91, 1.0, 1.09])
    assert [found[end] for end in ("p5", "median", "p95")] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("fractions", [16, 400, 10_000])
def test_more_fractions_come_nearer_to_the_expected_course(judged, arm_samples, fractions) -> None:
    """The spread of a sum of independent fractions falls with the root of their number."""
    factor = 1.0 + 0.05 * daily_shifts(ERRORS)[:, 0]
    count = daily_counts(ERRORS, (fractions,))
    days = _with_days(arm_samples, factor, count, fractions=fractions)
    found = daily_metrics(judged, days)
    values = np.array([row["cord_max_gye"] for row in found["each"]])
    # shifts have a standard deviation of 2 mm: 10 % of the dose in a fraction; 200 draws know theirs to 5 %
    expected = 44.9875 * 0.1 / np.sqrt(fractions)
    assert values.std() == pytest.approx(expected, rel=0.2)
    assert found["cord_max_gye"]["expected"] == pytest.approx(44.9875, rel=1e-6)
    # five standard deviations of a mean of 200
    assert values.mean() == pytest.approx(44.9875, abs=5.0 * expected / np.sqrt(200.0))


def test_days_of_several_courses_are_added(judged, arm_samples) -> None:
    """Ten fractions of one course, six of another that give twice as much each."""
    first = _with_days(arm_samples, np.ones(2), [[[6, 4]]])["daily_dose_rbe"].values
    days = arm_samples.assign(
        daily_shift=schema.variable("daily_shift", np.zeros((2, 3))),
        daily_count=schema.variable("daily_count", [[[6, 4], [0, 6]]]),
        daily_dose_rbe=schema.variable(
            "daily_dose_rbe", np.concatenate([first, 2.0 * first]), **rbe_attributes(1)
        ),
    )
    found = daily_metrics(judged, days)
    assert found["each"][0]["cord_max_gye"] == pytest.approx(22.0 / 16.0 * 44.9875, rel=1e-6)
    assert found["cord_max_gye"]["expected"] == pytest.approx(22.0 / 16.0 * 44.9875, rel=1e-6)


def test_without_days_there_is_nothing_to_judge(judged, case, arm_samples) -> None:
    assert daily_metrics(judged, arm_samples) is None
    assert daily_metrics(case, _with_days(arm_samples, np.ones(1), [[[16]]])) is None


def test_a_dose_that_makes_no_sense_is_refused(judged, arm_samples) -> None:
    days = _with_days(arm_samples, np.ones(1), [[[16]]])
    days["daily_dose_rbe"].values[0, 0, 0] = -1.0
    with pytest.raises(InputError, match="daily_dose_rbe: expected finite values of at least 0, got -1"):
        daily_metrics(judged, days)
    days["daily_dose_rbe"].attrs["scale"] = "LEM1"
    with pytest.raises(InputError, match="LEM1"):
        daily_metrics(judged, days)


def test_bands_are_percentiles_of_the_courses(judged, arm_samples) -> None:
    factor = 0.9 + 0.002 * np.arange(101)
    count = 16 * np.eye(101, dtype=int)[:, np.newaxis, :]
    days = _with_days(arm_samples, factor, count)
    bands = daily_bands(judged, days, separation_mm=3.0)
    low, middle, high = bands["dvh"].sel(structure="target").values
    level = bands["dvh_dose"].values
    at = np.searchsorted(level, 62.0)
    for found, share in ((low, 0.91), (middle, 1.0), (high, 1.09)):
        wanted = 100.0 * np.clip((68.0 * share - level[at]) / (12.0 * share), 0.0, 1.0)
        assert found[at] == pytest.approx(wanted, abs=0.1)


def test_courses_are_told_with_what_they_were_drawn_from(judged, arm_samples) -> None:
    found = daily_metrics(judged, _with_days(arm_samples, [1.0, 0.0, 1.2], [[[12, 4, 0]], [[0, 0, 16]]]))
    assert (found["daily_mm"], found["courses"], found["shifts"]) == (2.0, 2, 3)
    assert set(found["each"][0]) == {
        "mean_shift_mm",
        "target_dmin_gye",
        "target_v95_percent",
        "cord_max_gye",
        "met",
        "limits_met",
        "goals_met",
    }


def test_mean_shifts_have_three_axes(judged, arm_samples) -> None:
    days = _with_days(arm_samples, np.ones(2), [[[12, 4]]])
    days["daily_shift"].values[:] = [[1.0, 2.0, 3.0], [-3.0, 6.0, 0.0]]
    found = daily_metrics(judged, days)
    assert found["each"][0]["mean_shift_mm"] == [0.0, 3.0, 2.25]


def test_percentiles_of_two_courses_are_courses(judged, arm_samples) -> None:
    """Nothing is interpolated: neither in the table nor in the bands."""
    days = _with_days(arm_samples, [0.9, 1.1], [[[16, 0]], [[0, 16]]])
    found = daily_metrics(judged, days)["cord_max_gye"]
    assert (found["p5"], found["p95"]) == pytest.approx((0.9 * 44.9875, 1.1 * 44.9875), rel=1e-6)
    bands = daily_bands(judged, days, separation_mm=0.0)
    low, _, high = bands["dvh"].sel(structure="cord").values
    at = int(np.searchsorted(bands["dvh_dose"].values, 30.0))
    # at 30 GyE: of ramps from 18 to 40.5, and from 22 to 49.5; one sample is 0.1 %
    assert low[at] == pytest.approx(100.0 * 10.5 / 22.5, abs=0.2)
    assert high[at] == pytest.approx(100.0 * 19.5 / 27.5, abs=0.2)


def test_bands_know_the_separation(judged, arm_samples) -> None:
    """The target warms by 0.3 GyE each millimetre, from 3 mm of the dura on."""
    days = _with_days(arm_samples, np.ones(1), [[[16]]])
    for separation, deep_mm in ((0.0, 2.0), (3.0, 5.0)):
        bands = daily_bands(judged, days, separation_mm=separation)
        middle = bands["dvh"].sel(band="nominal", structure="strip").values
        at = int(np.searchsorted(bands["dvh_dose"].values, 56.3))
        level = bands["dvh_dose"].values[at]
        # one sample is 0.02 mm
        assert middle[at] == pytest.approx(100.0 * (1.0 - (level - 56.0) / 0.3 / deep_mm), abs=1.1)


def test_limits_are_those_of_the_cord(judged, arm_samples) -> None:
    """A fifth more dose to the target alone breaks its own maximum only."""
    days = _with_days(arm_samples, np.ones(1), [[[16]]])
    target = arm_samples["sample_structure"].values == 2
    days["daily_dose_rbe"].values[..., target] *= 1.2
    found = daily_metrics(judged, days)
    kept = {goal["name"]: goal["kept_percent"] for goal in found["goals"]}
    assert (kept["cord maximum"], kept["target maximum"]) == (100.0, 0.0)
    assert found["limits_percent"] == found["pass_percent"] == 100.0


def test_the_expected_dose_is_a_mean_in_float64(judged, arm_samples) -> None:
    rng = np.random.default_rng(3)
    days = _with_days(arm_samples, rng.uniform(0.9, 1.1, 64), [[[16] + [0] * 63]])
    stored = days["daily_dose_rbe"].values[0].astype(np.float64)
    # sums of 64 in another order; float32 would be off by 1e-8 and more
    np.testing.assert_allclose(expected_dose(judged, days), 16.0 * stored.mean(axis=0), rtol=1e-14)
