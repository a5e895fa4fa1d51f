"""Shifts that change from day to day: which are drawn, and what a fraction gets, in water."""

from dataclasses import replace
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.case.spec import BeamField, Course, Prescription, Robustness
from doseplan.dose import (
    Scenario,
    daily_counts,
    daily_dose,
    daily_shifts,
    error_rays,
    place_fields,
    place_spots,
    sample_dose,
    scenario_dose,
    trace_spots,
)

DAILY = Robustness(daily_mm=2.0, daily_courses=5, daily_shifts=8)


def test_shifts_have_the_stated_mean_and_covariance_whatever_is_drawn() -> None:
    for seed, count in ((1, 8), (7, 32)):
        shifts = daily_shifts(replace(DAILY, seed=seed, daily_shifts=count))
        assert shifts.shape == (count, 3)
        # exact up to rounding: pairs cancel, and the rest was stretched
        np.testing.assert_allclose(shifts.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(shifts.T @ shifts / count, 4.0 * np.eye(3), atol=1e-12)


def test_draws_follow_the_seed_and_the_first_of_more_are_the_same() -> None:
    found = daily_counts(DAILY, (16,))
    assert found.shape == (5, 1, 8)
    assert (found.sum(axis=2) == 16).all()
    assert np.array_equal(daily_counts(replace(DAILY, daily_courses=9), (16,))[:5], found)
    assert not np.array_equal(daily_counts(replace(DAILY, seed=2), (16,)), found)
    assert not np.array_equal(daily_shifts(replace(DAILY, seed=2)), daily_shifts(DAILY))
    assert np.array_equal(daily_counts(DAILY, (9, 7)).sum(axis=2), np.tile([9, 7], (5, 1)))


def test_every_shift_is_as_likely() -> None:
    counts = daily_counts(replace(DAILY, daily_courses=1), (80_000,))
    # a count of 10 000 has a standard deviation of sqrt(10 000 x 7 / 8) = 94: five of them
    np.testing.assert_allclose(counts, 10_000, atol=470)


@pytest.fixture(scope="module")
def made(phantom_of, case_of, beams):
    """Two fields in the axial plane, and points in and around the target, the last of other tissue."""
    phantom, case = phantom_of(), case_of(0.0, 90.0)
    spots = place_spots(case, phantom, place_fields(case, phantom), beams)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, spots.sizes["spot"])
    points = np.random.default_rng(6).uniform(-9.0, 9.0, (30, 3)) + np.array([3.0, -6.0, 2.0])
    structure = np.repeat([1, 2, 0], 10)
    samples = xr.Dataset(
        {
            "sample_position": schema.variable("sample_position", points),
            "sample_structure": schema.variable("sample_structure", structure),
        }
    )
    return phantom, spots.assign(weight=schema.variable("weight", weight)), samples


def _case(robustness, fractions=16):
    prescription = Prescription(total_gy_rbe=64.0, fractions=fractions)
    return SimpleNamespace(prescription=prescription, course=(), robustness=robustness)


def _daily(made, beams, case):
    phantom, spots, samples = made
    return daily_dose(case, phantom, samples, spots, beams)


def _judged(values):
    return values[..., :20]


def test_without_such_errors_nothing_is_computed(made, beams) -> None:
    assert not _daily(made, beams, _case(None)).variables
    assert not _daily(made, beams, _case(Robustness())).variables


def test_a_fraction_of_many_is_its_part_of_a_course_with_that_shift(made, beams) -> None:
    """Of one fraction it is the whole course; other tissue is not looked at."""
    phantom, spots, samples = made
    for fractions in (1, 16):
        case = _case(DAILY, fractions)
        found = _daily(made, beams, case)
        scenarios = [Scenario(shift_mm=tuple(map(float, each))) for each in found["daily_shift"].values[:2]]
        rays = error_rays(phantom, spots, beams, trace_spots(phantom, spots, beams), scenarios)
        whole = scenario_dose(case, samples, spots, beams, scenarios, rays)["scenario_dose_rbe"].values
        dose = found["daily_dose_rbe"].values[0, :2]
        # stored as float32
        np.testing.assert_allclose(fractions * _judged(dose), _judged(whole), rtol=1e-7)
        assert (dose[:, 20:] == 0.0).all()
        assert found["daily_dose_rbe"].attrs["fractions"] == 1


