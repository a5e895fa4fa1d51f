"""The plan by penalties: its slopes, its cord, and what docs/penalty.md says of the record."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import update_penalty as script

from doseplan import schema
from doseplan.anatomy import build_phantom
from doseplan.case import parse_case
from doseplan.dose import beam_library
from doseplan.planning.seen import seen_samples
from doseplan.study.pipeline import set_scene

CASE = (Path(__file__).parent / "coarse_case.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen():
    case, library = parse_case(CASE, None, where="small.toml"), beam_library()
    scene = set_scene(case, build_phantom(case, separation_mm=None), library)
    found = seen_samples(case, scene.samples, scene.spots, library, [scene.rays])
    # every 40th sample: the programs are the same, and quicker
    few = slice(None, None, 40)
    rows = ("scenario", "points", "structure", "planned", "upper", "bound", "volume")
    return replace(found, **{name: getattr(found, name)[few] for name in rows})


def test_slopes_are_those_of_the_penalties(seen) -> None:
    every = np.arange(seen.scenario.size)
    problem = seen.problem([each.operator() for each in seen.pairs(every)], every)
    value = script._Penalties(seen, problem, script.column_scale(problem), 100.0)
    rng = np.random.default_rng(1)
    root, way = rng.uniform(0.2, 1.0, (2, problem.spots))
    _, slope = value(root)
    step = 1e-3
    ends = [value(root + move * way)[0] for move in (-step, step)]
    # central differences err by the square of the step; sums of the optimiser are of float32 curves
    assert (ends[1] - ends[0]) / (2.0 * step) == pytest.approx(float(slope @ way), rel=1e-3)


def test_the_cord_is_brought_to_its_limit(seen) -> None:
    weight, trials = script.penalty_plan(seen, iterations=60)
    gye = seen.gye(seen.exact(weight, np.arange(seen.scenario.size)))
    cord = seen.structure == schema.STRUCTURES["cord"]
    assert np.all(weight >= 0.0)
    # the limit is taken 0.01 GyE lower, as in our own plans
    assert gye[cord].max() == pytest.approx(49.99, abs=script.WITHIN_GYE)
    assert trials[-1].cord_maximum_gye == pytest.approx(gye[cord].max())
    assert trials[-1].target_minimum_gye == pytest.approx(gye[seen.is_target].min())
    heavier = sorted(trials, key=lambda each: each.cord_weight)
    assert heavier[-1].cord_maximum_gye <= heavier[0].cord_maximum_gye


def made_up_record(**changes):
    numbers = {"target_d98_gye": 58.0, "cord_maximum_gye": 49.99, "limits_broken": [], "seconds": 60.0}
    trial = {"cord_weight": 10.0, "cord_maximum_gye": 52.0, "target_minimum_gye": 51.0, "iterations": 90}
    trials = [
        trial | {"converged": True, "seconds": 40.0},
        trial | {"cord_maximum_gye": 50.05, "converged": False, "seconds": 90.0},
    ]
    stated = {"commit": "abc", "python": "3.11", "threads": 2, "case": "small", "prescription_gye": 64.0}
    stated |= {"cord_limit_gye": 50.0, "samples": 9, "spots": 4, "trials": trials}
    stated["ours"] = numbers | {"target_minimum_gye": 52.0}
    stated["penalty"] = numbers | {"target_minimum_gye": 50.5, "seconds": 90.0, "target_d98_gye": 58.5}
    return stated | changes


def test_the_page_says_who_wins() -> None:
    text = script.page(made_up_record())
    assert "| penalties, L-BFGS-B | 50.50 | 58.50 | 49.99 | none | 90 |" in text
    assert (
        "The target minimum of doseplan's plan is 1.50 GyE higher, the D98 of doseplan's plan is 0.50" in text
    )
    assert "1 of 2 trials of the penalties have ended, and no plan of theirs holds the cord limit yet" in text
    assert "90 (not converged)" in text
    slower = made_up_record()
    slower["ours"]["seconds"] = 100.0
    assert "that holds the cord limit has a target minimum of 51.00 GyE" in script.page(slower)
