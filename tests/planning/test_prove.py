"""`prove` from end to end on a ball beside a cord: above the plan, stored, read and checked again."""

import json

import numpy as np
import pytest

from doseplan.case.spec import Constraint, Robustness
from doseplan.messages import InputError
from doseplan.planning import optimise
from doseplan.planning.bound import prove, traced
from doseplan.planning.finer import with_finer_spots
from doseplan.planning.stored import check_record, holding, proof_record


@pytest.fixture(scope="module")
def touching(box_of):
    limits = (
        Constraint(structure="cord", max_gy_rbe=30.0),
        Constraint(structure="target", max_percent=110.0),
    )
    box = box_of(gap_mm=0.0, limits=limits, spacing_mm=6.0)
    planned = optimise(*box.stages)
    told = []
    bound = prove(
        box.case,
        box.phantom,
        box.samples,
        planned,
        box.library,
        programs=30,
        progress=lambda message, done: told.append((message, done)),
    )
    return box, planned, bound, told


def checked(touching, **changes):
    box, planned, bound, _ = touching
    record = json.loads(json.dumps({**proof_record(bound), **changes}))
    return check_record(record, box.case, box.phantom, box.samples, planned, box.library)


def test_the_bound_lies_above_the_plan_and_the_witness(touching):
    _, planned, bound, told = touching
    achieved = planned.attrs["target_minimum_gye"]
    assert achieved < bound.upper_gye
    assert achieved - 0.1 < bound.witness_gye < bound.upper_gye
    # and near: the conflict is real, the goal of 64 is out of reach
    assert bound.upper_gye < 1.1 * bound.witness_gye
    assert bound.upper_gye < 64.0
    assert np.all(bound.witness >= 0.0)
    # the time of a proof is that to its end, when the bound is checked
    assert bound.history[-1, 1] == bound.upper_gye
    assert np.all(np.diff(bound.history[:, 0]) >= 0.0)
    assert all(0.0 <= done <= 1.0 for _, done in told)


def test_a_stored_proof_is_checked_with_rows_computed_anew(touching):
    assert checked(touching)


def test_a_proof_of_an_earlier_version_is_one_clear_line(touching):
    box, planned, bound, _ = touching
    record = proof_record(bound)
    del record["scenarios"]
    with pytest.raises(InputError, match="expected one with steps and scenarios, got one of an earlier"):
        check_record(record, box.case, box.phantom, box.samples, planned, box.library)


def test_stored_proofs_that_were_changed_are_rejected(touching):
    _, _, bound, _ = touching
    assert not checked(touching, level_gye=bound.witness_gye)
    assert not checked(touching, leaves=proof_record(bound)["leaves"][1:])
    swapped = np.roll(bound.target[:, 0], 1).tolist()
    assert not checked(touching, target_samples=swapped) or len(bound.target) == 1
    other = bound.limited[:, 0].tolist()
    with pytest.raises(InputError, match="expected target samples of this case"):
        checked(touching, target_samples=other, target_scenarios=[0] * len(other))
    with pytest.raises(InputError, match="expected numbers of limited samples"):
        checked(touching, limited_samples=[-1], limited_scenarios=[0])
    with pytest.raises(InputError, match="expected numbers of target samples"):
        checked(touching, target_scenarios=[1] * len(bound.target))
    with pytest.raises(InputError, match="expected samples, level and leaves"):
        checked(touching, level_gye=None)


def test_a_plan_for_errors_has_a_bound_of_its_own(box_of, touching):
    """In the worst error the target gets less than as planned, and so does what is proven."""
    limits, errors = touching[0].case.constraint, Robustness(setup_mm=1.5, range_percent=3.0, plan=True)
    box = box_of(gap_mm=0.0, limits=limits, spacing_mm=6.0, robustness=errors)
    rays = traced(box.case, box.phantom, box.spots, box.library)
    planned = optimise(*box.stages, rays=rays[0], errors=rays[1:])
    bound = prove(box.case, box.phantom, box.samples, planned, box.library, programs=10)
    assert bound.scenarios == len(rays) == 9
    achieved = planned.attrs["worst_target_minimum_gye"]
    assert achieved < bound.upper_gye < 1.1 * bound.witness_gye
    assert bound.upper_gye < touching[2].upper_gye
    # errors on both sides take part, and the checker traces their rays anew
    assert len(np.unique(bound.limited[:, 1])) > 1
    record = json.loads(json.dumps(proof_record(bound)))
    assert check_record(record, box.case, box.phantom, box.samples, planned, box.library)
    nominal = {**record, "limited_scenarios": [0] * len(bound.limited)}
    assert not check_record(nominal, box.case, box.phantom, box.samples, planned, box.library)
    entry = holding(record, box.samples)
    assert {each["scenario"] for each in entry} <= set(range(9))


def test_finer_spots_bound_more_than_those_of_the_plan(touching):
    box, planned, bound, _ = touching
    finer = with_finer_spots(box.case, box.phantom, (), planned, box.library)
    names = ("field_index", "energy_index", "spot_v", "spot_u")

    def rows(spots):
        return [tuple(row) for row in np.column_stack([spots[name].values.round(6) for name in names])]

    weight = dict(zip(rows(finer), finer["weight"].values, strict=True))
    assert [weight[row] for row in rows(planned)] == planned["weight"].values.tolist()
    assert len(weight) == finer.sizes["spot"]
    assert rows(finer) == sorted(rows(finer))
    # four times the rays, twice the energies; fewer at the rim, which is as wide as before
    assert 4.0 < finer.sizes["spot"] / planned.sizes["spot"] < 8.0
    found = prove(box.case, box.phantom, box.samples, finer, box.library, programs=10)
    # the plan is one of those that the finer grid allows, and so is every plan that it can make; one curve of
    # widths serves all energies of a field, and energies between move it by some hundredths of a GyE
    assert found.witness_gye == pytest.approx(bound.witness_gye, abs=0.05)
    better = optimise(box.case, box.phantom, box.samples, finer, box.library)
    assert better.attrs["target_minimum_gye"] > planned.attrs["target_minimum_gye"]
    assert better.attrs["target_minimum_gye"] < found.upper_gye


def test_without_a_limit_there_is_no_maximum(box_of):
    box = box_of(gap_mm=0.0, limits=())
    spots = box.spots.assign(weight=("spot", np.ones(box.spots.sizes["spot"])))
    with pytest.raises(InputError, match="proof: expected a case with a maximum"):
        prove(box.case, box.phantom, box.samples, spots, box.library)
    # limits that the proof leaves out are none that it could rest on
    box.case.constraint = (Constraint(structure="cord", mean_gy_rbe=20.0),)
    with pytest.raises(InputError, match="proof: expected a case with a maximum"):
        prove(box.case, box.phantom, box.samples, spots, box.library)
