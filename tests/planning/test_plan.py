"""`optimise` from end to end: limits in the exact dose, conflicts, threads, separation."""

from itertools import pairwise

import numpy as np
import pytest

from doseplan import schema
from doseplan.case.spec import TISSUE_LIMIT, Constraint, Course, Robustness
from doseplan.dose import (
    error_rays,
    error_scenarios,
    sample_dose,
    scenario_dose,
    trace_spots,
)
from doseplan.evaluation.volume import dose_at_volume
from doseplan.messages import InputError
from doseplan.planning import optimise
from doseplan.planning.bound import require_provable

CORD, TARGET = schema.STRUCTURES["cord"], schema.STRUCTURES["target"]


def _gye(box, planned, structure):
    dose = sample_dose(box.case, box.phantom, box.samples, planned, box.library)
    return dose["sample_dose_rbe"].values[box.samples["sample_structure"].values == structure]


@pytest.fixture(scope="module")
def apart(box_of):
    box = box_of(gap_mm=5.0)
    return box, optimise(*box.stages)


@pytest.fixture(scope="module")
def touching(box_of):
    limits = (
        Constraint(structure="cord", max_gy_rbe=30.0),
        Constraint(structure="target", max_percent=110.0),
        TISSUE_LIMIT,
    )
    box = box_of(gap_mm=0.0, limits=limits)
    return box, optimise(*box.stages)


def test_limits_hold_strictly_in_the_exact_dose_of_all_samples(apart):
    box, planned = apart
    assert _gye(box, planned, CORD).max() < 50.0
    assert _gye(box, planned, TARGET).max() < 70.4
    assert planned.attrs["limits_met"]
    assert np.all(planned["weight"].values >= 0.0)


def test_attributes_tell_the_exact_dose(apart):
    box, planned = apart
    # the same float64 dose, but for the rounding of the scaled weights
    assert planned.attrs["target_minimum_gye"] == pytest.approx(_gye(box, planned, TARGET).min(), abs=1e-9)
    assert planned.attrs["cord_maximum_gye"] == pytest.approx(_gye(box, planned, CORD).max(), abs=1e-9)
    assert planned.attrs["tolerance_gye"] == pytest.approx(0.64)
    assert any("below every hard limit" in line for line in planned.attrs["assumptions"])
    assert set(box.spots.attrs["assumptions"]) <= set(planned.attrs["assumptions"])


def test_a_target_apart_from_the_cord_reaches_its_goal(apart):
    box, planned = apart
    assert _gye(box, planned, TARGET).min() > 0.9 * 64.0


def test_a_conflict_costs_the_target_and_not_the_cord(touching, apart):
    box, planned = touching
    assert planned.attrs["limits_met"]
    cord = _gye(box, planned, CORD).max()
    assert cord < 30.0
    # the limit is made use of: within a GyE
    assert cord > 29.0
    assert planned.attrs["target_minimum_gye"] < 0.9 * 64.0
    assert planned.attrs["target_minimum_gye"] < apart[1].attrs["target_minimum_gye"]


def test_a_target_sample_out_of_reach_is_refused(box_of):
    box = box_of(gap_mm=5.0)
    samples = box.samples.copy(deep=True)
    first = np.flatnonzero((samples["sample_structure"].values == TARGET) & samples["planned"].values)[0]
    samples["sample_position"].values[first] = [-45.0, 35.0, -35.0]
    with pytest.raises(InputError, match=r"target: expected every sample within reach of a spot, got 1 out"):
        optimise(box.case, box.phantom, samples, box.spots, box.library)


def test_fields_on_different_days_keep_the_limit_of_all_days_together(box_of, touching):
    """Each field is a course of its own; the dose that is checked adds up days after the RBE step."""
    days = (Course(fields=("field 1",), fractions=10), Course(fields=("field 2",), fractions=6))
    box = box_of(gap_mm=0.0, limits=touching[0].case.constraint, course=days)
    planned = optimise(*box.stages)
    cord, target = _gye(box, planned, CORD), _gye(box, planned, TARGET)
    assert 29.0 < cord.max() < 30.0
    assert planned.attrs["target_minimum_gye"] == pytest.approx(target.min(), abs=1e-9)
    # the same weights mixed every day are another dose, which was not planned for
    mixed = touching[0].spots.assign(weight=planned["weight"])
    assert np.abs(_gye(touching[0], mixed, CORD) - cord).max() > 0.1
    with pytest.raises(InputError, match=r"proof: expected all fields on the same days, got 2 courses"):
        require_provable(box.case)


