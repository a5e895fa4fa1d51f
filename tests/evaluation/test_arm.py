import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan.biology import rbe_attributes
from doseplan.case.spec import Constraint, Goal
from doseplan.evaluation import evaluate_arm
from doseplan.messages import InputError

PARTS = {
    "cord": {"max_gye", "d0_03cc_gye", "d0_1cc_gye", "d1cc_gye", "limit_gye", "met"},
    "tumour": {
        "volume_cm3",
        "dmin_gye",
        "d98_gye",
        "d95_gye",
        "d50_gye",
        "d2_gye",
        "v95_percent",
        "v90_percent",
    },
}


def _evaluate(case, samples, phantom):
    return evaluate_arm(case, phantom, samples, samples)


def _with_dose(samples, dose_rbe):
    """Exchange the weighted dose."""
    return samples.assign(sample_dose_rbe=samples["sample_dose_rbe"].copy(data=dose_rbe))


def test_the_arm_has_the_agreed_keys_and_is_json(case, arm_samples, phantom_of) -> None:
    arm = _evaluate(case, arm_samples, phantom_of(3.0))
    for part, keys in PARTS.items():
        assert keys <= set(arm[part])
    assert PARTS["tumour"] <= set(arm["strip"])
    for goal in arm["goals"]:
        assert {"name", "value", "limit", "unit", "hard", "met", "scale", "fractions"} <= set(goal)
    assert json.loads(json.dumps(arm, allow_nan=False)) == arm
    assert arm["volumes"] == {"target_cm3": 100.0}
    assert arm["gaps"] == {"gap_target_dura_mm": 3.0}


def test_a_dose_ramp_in_the_target_has_closed_forms(case, arm_samples, phantom_of) -> None:
    tumour = _evaluate(case, arm_samples, phantom_of(3.0))["tumour"]
    assert tumour["volume_cm3"] == pytest.approx(100.0)
    # the lowest sample is in the middle of a step of 12 Gy / 2000
    assert tumour["dmin_gye"] == pytest.approx(56.003, abs=1e-9)
    for percent, expected in ((98, 56.24), (95, 56.6), (50, 62.0), (2, 67.76)):
        # midpoint interpolation of a straight line is exact
        assert tumour[f"d{percent}_gye"] == pytest.approx(expected, abs=1e-9)
    # 60.8 and 57.6 Gy; one sample is 0.05 %
    assert tumour["v95_percent"] == pytest.approx(100.0 * (68.0 - 60.8) / 12.0, abs=0.051)
    assert tumour["v90_percent"] == pytest.approx(100.0 * (68.0 - 57.6) / 12.0, abs=0.051)


def test_absorbed_dose_and_let_stand_beside_every_dose(case, arm_samples, phantom_of) -> None:
    arm = _evaluate(case, arm_samples, phantom_of(3.0))
    for part in (arm["cord"], arm["tumour"], arm["strip"]):
        for key in [key for key in part if key.endswith("_gye") and key not in ("limit_gye", "mean_gye")]:
            name = key.removesuffix("_gye")
            # means within 1 % of the dose: symmetric inside the ramp, cut off by at most that 1 % at its ends
            assert part[f"{name}_absorbed_gy"] == pytest.approx(part[key] / 2.0, rel=0.011)
            assert part[f"{name}_let_d_kev_um"] == pytest.approx(part[key] + 10.0, rel=0.011)
    tumour = arm["tumour"]
    assert tumour["mean_gye"] == pytest.approx(62.0)
    assert tumour["mean_absorbed_gy"] == pytest.approx(31.0)
    # LET is weighted with dose: 10 + mean(dose^2) / mean(dose) of a ramp of 12 about 62
    assert tumour["mean_let_d_kev_um"] == pytest.approx(10.0 + (62.0**2 + 12.0) / 62.0, rel=1e-6)


def test_cord_maximum_and_hottest_volumes(case, arm_samples, phantom_of) -> None:
    cord = _evaluate(case, arm_samples, phantom_of(3.0))["cord"]
    assert cord["max_gye"] == pytest.approx(44.9875, abs=1e-9)
    for key, volume in (("d0_03cc_gye", 0.03), ("d0_1cc_gye", 0.1), ("d1cc_gye", 1.0)):
        # 10 cm3 fall by 25 Gy
        assert cord[key] == pytest.approx(45.0 - 2.5 * volume, abs=1e-9)
    assert cord["limit_gye"] == 50.0
    assert cord["met"] is True


