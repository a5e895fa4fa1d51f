"""Judging a plan in its error scenarios, on doses with closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.case.spec import Robustness
from doseplan.evaluation import histogram_bands, robust_metrics, scenario_name
from doseplan.evaluation.robust import checked_dose
from doseplan.messages import InputError

ERRORS = Robustness(setup_mm=0.0, range_percent=3.0, random=1)
FACTORS = (0.9, 1.1, 0.5)
"""Two systematic scenarios, and one random draw."""


@pytest.fixture
def judged(case):
    return replace(case, robustness=ERRORS)


def _with_errors(samples, dose):
    shift = np.zeros((len(dose), 3))
    shift[-1] = [1.0, 0.0, -2.0]
    return samples.assign(
        scenario_shift=schema.variable("scenario_shift", shift),
        scenario_range_percent=schema.variable("scenario_range_percent", [3.0, -3.0, 0.0]),
        scenario_dose_rbe=schema.variable("scenario_dose_rbe", dose, **rbe_attributes(16)),
    )


@pytest.fixture
def samples(arm_samples):
    nominal = arm_samples["sample_dose_rbe"].values
    return _with_errors(arm_samples, np.outer(FACTORS, nominal))


def test_extremes_are_those_of_the_systematic_scenarios(judged, samples) -> None:
    found = robust_metrics(judged, samples, 3.0)
    assert (found["count"], found["systematic"]) == (3, 2)
    # cord 20 to 45 in 1000 steps of 0.025, target 56 to 68 in 2000 of 0.006: the middles of the last steps
    assert found["cord_max_gye"] == pytest.approx(1.1 * (45.0 - 0.0125))
    assert found["target_dmin_gye"] == pytest.approx(0.9 * (56.0 + 0.003))
    assert found["target_d98_gye"] == pytest.approx(0.9 * (56.0 + 0.02 * 12.0), abs=0.01)
    assert found["limits_met"]  # 49.49 < 50, whatever the target gets
    assert not found["goals_met"]  # 50.4 is less than 90 % of 64 GyE
    assert [row["range_percent"] for row in found["each"]] == [3.0, -3.0, 0.0]


def test_each_sample_has_its_own_worst_scenario(judged, samples, arm_samples) -> None:
    """Half of the target is cold in one error, half in the other: no error alone is as bad."""
    nominal = arm_samples["sample_dose_rbe"].values
    cold = np.where(np.arange(nominal.size) % 2 == 0, 0.9, 1.0)
    dose = np.stack([cold, 1.9 - cold, np.ones_like(cold)]) * nominal
    found = robust_metrics(judged, _with_errors(arm_samples, dose), 3.0)
    alone = min(row["target_d98_gye"] for row in found["each"])
    assert found["target_d98_gye"] < alone - 0.1
    assert found["target_d98_gye"] == pytest.approx(0.9 * (56.0 + 0.02 * 12.0), abs=0.01)


def test_a_random_draw_counts_for_the_share_only(judged, samples) -> None:
    found = robust_metrics(judged, samples, 3.0)
    # 1.1 times the dose meets the goals (61.6 > 57.6), the nominal dose (56) and the others do not
    assert found["pass_percent"] == pytest.approx(25.0)


def test_a_limit_that_breaks_in_one_error_is_not_held(judged, arm_samples) -> None:
    nominal = arm_samples["sample_dose_rbe"].values
    found = robust_metrics(judged, _with_errors(arm_samples, np.outer([1.0, 1.12, 1.0], nominal)), 3.0)
    assert not found["limits_met"]


def test_without_scenarios_there_is_nothing_to_judge(case, arm_samples, samples, judged) -> None:
    assert robust_metrics(judged, arm_samples, 3.0) is None
    assert robust_metrics(case, samples, 3.0) is None


def test_a_dose_that_makes_no_sense_is_refused(judged, samples) -> None:
    samples["scenario_dose_rbe"].values[0, 0] = np.nan
    with pytest.raises(InputError, match="scenario_dose_rbe: expected finite values of at least 0, got nan"):
        robust_metrics(judged, samples, 3.0)


def test_bands_hold_every_histogram(samples) -> None:
    bands = histogram_bands(samples, separation_mm=3.0)
    low, middle, high = bands["dvh"].sel(structure="target").values
    assert np.all((low <= middle) & (middle <= high))
    level = bands["dvh_dose"].values
    # a ramp from 56 f to 68 f: at 60 GyE its volume is linear in between
    at = np.searchsorted(level, 60.0)
    assert middle[at] == pytest.approx(100.0 * (68.0 - level[at]) / 12.0, abs=0.1)
    assert high[at] == pytest.approx(100.0)
    assert low[at] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("shift", "error", "name"),
    [
        ([0.0, 0.0, 0.0], 0.0, "nominal"),
        ([2.0, 0.0, 0.0], 0.0, "x +2 mm"),
        ([0.0, -2.0, 0.0], 3.5, "y -2 mm, range +3.5 %"),
    ],
)
def test_scenarios_have_names(shift, error, name) -> None:
    assert scenario_name({"shift_mm": shift, "range_percent": error}) == name


def test_the_strip_is_told_with_the_arm(judged, samples) -> None:
    """The target warms by 0.3 GyE each millimetre from 3 mm of the dura on."""
    for separation, deep_mm in ((None, 2.0), (3.0, 5.0)):
        found = robust_metrics(judged, samples, separation)
        coldest = 56.0 + 0.02 * 0.3 * deep_mm
        # one sample is 0.006 GyE
        assert found["strip_d98_gye"] == pytest.approx(0.9 * coldest, abs=0.007)
        assert found["each"][1]["strip_d98_gye"] == pytest.approx(1.1 * coldest, abs=0.007)
    assert found["planned_for"] is False
    assert found["each"][2]["shift_mm"] == [1.0, 0.0, -2.0]
    planned = replace(judged, robustness=replace(ERRORS, plan=True))
    assert robust_metrics(planned, samples, 3.0)["planned_for"] is True


def test_a_strip_without_volume_has_no_dose(judged, samples_of) -> None:
    small = samples_of([1, 2, 2], [0.3, 0.2, 0.2], [40.0, 60.0, 62.0], dura=[0.0, 20.0, 30.0])
    found = robust_metrics(judged, _with_errors(small, np.ones((3, 3)) * [40.0, 60.0, 62.0]), 3.0)
    assert found["strip_d98_gye"] is found["each"][0]["strip_d98_gye"] is None
    # two samples of 0.2 cm3: the middle of the coldest lies at 75 %
    assert found["target_d98_gye"] == 60.0


@pytest.mark.parametrize("wrong", [np.inf, -1.0, np.nan])
def test_doses_that_are_none_are_refused(samples, wrong) -> None:
    samples["scenario_dose_rbe"].values[1, 7] = wrong
    said = f"scenario_dose_rbe: expected finite values of at least 0, got {wrong:g} in 1 of {3 * 3010}"
    with pytest.raises(InputError) as error:
        checked_dose(samples["scenario_dose_rbe"], samples["sample_dose_rbe"].attrs)
    assert str(error.value) == said


def test_no_dose_and_little_dose_are_doses(samples) -> None:
    samples["scenario_dose_rbe"].values[1, :2] = [0.0, 0.5]
    found = checked_dose(samples["scenario_dose_rbe"], samples["sample_dose_rbe"].attrs)
    assert found[1, :2].tolist() == [0.0, 0.5]


def test_bands_are_labelled_and_end_beyond_the_highest_dose(samples) -> None:
    bands = histogram_bands(samples, separation_mm=3.0)
    assert bands["dvh"].dims == ("band", "structure", "dose_bin")
    assert bands["band"].values.tolist() == ["lowest", "nominal", "highest"]
    assert bands["structure"].values.tolist() == ["cord", "target", "strip"]
    for name in ("dvh", "dvh_dose"):
        assert (bands[name].attrs["scale"], bands[name].attrs["fractions"]) == ("NIRS", 16)
    # other tissue of 80 GyE gets 88 in the hottest scenario
    level = bands["dvh_dose"].values
    np.testing.assert_allclose(level, 0.1 * np.arange(882), rtol=1e-15)
    assert (bands["dvh"].values[..., -1] == 0.0).all()


def test_bands_of_the_hottest_sample_reach_beyond_it(samples_of) -> None:
    """The target is the hottest of all: its histogram ends at its maximum, and in no band before."""
    warm = samples_of([1, 2], [0.5, 0.5], [40.0, 60.04])
    bands = histogram_bands(_with_errors(warm, np.ones((3, 2)) * [40.0, 60.04]), separation_mm=0.0)
    target = bands["dvh"].sel(structure="target").values
    assert target.shape[1] == 602
    assert (target[:, 600] == 100.0).all()
    assert (target[:, 601] == 0.0).all()


def test_bands_know_the_separation_and_leave_an_empty_strip_out(samples, samples_of) -> None:
    for separation, deep_mm in ((None, 2.0), (3.0, 5.0)):
        bands = histogram_bands(samples, separation_mm=separation)
        at = int(np.searchsorted(bands["dvh_dose"].values, 56.3))
        level = bands["dvh_dose"].values[at]
        share = bands["dvh"].sel(band="nominal", structure="strip").values[at]
        # one sample is 0.02 mm of a target that warms by 0.3 GyE each millimetre
        assert share == pytest.approx(100.0 * (1.0 - (level - 56.0) / 0.3 / deep_mm), abs=1.1)
    far = samples_of([1, 2], [0.5, 0.5], [40.0, 60.0], dura=[0.0, 20.0])
    bands = histogram_bands(_with_errors(far, np.ones((3, 2)) * [40.0, 60.0]), separation_mm=3.0)
    assert bands["structure"].values.tolist() == ["cord", "target"]