def test_limits_hold_in_every_error_that_a_plan_is_made_for(touching):
    box, nominal = touching
    scenarios = error_scenarios(Robustness(setup_mm=1.5, range_percent=3.0))
    rays = trace_spots(box.phantom, box.spots, box.library)
    errors = error_rays(box.phantom, box.spots, box.library, rays, scenarios)
    robust = optimise(*box.stages, rays=rays, errors=errors)

    def extremes(planned):
        found = scenario_dose(box.case, box.samples, planned, box.library, scenarios, errors)
        structure = box.samples["sample_structure"].values
        dose = found["scenario_dose_rbe"].values
        return dose[:, structure == CORD].max(), dose[:, structure == TARGET].min()

    cord, target = extremes(robust)
    assert cord < 30.0
    assert robust.attrs["limits_met"]
    assert robust.attrs["worst_cord_maximum_gye"] == pytest.approx(max(cord, _gye(box, robust, CORD).max()))
    assert robust.attrs["worst_target_minimum_gye"] == pytest.approx(target, abs=1e-9)
    # the nominal plan uses the whole limit, and breaks it as soon as something is off
    worst_cord = extremes(nominal)[0]
    assert worst_cord > 32.0
    # scaled down until it just does not keep the limit in every error (GyE falls slower than ions), it leaves
    # the target colder all the same
    scaled_cord, scaled_target = extremes(nominal.assign(weight=nominal["weight"] * (30.0 / worst_cord)))
    assert 30.0 < scaled_cord < worst_cord
    assert scaled_target < target
    # what errors take is taken from the nominal dose
    assert robust.attrs["target_minimum_gye"] < nominal.attrs["target_minimum_gye"]


def test_weights_have_the_same_bits_on_one_and_two_threads(naive, box_of):
    with_threads = naive("naive_dose").with_threads
    box = box_of(gap_mm=0.0, spacing_mm=8.0)
    one, two = (with_threads(count, lambda: optimise(*box.stages)) for count in (1, 2))
    assert np.array_equal(one["weight"].values, two["weight"].values)
    assert one.attrs == two.attrs


def test_progress_rises_and_names_the_target_minimum(box_of):
    told = []
    box = box_of(gap_mm=5.0, spacing_mm=8.0)
    optimise(*box.stages, progress=lambda message, done: told.append((message, done)))
    parts = [done for _, done in told]
    assert parts == sorted(parts)
    assert 0.0 <= parts[0] <= parts[-1] <= 1.0
    assert any("target minimum" in message for message, _ in told)


def _cord_at(box, planned, cm3):
    """The dose that the hottest part of the cord gets at least."""
    gye = _gye(box, planned, CORD)
    volume = box.samples["sample_volume"].values[box.samples["sample_structure"].values == CORD]
    return dose_at_volume(gye, volume, cm3)


def test_a_limit_at_a_volume_holds_exactly_and_costs_less_than_a_maximum(box_of, touching):
    stated = Constraint(structure="cord", max_gy_rbe=30.0, volume_cm3=0.04)
    box = box_of(gap_mm=0.0, limits=(stated, *touching[0].case.constraint[1:]))
    planned = optimise(*box.stages)
    assert planned.attrs["limits_met"]
    # it is used up within a GyE, as a maximum is
    assert 29.0 < _cord_at(box, planned, 0.04) < 30.0
    assert planned.attrs["cord_maximum_gye"] > 35.0
    assert planned.attrs["target_minimum_gye"] > touching[1].attrs["target_minimum_gye"] + 1.0


def test_a_limit_of_the_mean_holds_exactly(box_of, touching):
    box, planned = touching
    free = box_of(gap_mm=0.0, limits=box.case.constraint[1:])
    mean = _gye(free, optimise(*free.stages), CORD).mean()
    stated = Constraint(structure="cord", mean_gy_rbe=0.7 * mean)
    held = box_of(gap_mm=0.0, limits=(stated, *box.case.constraint[1:]))
    planned = optimise(*held.stages)
    assert planned.attrs["limits_met"]
    assert 0.95 * 0.7 * mean < _gye(held, planned, CORD).mean() < 0.7 * mean


def test_a_limit_at_more_volume_than_there_is_is_refused(box_of, touching):
    stated = Constraint(structure="cord", max_gy_rbe=30.0, volume_cm3=100.0)
    box = box_of(gap_mm=0.0, limits=(stated, *touching[0].case.constraint[1:]))
    with pytest.raises(InputError, match=r"volume_cm3: expected less than the cord has"):
        optimise(*box.stages)


def test_target_minimum_does_not_fall_with_the_gap(box_of, touching):
    """The same ball and spots, the cord farther and farther behind it."""
    found = []
    for gap_mm in (0.0, 1.0, 2.0, 4.0):
        box = box_of(gap_mm=gap_mm, limits=touching[0].case.constraint)
        planned = optimise(*box.stages)
        assert planned.attrs["limits_met"]
        found.append(planned.attrs["target_minimum_gye"])
    # each plan is known within the optimiser's own tolerance only
    tolerance = touching[1].attrs["tolerance_gye"]
    assert all(after >= before - tolerance for before, after in pairwise(found)), found
    # and 4 mm help by more than the tolerance
    assert found[-1] > found[0] + 5.0 * tolerance, found