def test_a_point_on_the_cord_surface_counts_for_the_maximum_only(case, samples_of, phantom_of) -> None:
    volume = [0.0, 1.0, 1.0, 1.0]
    samples = samples_of([1, 1, 2, 2], volume, [51.0, 40.0, 60.0, 66.0], position=np.eye(4)[:, :3] * 7.0)
    cord = _evaluate(case, samples, phantom_of(None))["cord"]
    assert cord["max_gye"] == 51.0
    assert (cord["max_x_mm"], cord["max_y_mm"], cord["max_z_mm"]) == (7.0, 0.0, 0.0)
    assert cord["d0_03cc_gye"] == 40.0
    assert cord["met"] is False


@pytest.mark.parametrize(("highest", "met"), [(49.999, True), (50.0, False), (np.nextafter(50.0, 0.0), True)])
def test_the_cord_limit_is_met_below_it_only(case, samples_of, phantom_of, highest, met) -> None:
    samples = samples_of([1, 2], [1.0, 1.0], [highest, 60.0])
    arm = _evaluate(case, samples, phantom_of(None))
    assert arm["cord"]["met"] is met
    assert arm["goals"][0]["met"] is met
    assert arm["limits_met"] is met


@pytest.mark.parametrize(
    ("low", "high", "met"),
    [
        (57.7, 70.0, (True, True, False)),
        (57.5, 70.0, (True, False, False)),
        (61.0, 71.0, (False, True, True)),
        (61.0, 64.0, (True, True, True)),
    ],
)
def test_limits_and_goals_of_the_target(case, samples_of, phantom_of, low, high, met) -> None:
    samples = samples_of([1, 2, 2], [1.0, 50.0, 50.0], [40.0, low, high])
    arm = _evaluate(case, samples, phantom_of(None))
    names = ["target maximum", "target minimum", "target V95"]
    assert [goal["name"] for goal in arm["goals"][1:]] == names
    assert tuple(goal["met"] for goal in arm["goals"][1:]) == met
    assert [goal["hard"] for goal in arm["goals"]] == [True, True, False, False]
    maximum, minimum, coverage = arm["goals"][1:]
    assert maximum["value"] == pytest.approx(100.0 * high / 64.0)
    assert (maximum["limit"], maximum["unit"]) == (110.0, "% of prescription")
    assert minimum["value"] == pytest.approx(100.0 * low / 64.0)
    assert coverage["value"] == pytest.approx(50.0 * (low >= 60.8) + 50.0)
    assert arm["goals_met"] is all(met[1:])


def test_a_limit_in_percent_on_the_cord_is_one_in_dose(case, samples_of, phantom_of) -> None:
    stated = replace(case, constraint=(Constraint(structure="cord", max_percent=75.0),), goal=())
    arm = _evaluate(stated, samples_of([1, 2], [1.0, 1.0], [47.0, 60.0]), phantom_of(None))
    assert arm["cord"]["limit_gye"] == pytest.approx(48.0)
    assert arm["goals"][0]["value"] == pytest.approx(100.0 * 47.0 / 64.0)
    assert arm["goals_met"] is True


def test_without_a_cord_limit_there_is_no_verdict(case, samples_of, phantom_of) -> None:
    stated = replace(case, constraint=(), goal=(Goal(min_percent=90.0),))
    cord = _evaluate(stated, samples_of([1, 2], [1.0, 1.0], [70.0, 60.0]), phantom_of(None))["cord"]
    assert cord["limit_gye"] is None
    assert cord["met"] is None


def test_the_strip_reaches_five_millimetres_beyond_the_separation(case, arm_samples, phantom_of) -> None:
    # the target starts at 3 mm, 0.02 mm a sample of 0.05 cm3
    for separation, depth in ((3.0, 5.0), (0.0, 2.0), (None, 2.0)):
        arm = _evaluate(case, arm_samples, phantom_of(separation))
        assert arm["separation_mm"] == separation
        # one sample more or less at the rim
        assert arm["strip"]["volume_cm3"] == pytest.approx(depth / 0.02 * 0.05, abs=0.06)
        assert arm["strip"]["dmin_gye"] == arm["tumour"]["dmin_gye"]
        assert arm["strip"]["d2_gye"] < arm["tumour"]["d50_gye"]
        assert "strip_reason" not in arm


