"""Choosing fields: against plans of all pairs, what is kept, what is said, what is refused."""

import json
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from doseplan.anatomy import build_phantom, place_samples
from doseplan.case import parse_case, with_fields
from doseplan.cli import main
from doseplan.dose import beam_library, place_fields, place_spots, trace_spots
from doseplan.messages import InputError
from doseplan.planning import optimise
from doseplan.planning.pool import choose, make_pool
from doseplan.planning.stored import check_record
from doseplan.study import choose_fields, field_sets, points
from doseplan.study.field_choice import Choice, TriedSet
from doseplan.study.field_rows import begin_search
from doseplan.study.field_sets import exchanged

TEXT = (Path(__file__).parent.parent / "coarse_case.toml").read_text(encoding="utf-8")
ANGLES = (0.0, 90.0, 180.0)


def small(more: str = ""):
    """A small tumour on coarse voxels and spots."""
    return parse_case(more + TEXT, None, where="small.toml")


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    return folder, choose_fields(small(), 2, gantry_deg=ANGLES, out=folder)


@pytest.fixture(scope="module")
def stages():
    case, library = small(), beam_library()
    arms = [build_phantom(case, separation_mm=each) for each in (None, 0.0, 3.0)]
    return library, arms, place_samples(arms[0], case)


def spots_of(case, stages):
    library, arms, _ = stages
    return place_spots(case, arms[0], place_fields(case, arms[0]), library, arms[1:])


@pytest.mark.slow
def test_the_best_of_all_pairs_is_found_and_no_plan_beats_its_bound(chosen, stages) -> None:
    library, arms, samples = stages
    achieved = {}
    for angles in combinations(ANGLES, 2):
        case = with_fields(small(), angles)
        planned = optimise(case, arms[0], samples, spots_of(case, stages), library)
        achieved[angles] = planned.attrs["target_minimum_gye"]
    found = chosen[1]
    assert found.exhaustive
    assert {each.gantry_deg for each in found.tried} == set(achieved)
    assert found.best.gantry_deg == max(achieved, key=achieved.get)
    assert found.best.achieved_gye == achieved[found.best.gantry_deg]
    assert all(achieved[each.gantry_deg] < each.upper_gye for each in found.tried)
    refuted = [each for each in found.tried if each.status == "refuted"]
    # opposite fields are far from the best pair
    assert len(refuted) >= 1
    assert all(each.upper_gye < found.best.achieved_gye and each.achieved_gye is None for each in refuted)
    # the gap that the proof of any coarse plan has here
    assert found.best.upper_gye < 1.02 * found.best.achieved_gye


