"""A sweep by the real engine on a small case, with few samples and few steps of the planner."""

import shutil
from pathlib import Path

import pytest
import xarray as xr

from doseplan.case import Case, parse_case
from doseplan.evaluation import evaluate
from doseplan.exchange import finished_points, read_arm
from doseplan.exchange.studies import read_point_spots
from doseplan.planning import plan
from doseplan.schema import STRUCTURES
from doseplan.study import pipeline, plan_case, smallest_margin, sweep
from doseplan.study.points import begin_study, make_point

FIELDS_AND_GOAL = """
fields = [{ gantry_deg = 150.0 }, { gantry_deg = 90.0 }]
goal = [{ min_percent = 20.0 }]
"""

EVERY = 5
"""Of the samples; the same in run and sweep, as the test compares the two."""


@pytest.fixture(scope="module")
def case(small_text: str) -> Case:
    return parse_case(FIELDS_AND_GOAL + small_text, None, where="small.toml")


@pytest.fixture(scope="module")
def quick():
    """Fewer samples, fewer steps: what the planner can do is the matter of other tests."""
    place_samples = pipeline.place_samples
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pipeline,
            "place_samples",
            lambda phantom, case: place_samples(phantom, case).isel(sample=slice(None, None, EVERY)),
        )
        patch.setattr(plan, "MOST_STEPS", 4)
        yield


@pytest.fixture(scope="module")
def swept(quick, case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, xr.Dataset]:
    folder = tmp_path_factory.mktemp("sweep") / "points"
    return folder, sweep(case, separation_mm=[0, 3], total_gy_rbe=[64, 70], out=folder)


def test_points_at_the_numbers_of_the_case_are_the_arms_of_its_run(swept, case: Case) -> None:
    folder, found = swept
    tree = plan_case(case)
    arms = evaluate(tree, case)["arms"]
    for arm, separation in (("decompressed", 0.0), ("separated", 3.0)):
        spots = read_point_spots(folder, make_point(case, separation, {}).name)
        assert spots["weight"].values.tobytes() == tree[f"{arm}/spots"]["weight"].values.tobytes()
    for arm, separation in (("decompressed", 0.0), ("separated", 3.0)):
        point = found.sel(separation=separation, prescription=64.0).isel(variant=0)
        assert float(point["target_minimum"]) == arms[arm]["tumour"]["dmin_gye"]
        assert float(point["cord_maximum"]) == arms[arm]["cord"]["max_gye"]
        assert bool(point["goals_met"]) == arms[arm]["goals_met"]


def test_limits_hold_at_every_point(swept) -> None:
    _, found = swept
    assert found["limits_met"].all()
    assert (found["cord_maximum"] < 50.0).all()
    assert (found["target_minimum"] > 0.0).all()


def test_a_point_that_is_planned_again_has_the_same_bits(swept, case: Case) -> None:
    folder, found = swept
    name = make_point(case, 3.0, {"prescription.total_gy_rbe": 70}).name
    there = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    shutil.rmtree(folder / "points" / name)
    assert name not in finished_points(folder)
    again = sweep(case, separation_mm=[0, 3], total_gy_rbe=[64, 70], out=folder)
    assert again.identical(found)
    assert {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()} == there


def test_dose_grids_are_kept_if_asked_for(swept, case: Case) -> None:
    folder, found = swept
    name = make_point(case, 3.0, {}).name
    assert read_arm(folder / "points", name) is None
    expected = found["target_minimum"].sel(separation=3.0, prescription=64.0).item()
    assert sweep(case, separation_mm=[3], dose=True, out=folder)["target_minimum"].item() == expected
    arm = read_arm(folder / "points", name)
    assert arm is not None
    assert float(arm["dose"]["dose_rbe"].max()) > 50.0
    target = arm["samples"]["sample_structure"].values == STRUCTURES["target"]
    assert arm["samples"]["sample_dose_rbe"].values[target].min() == expected


def test_a_margin_takes_the_points_of_a_sweep(swept, case: Case) -> None:
    folder, found = swept
    study = begin_study(case, folder)
    before = finished_points(study.folder)
    margin = smallest_margin(case, range_mm=(0.0, 3.0), step_mm=3.0, out=folder, prove=False)
    assert finished_points(folder) == before
    minima = found["target_minimum"].sel(prescription=64.0).values.ravel().tolist()
    assert margin.tried[0].target_minimum_gye == minima[0]
    assert margin.margin_mm == (0.0 if minima[0] >= 12.8 else 3.0 if minima[1] >= 12.8 else None)