def test_an_empty_strip_says_why(case, samples_of, phantom_of) -> None:
    samples = samples_of([1, 2, 2], [1.0, 1.0, 0.0], [40.0, 60.0, 60.0], dura=[0.0, 8.1, 7.9])
    arm = _evaluate(case, samples, phantom_of(3.0))
    assert arm["strip"] is None
    assert arm["strip_reason"] == "no part of the target lies within 8 mm of the dura"


def test_the_coldest_cubic_centimetre_is_found(case, arm_samples, phantom_of) -> None:
    coldest = _evaluate(case, arm_samples, phantom_of(3.0))["tumour"]["coldest_cm3"]
    # 1 cm3 is the first 1 % of the ramp: 20 samples in 0.4 mm
    assert coldest["volume_cm3"] == pytest.approx(1.0)
    assert coldest["mean_gye"] == pytest.approx(56.06, abs=1e-9)
    assert coldest["x_mm"] == pytest.approx(0.19, abs=1e-9)
    assert coldest["mean_dura_distance_mm"] == pytest.approx(3.19, abs=1e-9)
    # a row of 20 points 0.02 apart: 0.02 sqrt((20^2 - 1) / 12)
    assert coldest["spread_mm"] == pytest.approx(0.02 * np.sqrt(399.0 / 12.0), abs=1e-9)


def test_a_target_below_one_cubic_centimetre_is_all_coldest(case, samples_of, phantom_of) -> None:
    samples = samples_of([1, 2, 2], [1.0, 0.3, 0.1], [40.0, 60.0, 64.0])
    coldest = _evaluate(case, samples, phantom_of(3.0))["tumour"]["coldest_cm3"]
    assert coldest["volume_cm3"] == pytest.approx(0.4)
    assert coldest["mean_gye"] == pytest.approx(61.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.0, r"sample_dose_rbe: expected some dose, got 0 in all 3010 samples"),
        (np.nan, r"sample_dose_rbe: expected finite values of at least 0, got nan in 3010 of 3010"),
        (-1.0, r"sample_dose_rbe: expected finite values of at least 0, got -1"),
    ],
)
def test_a_senseless_dose_names_the_cause(case, arm_samples, phantom_of, value, message) -> None:
    with pytest.raises(InputError, match=message):
        _evaluate(case, _with_dose(arm_samples, np.full(3010, value)), phantom_of(3.0))


def test_a_dose_in_other_fractions_is_not_judged(case, samples_of, phantom_of) -> None:
    samples = samples_of([1, 2], [1.0, 1.0], [40.0, 60.0], fractions=12)
    with pytest.raises(InputError, match=r"fractions: expected the same .* got 16 and 12"):
        _evaluate(case, samples, phantom_of(3.0))


def test_a_limit_in_other_fractions_is_not_judged(case, arm_samples, phantom_of) -> None:
    stated = replace(case, constraint=(Constraint(structure="cord", max_gy_rbe=45.0, fractions=22),))
    with pytest.raises(InputError, match=r"fractions: expected the same .* got 16 and 22"):
        _evaluate(stated, arm_samples, phantom_of(3.0))


def test_missing_parts_are_named(case, samples_of, arm_samples, phantom_of) -> None:
    with pytest.raises(InputError, match="expected samples with volume in the cord, got none"):
        _evaluate(case, samples_of([2, 2], [1.0, 1.0], [60.0, 60.0]), phantom_of(3.0))
    with pytest.raises(InputError, match="dose: sample_let_d: expected in the Dataset"):
        _evaluate(case, arm_samples.drop_vars("sample_let_d"), phantom_of(3.0))
    with pytest.raises(InputError, match="separation_mm: expected as an attribute"):
        _evaluate(case, arm_samples, xr.Dataset())
    with pytest.raises(InputError, match="dose: expected 3010 samples as the anatomy has, got 2"):
        evaluate_arm(case, phantom_of(3.0), arm_samples, samples_of([1, 2], [1.0, 1.0], [1.0, 2.0]))


def test_the_input_is_left_alone(case, arm_samples, phantom_of) -> None:
    before = arm_samples.copy(deep=True)
    _evaluate(case, arm_samples, phantom_of(3.0))
    xr.testing.assert_identical(arm_samples, before)
    assert arm_samples["sample_dose_rbe"].attrs["scale"] == rbe_attributes(16)["scale"]