@pytest.mark.slow
def test_finished_work_is_taken_bit_for_bit(chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, found = chosen

    def never(*_, **__):
        raise AssertionError("what is on disk is done again")

    for module, name in ((points, "plan_scene"), (field_sets, "screen"), (field_sets, "prove")):
        monkeypatch.setattr(module, name, never)
    monkeypatch.setattr(points, "prove", never)
    assert choose_fields(small(), 2, gantry_deg=ANGLES, out=folder) == found


@pytest.mark.slow
def test_kept_bounds_hold_for_the_spots_of_the_set_itself(chosen, stages) -> None:
    """Rows of single fields side by side are those of the set, so the checker takes its proof."""
    library, arms, samples = stages
    verdicts = sorted((chosen[0] / "verdicts").glob("0_90_*.json"))
    assert len(verdicts) == 2  # by a few samples, and by all
    case = with_fields(small(), (0.0, 90.0))
    for path in verdicts:
        record = json.loads(path.read_text())
        assert check_record(record["proof"], case, arms[0], samples, spots_of(case, stages), library)
        lower = record["proof"] | {"level_gye": 0.9 * record["upper_gye"]}
        assert not check_record(lower, case, arms[0], samples, spots_of(case, stages), library)


def test_a_set_has_the_spots_and_the_rows_of_its_fields(stages, tmp_path: Path) -> None:
    library, arms, samples = stages
    study = points.begin_study(small(), tmp_path)
    search = begin_search(study, (45.0, 90.0), 2, None, 1, lambda *_: None)
    case = with_fields(small(), (45.0, 90.0))
    spots = spots_of(case, stages)
    single = [search.spots[each] for each in (45.0, 90.0)]
    for name in ("spot_u", "spot_v", "spot_energy"):
        alone = np.concatenate([each[name].values for each in single])
        assert np.array_equal(spots[name].values, alone)
    pool = make_pool(case, samples, [trace_spots(arms[0], spots, library)], spots, library)
    both = search.evidence((45.0, 90.0))
    own = choose(pool, *search.chosen[0][:2]).evidence
    # the same entries, from the same curves; float32 curves of two fields may be summed otherwise
    np.testing.assert_allclose(both.linear, own.linear, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(both.root, own.root, rtol=1e-6, atol=1e-12)


def test_more_samples_are_learned(stages, tmp_path: Path) -> None:
    search = begin_search(points.begin_study(small(), tmp_path), (90.0,), 1, None, 1, lambda *_: None)
    before = search.evidence((90.0,))
    target, limited, number = search.chosen[0]
    new = np.setdiff1d(np.flatnonzero(stages[2]["sample_structure"].values == 2), number[target])[:3]
    search.learn(new, number[limited[:2]])  # the limited ones are known
    after = search.evidence((90.0,))
    assert after.targets == before.targets + 3
    assert after.most.size == before.most.size
    assert set(new) <= set(number[search.chosen[0][0]])


def test_an_angle_that_cannot_reach_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from doseplan.study import field_rows

    real = field_rows.place_spots

    def too_deep(case, *rest):
        if case.fields[0].gantry_deg == 90.0:
            raise InputError("fields[0]: expected a target at most 300 mm deep, got 310")
        return real(case, *rest)

    monkeypatch.setattr(field_rows, "place_spots", too_deep)
    study = points.begin_study(small(), tmp_path)
    search = begin_search(study, (0.0, 90.0), 1, None, 1, lambda *_: None)
    assert search.usable == (0.0,)
    assert search.left_out == {"90": "expected a target at most 300 mm deep, got 310"}
    with pytest.raises(InputError, match=r"at least 2 angles that reach the target, got 1; 90 deg: expected"):
        begin_search(study, (0.0, 90.0), 2, None, 1, lambda *_: None)


def test_exchanges_find_the_best_set_of_a_sum_and_end_where_nothing_rises() -> None:
    worth = {0.0: 1.0, 15.0: 5.0, 30.0: 4.0, 45.0: 2.0}
    assert exchanged(tuple(worth), 2, lambda each: sum(map(worth.get, each))) == (15.0, 30.0)

    def rivals(angles):  # the best alone is no part of the best pair
        return {(15.0,): 9.0, (0.0, 45.0): 8.0, (15.0, 45.0): 6.0}.get(angles, 1.0)

    assert exchanged(tuple(worth), 2, rivals) == (0.0, 45.0)


def made_up_choice(**changes) -> Choice:
    best = TriedSet(gantry_deg=(0.0, 90.0), status="planned", upper_gye=61.0, achieved_gye=60.0)
    other = TriedSet(gantry_deg=(0.0, 45.0), status="refuted", upper_gye=59.0)
    stated = {
        "fields": 2,
        "separation_mm": None,
        "prescription_gye": 64.0,
        "left_out": {"180": "no ray"},
        "sets": 2,
        "exhaustive": True,
        "best": best,
        "closed": True,
        "enough": False,
        "tried": (best, other),
    }
    return Choice(**(stated | changes))


def test_what_is_known_is_said_and_no_more() -> None:
    best, other = made_up_choice().tried
    assert made_up_choice().said() == [
        "left out: 180 deg: no ray",
        "2 sets of 2 fields, all looked at: 1 planned, 1 refuted by bound",
        "best: 0 + 90 deg: target minimum: achieved 60.00 GyE, proven maximum 61.00 GyE",
        "every other set is proven to give less",
    ]
    unclear = [replace(other, status=each, upper_gye=62.0) for each in ("planned", "open", "open", "no plan")]
    lines = made_up_choice(closed=False, tried=(best, *unclear), sets=9, exhaustive=False).said()
    assert "5 (by exchanging one field at a time) looked at" in lines[1]
    assert lines[3:] == [
        "planned with less, but not refuted: 1, up to 62.00 GyE",
        "neither planned nor refuted: 2, up to 62.00 GyE",
        "without a plan, and not refuted: 1, up to 62.00 GyE",
        "of 4 sets nothing is known",
    ]
    none = made_up_choice(best=None, closed=False, tried=(other,)).said()
    assert none[-1] == "no set has a plan that keeps the limits"


@pytest.mark.parametrize(
    ("more", "arguments", "line"),
    [
        ("", ["--choose-fields", "0"], "fields: expected 1 to 24 of the candidate angles, got 0"),
        ("", ["--gantry-deg", "0,400"], "gantry_deg: expected 0 <= gantry_deg < 360, got 400"),
        ("", ["--gantry-deg", "0,90,90"], "gantry_deg: expected each angle once, got 90 again"),
        ("", ["--separation-mm", "1,2"], "--separation-mm: expected one number or none, got '1,2'"),
        ("", ["--plans", "0"], "plans: expected at least 1, got 0"),
        (
            "fields = [{ gantry_deg = 150, couch_deg = 10 }, { gantry_deg = 210 }]\n",
            [],
            "small.toml: fields: expected one couch_deg and one roll_deg for all, as only gantry angles are "
            "chosen, got 2",
        ),
        (
            "robustness = { plan = true }\n",
            [],
            "small: robustness.plan: expected false, as sets of fields are compared without errors, got true",
        ),
        (
            'constraint = [{ structure = "cord", mean_gy_rbe = 20.0 }, '
            '{ structure = "other", volume_cm3 = 1.0, max_percent = 110.0 }]\n',
            [],
            "proof: expected a case with a maximum of a structure, got none",
        ),
    ],
)
def test_nonsense_is_one_line_and_exit_2(more, arguments, line, monkeypatch, capsys, tmp_path) -> None:
    (tmp_path / "small.toml").write_text(more + TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["doseplan", "fields", "small.toml", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]