def test_shifts_of_nothing_are_the_plan(made, beams) -> None:
    phantom, spots, samples = made
    case = _case(replace(DAILY, daily_mm=1e-9))
    found = _daily(made, beams, case)
    nominal = sample_dose(case, phantom, samples, spots, beams)["sample_dose_rbe"].values
    course = (found["daily_count"].values[0, 0][:, np.newaxis] * found["daily_dose_rbe"].values[0]).sum(
        axis=0
    )
    # float32 of a fraction, and rays whose nodes are float32 a nanometre further on
    np.testing.assert_allclose(_judged(course), _judged(nominal), rtol=1e-5)


def test_the_mean_of_all_shifts_is_that_of_their_variance(made, beams) -> None:
    """Six shifts of sqrt(3) s along the axes have the same covariance: D + s^2 / 2 (Dxx + Dyy + Dzz)."""
    phantom, spots, samples = made
    case = _case(replace(DAILY, daily_mm=1.0, daily_shifts=32))
    mean = _daily(made, beams, case)["daily_dose_rbe"].values[0].astype(np.float64).mean(axis=0)
    scenarios = [
        Scenario(shift_mm=(float(x), float(y), float(z)))
        for x, y, z in np.sqrt(3.0) * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    ]
    rays = error_rays(phantom, spots, beams, trace_spots(phantom, spots, beams), scenarios)
    dose = scenario_dose(case, samples, spots, beams, scenarios, rays)["scenario_dose_rbe"].values / 16.0
    gain, expected = _judged(mean - dose[0]), _judged(dose[1:].mean(axis=0) - dose[0])
    # what fourth derivatives add: a millimetre is a fifth of the width of a beam
    assert np.sqrt(np.mean((gain - expected) ** 2)) < 0.1 * np.sqrt(np.mean(expected**2))


def test_days_of_other_fields_have_shifts_of_their_own(phantom_of, case_of, beams, made) -> None:
    """Two courses of one field each: a fraction has the dose of its own fields only."""
    phantom, _, samples = made
    fields = (BeamField(gantry_deg=0.0, name="a"), BeamField(gantry_deg=90.0, name="b"))
    courses = (Course(fields=("a",), fractions=6), Course(fields=("b",), fractions=10))
    case = SimpleNamespace(
        **{**vars(case_of(0.0, 90.0)), "fields": fields, "course": courses, "robustness": DAILY}
    )
    spots = place_spots(case, phantom, place_fields(case, phantom), beams)
    spots = spots.assign(weight=schema.variable("weight", np.ones(spots.sizes["spot"])))
    found = daily_dose(case, phantom, samples, spots, beams)
    assert found["daily_count"].values.sum(axis=2).tolist() == [[6, 10]] * 5
    own = spots["field_index"].values == 1
    alone = spots.assign(weight=schema.variable("weight", own.astype(float)))
    alone = alone.drop_vars("course_fractions")
    second = daily_dose(_case(DAILY), phantom, samples, alone, beams)
    # 16 fractions of a 16th share what 10 of a 10th do: only the RBE of a smaller fraction differs
    assert case.prescription.fractions == 16
    ratio = _judged(found["daily_dose_rbe"].values[1] * 10.0) / _judged(
        second["daily_dose_rbe"].values[0] * 16.0
    )
    assert (ratio < 1.0).all()
    assert (ratio > 0.6).all()


def test_threads_change_no_bit(made, beams) -> None:
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = _daily(made, beams, _case(DAILY))["daily_dose_rbe"].values
        numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
        two = _daily(made, beams, _case(DAILY))["daily_dose_rbe"].values
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(one, two)