@pytest.fixture
def few(samples_of):
    """A cord of one sample, and a target of 0.6 cm3 whose four samples all differ."""
    position = np.array(
        [[0.0, 0.0, 0.0], [1.0, 10.0, 100.0], [2.0, 30.0, 500.0], [4.0, 60.0, 900.0], [9.0] * 3]
    )
    volume, dura = [0.5, 0.1, 0.2, 0.3, 0.0], [-1.0, 1.0, 2.0, 4.0, 3.0]
    return samples_of([1, 2, 2, 2, 2], volume, [40.0, 60.0, 60.3, 62.0, 70.0], dura=dura, position=position)


def test_a_small_target_is_told_in_full(case, few, phantom_of) -> None:
    arm = _evaluate(case, few, phantom_of(3.0))
    assert arm["cord"]["volume_cm3"] == 0.5
    assert arm["strip"]["reach_mm"] == 8.0
    assert arm["strip"]["volume_cm3"] == pytest.approx(0.6)
    tumour = arm["tumour"]
    assert (tumour["dmin_x_mm"], tumour["dmin_y_mm"], tumour["dmin_z_mm"]) == (1.0, 10.0, 100.0)
    assert (arm["cord"]["max_dura_distance_mm"], tumour["dmin_dura_distance_mm"]) == (-1.0, 1.0)
    # a point on the surface counts for the maximum
    assert (tumour["dmax_gye"], tumour["dmax_absorbed_gy"], tumour["dmax_let_d_kev_um"]) == (70.0, 35.0, 80.0)
    assert "dmax_x_mm" not in tumour
    mean = (0.1 * 60.0 + 0.2 * 60.3 + 0.3 * 62.0) / 0.6
    assert tumour["mean_gye"] == pytest.approx(mean)
    assert tumour["mean_lem1_gy_rbe"] == pytest.approx(1.2 * mean)
    let_d = 10.0 + (0.1 * 60.0**2 + 0.2 * 60.3**2 + 0.3 * 62.0**2) / (0.6 * mean)
    assert tumour["coldest_cm3"] == {
        "volume_cm3": pytest.approx(0.6),
        "mean_gye": pytest.approx(mean),
        "mean_absorbed_gy": pytest.approx(0.5 * mean),
        "mean_let_d_kev_um": pytest.approx(let_d),
        "mean_lem1_gy_rbe": pytest.approx(1.2 * mean),
        "x_mm": pytest.approx((0.1 * 1.0 + 0.2 * 2.0 + 0.3 * 4.0) / 0.6),
        "y_mm": pytest.approx((0.1 * 10.0 + 0.2 * 30.0 + 0.3 * 60.0) / 0.6),
        "z_mm": pytest.approx((0.1 * 100.0 + 0.2 * 500.0 + 0.3 * 900.0) / 0.6),
        # second moments about the centroid, over the volume
        "spread_mm": pytest.approx(
            np.sqrt(sum(np.cov([[1, 10, 100], [2, 30, 500], [4, 60, 900]], rowvar=False, bias=True,
                               aweights=[1, 2, 3]).diagonal()))
        ),
        "mean_dura_distance_mm": pytest.approx((0.1 * 1.0 + 0.2 * 2.0 + 0.3 * 4.0) / 0.6),
    }  # fmt: skip


def test_absorbed_dose_beside_is_that_of_samples_within_a_hundredth(case, few, phantom_of) -> None:
    samples = few.assign(
        sample_dose=few["sample_dose"].copy(data=[20.0, 30.0, 40.0, 50.0, 60.0]),
        sample_let_d=few["sample_let_d"].copy(data=[20.0, 70.0, 80.0, 90.0, 99.0]),
    )
    tumour = _evaluate(case, samples, phantom_of(3.0))["tumour"]
    # D98 lies at 60.0, so that 60.3 is beside it and 62 is not; each by its volume, LET by absorbed dose too
    assert tumour["d98_gye"] == 60.0
    assert tumour["d98_absorbed_gy"] == pytest.approx((0.1 * 30.0 + 0.2 * 40.0) / 0.3)
    assert tumour["d98_let_d_kev_um"] == pytest.approx((3.0 * 70.0 + 8.0 * 80.0) / 11.0)
    assert tumour["d98_lem1_gy_rbe"] == pytest.approx(1.2 * (60.0 + 2 * 60.3) / 3)


