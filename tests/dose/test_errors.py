"""Errors of setup and range: which there are, and what they do to a dose in water."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.case.spec import Prescription, Robustness
from doseplan.dose import (
    Scenario,
    error_rays,
    error_scenarios,
    has_scenarios,
    place_fields,
    place_spots,
    sample_dose,
    scenario_dose,
    trace_spots,
)


def test_one_error_at_a_time_in_both_directions() -> None:
    found = error_scenarios(Robustness(setup_mm=2.0, range_percent=3.5))
    assert len(set(found)) == 8
    assert [each.range_percent for each in found[:2]] == [3.5, -3.5]
    shifts = np.array([each.shift_mm for each in found[2:]])
    assert np.array_equal(np.abs(shifts).sum(axis=1), np.full(6, 2.0))
    assert np.array_equal(shifts.sum(axis=0), np.zeros(3))


def test_combined_errors_are_every_shift_with_every_range() -> None:
    assert len(set(error_scenarios(Robustness(combined=True)))) == 7 * 3 - 1
    assert len(error_scenarios(Robustness(setup_mm=0.0, combined=True))) == 2
    assert error_scenarios(Robustness(setup_mm=0.0, range_percent=0.0)) == ()
    assert not has_scenarios(Robustness(setup_mm=0.0, range_percent=0.0, daily_mm=1.0))
    assert has_scenarios(Robustness(setup_mm=0.0))
    assert not has_scenarios(None)


def test_draws_are_normal_with_the_stated_sizes_and_follow_the_seed() -> None:
    found = error_scenarios(Robustness(random=200, seed=3))[8:]
    assert found == error_scenarios(Robustness(random=200, seed=3))[8:]
    assert found != error_scenarios(Robustness(random=200, seed=4))[8:]
    drawn = np.array([[*each.shift_mm, each.range_percent] for each in found])
    # the standard deviation of 200 draws is known to 1 / sqrt(400) = 5 %; three times that
    np.testing.assert_allclose(drawn.std(axis=0), [2.0, 2.0, 2.0, 3.5], rtol=0.15)


@pytest.fixture(scope="module")
def made(phantom_of, case_of, beams):
    """Two fields in the axial plane, and points in and around the target."""
    phantom, case = phantom_of(), case_of(0.0, 90.0)
    spots = place_spots(case, phantom, place_fields(case, phantom), beams)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, spots.sizes["spot"])
    points = np.random.default_rng(6).uniform(-9.0, 9.0, (40, 3)) + np.array([3.0, -6.0, 2.0])
    case = SimpleNamespace(prescription=Prescription(total_gy_rbe=64.0), course=())
    return case, phantom, spots.assign(weight=schema.variable("weight", weight)), points


def _samples(points):
    return xr.Dataset({"sample_position": schema.variable("sample_position", points)})


def _in_error(made, beams, *scenarios):
    case, phantom, spots, points = made
    rays = error_rays(phantom, spots, beams, trace_spots(phantom, spots, beams), scenarios)
    found = scenario_dose(case, _samples(points), spots, beams, scenarios, rays)
    return found["scenario_dose_rbe"].values


def test_a_shift_across_the_beams_moves_the_dose_against_the_patient(made, beams) -> None:
    case, phantom, spots, points = made
    (found,) = _in_error(made, beams, Scenario(shift_mm=(0.0, 0.0, 2.0)))
    # in a box of water every slice is alike: a point that lies 2 mm further up sees what was planned there
    there = sample_dose(case, phantom, _samples(points + np.array([0.0, 0.0, 2.0])), spots, beams)
    expected = there["sample_dose_rbe"].values
    # rays start at other places of the voxels; nodes and depths are float32
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6 * expected.max())
    nominal = sample_dose(case, phantom, _samples(points), spots, beams)["sample_dose_rbe"].values
    assert np.abs(found - nominal).max() > 0.05 * nominal.max()


def test_a_range_error_is_a_patient_that_stops_more(made, beams) -> None:
    case, phantom, spots, points = made
    (found,) = _in_error(made, beams, Scenario(range_percent=3.5))
    denser = phantom.assign(rsp=phantom["rsp"].copy(data=1.035 * phantom["rsp"].values))
    expected = sample_dose(case, denser, _samples(points), spots, beams)["sample_dose_rbe"].values
    # widths differ: what stops more also scatters more per millimetre, which a wrong range does not
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())
    nominal = sample_dose(case, phantom, _samples(points), spots, beams)["sample_dose_rbe"].values
    assert np.abs(found - nominal).max() > 0.1 * nominal.max()


def test_what_is_stored_says_what_it_is(made, beams) -> None:
    case, phantom, spots, points = made
    scenarios = (Scenario(range_percent=-2.0), Scenario(shift_mm=(1.0, 0.0, 0.0)))
    rays = error_rays(phantom, spots, beams, trace_spots(phantom, spots, beams), scenarios)
    found = scenario_dose(case, _samples(points), spots, beams, scenarios, rays)
    assert found["scenario_dose_rbe"].dims == ("scenario", "sample")
    assert found["scenario_dose_rbe"].attrs["scale"] == "NIRS"
    assert found["scenario_shift"].values.tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert found["scenario_range_percent"].values.tolist() == [-2.0, 0.0]