def test_the_nearest_samples_stand_beside_a_dose_that_none_gets(case, samples_of, phantom_of) -> None:
    target = samples_of([1, 2, 2, 2], [1.0, 1.0, 3.0, 4.0], [30.0, 60.0, 60.0, 40.0])
    target["sample_dose"].values[1:] = [10.0, 30.0, 50.0]
    tumour = _evaluate(case, target, phantom_of(3.0))["tumour"]
    # middles lie at 0.5, 2.5 and 6 of 8 cm3: D50 is 60 - 20 * 1.5 / 3.5, nearer to both of 60
    assert tumour["d50_gye"] == pytest.approx(60.0 - 30.0 / 3.5)
    assert tumour["d50_absorbed_gy"] == pytest.approx((10.0 + 3 * 30.0) / 4)
    # a point on the surface that is nearest stands for itself
    point = samples_of([1, 2, 2, 2], [1.0, 1.0, 1.0, 0.0], [30.0, 60.0, 40.0, 50.0])
    point["sample_dose"].values[3] = 22.0
    tumour = _evaluate(case, point, phantom_of(3.0))["tumour"]
    assert (tumour["d50_gye"], tumour["d50_absorbed_gy"]) == (50.0, 22.0)


def test_the_first_of_equally_cold_samples_are_the_coldest(case, samples_of, phantom_of) -> None:
    """On every machine: 500 samples of 0.01 cm3, of which 1 cm3 is taken."""
    place = np.zeros((501, 3))
    place[1:, 0] = np.arange(500)
    samples = samples_of([1, *[2] * 500], np.full(501, 0.01), [40.0, *[60.0, 62.0] * 250], position=place)
    coldest = _evaluate(case, samples, phantom_of(3.0))["tumour"]["coldest_cm3"]
    # every other one of the first 200
    assert coldest["x_mm"] == pytest.approx(99.0)


def test_without_absorbed_dose_there_is_no_let(case, few, phantom_of) -> None:
    samples = few.assign(sample_dose=few["sample_dose"].copy(data=np.zeros(5)))
    tumour = _evaluate(case, samples, phantom_of(3.0))["tumour"]
    assert tumour["mean_let_d_kev_um"] == tumour["coldest_cm3"]["mean_let_d_kev_um"] == 0.0


@pytest.mark.parametrize(("separation", "reach"), [(None, 5), (0.0, 5), (1.5, 6.5)])
def test_the_strip_says_how_far_it_reaches(case, samples_of, phantom_of, separation, reach) -> None:
    far = samples_of([1, 2], [1.0, 1.0], [40.0, 60.0], dura=[0.0, 20.0])
    arm = _evaluate(case, far, phantom_of(separation))
    assert arm["strip_reason"] == f"no part of the target lies within {reach:g} mm of the dura"


def test_gaps_that_are_not_known_are_none(case, few, phantom_of) -> None:
    phantom = phantom_of(3.0).assign_attrs(gap_target_cord_mm=np.nan, neural_structure="cauda equina")
    arm = _evaluate(case, few, phantom)
    assert arm["gaps"] == {"gap_target_dura_mm": 3.0, "gap_target_cord_mm": None}
    assert arm["structure"] == "cauda equina"
    assert _evaluate(case, few, phantom_of(3.0))["structure"] == "spinal cord"


def test_a_little_dose_is_judged(case, few, phantom_of) -> None:
    arm = _evaluate(case, _with_dose(few, np.full(5, 0.5)), phantom_of(3.0))
    assert (arm["limits_met"], arm["goals_met"]) == (True, False)


@pytest.mark.parametrize(
    "name", ["sample_position", "sample_structure", "sample_volume", "sample_dura_distance"]
)
def test_samples_that_lack_a_part_are_refused(case, few, phantom_of, name) -> None:
    with pytest.raises(InputError, match=f"^dose: {name}: expected in the Dataset"):
        evaluate_arm(case, phantom_of(3.0), few.drop_vars(name), few)


def test_lines_of_refusals_are_complete(case, few, phantom_of) -> None:
    with pytest.raises(InputError) as error:
        _evaluate(case, few, xr.Dataset())
    assert str(error.value) == "anatomy: separation_mm: expected as an attribute, got none"
    with pytest.raises(InputError) as error:
        _evaluate(case, _with_dose(few, [-1.0, 60.0, 60.0, 60.0, 60.0]), phantom_of(3.0))
    assert (
        str(error.value) == "sample_dose_rbe: expected finite values of at least 0, got -1 in 1 of 5 samples"
    )
    with pytest.raises(InputError) as error:
        _evaluate(case, _with_dose(few, np.zeros(5)), phantom_of(3.0))
    assert str(error.value) == (
        "sample_dose_rbe: expected some dose, got 0 in all 5 samples: "
        "the spots have no ions, or no field reaches the samples"
    )
