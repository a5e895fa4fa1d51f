"""Sweeps on made-up rooms: what is planned from what, what is kept, what is taken again, what is refused."""

import csv
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from doseplan.case import parse_case
from doseplan.exchange import finished_points
from doseplan.exchange.files import read_dataset, write_dataset
from doseplan.messages import InputError
from doseplan.present import sweep_table
from doseplan.study import points, sweep, sweep_csv, sweep_rows
from doseplan.study.time_left import time_left

AXES = {"separation_mm": [0, 2, 4], "total_gy_rbe": [64, 60]}


def files(folder: Path) -> dict[str, bytes]:
    """All that a folder holds, but what was left by a stop."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_points_are_planned_once_on_the_spots_of_the_run(rooms, made_up) -> None:
    sweep(made_up.made_up_case(), **AXES)
    assert rooms.planned == [(0.0, 60.0), (0.0, 64.0), (2.0, 60.0), (2.0, 64.0), (4.0, 60.0), (4.0, 64.0)]
    # voxels of the widest separation were looked at first, then those of the run, which place the spots;
    # those of each separation were built once
    assert rooms.built == [4.0, 0.0, None, 0.0, 3.0, 2.0, 4.0]


def test_eleven_points_cost_eleven_plans_and_no_dose_on_a_grid(rooms, made_up, monkeypatch) -> None:
    """Four runs cost twelve plans and twelve grids."""
    from doseplan.study import pipeline

    monkeypatch.setattr(pipeline, "grid_dose", None)  # calling it would raise
    sweep(made_up.made_up_case(), separation_mm=range(11))
    assert len(rooms.planned) == 11


def test_the_grid_is_labelled(rooms, made_up, tmp_path: Path) -> None:
    found = sweep(made_up.made_up_case(), **AXES, prove=True)
    assert found["target_minimum"].dims == ("variant", "prescription", "separation")
    assert found["prescription"].values.tolist() == [60.0, 64.0]
    assert found["target_minimum"].sel(separation=2.0).values.tolist() == [[55.0, 55.0]]
    assert found["target_minimum_goal"].sel(separation=2.0).values.ravel().tolist() == [54.0, 57.6]
    assert found["goals_met"].sel(separation=2.0).values.ravel().tolist() == [True, False]
    assert found["target_minimum_bound"].sel(separation=2.0).values.ravel().tolist() == [55.6, 55.6]
    assert found["goal_impossible"].sel(separation=2.0).values.ravel().tolist() == [False, True]
    assert found["target_minimum"].attrs["scale"] == "NIRS"
    assert found["goal_met"].sel(verdict="target V95").all()
    assert np.isnan(found["strip_d98"]).all()
    write_dataset(found, tmp_path / "sweep.nc")
    xr.testing.assert_identical(read_dataset(tmp_path / "sweep.nc", remedy=""), found)


def test_errors_of_a_case_are_reported_beside(rooms, made_up) -> None:
    case = parse_case(made_up.CASE + "robustness = { setup_mm = 2.0 }\n", None, where="made_up.toml")
    found = sweep(case, separation_mm=[4, 8])
    assert found["worst_target_minimum"].values.ravel().tolist() == [55.0, 61.0]
    assert found["robust_goals_met"].values.ravel().tolist() == [False, True]
    assert sweep_rows(found)[0]["robust_pass_percent"] == 75.0
    assert "worst_target_minimum" not in sweep(made_up.made_up_case(), separation_mm=[4])


def test_courses_with_daily_shifts_are_reported_beside(rooms, made_up, monkeypatch) -> None:
    daily = {"target_dmin_gye": {"p5": 50.5}, "cord_max_gye": {"p95": 51.5}, "pass_percent": 40.0}
    monkeypatch.setattr(points, "judge_arm", lambda *seen: {**rooms.judge_arm(*seen), "daily": daily})
    found = sweep(made_up.made_up_case(), separation_mm=[4])
    row = sweep_rows(found)[0]
    assert row["daily_target_minimum_gye"] == 50.5
    assert row["daily_cord_maximum_gye"] == 51.5
    assert row["daily_pass_percent"] == 40.0
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(sweep_table(found))
    assert "a new shift every day" in console.export_text()


def test_rows_and_csv_carry_units(rooms, made_up) -> None:
    found = sweep(made_up.made_up_case(), **AXES)
    rows = list(csv.DictReader(io.StringIO(sweep_csv(found))))
    assert len(rows) == 6
    assert (rows[1]["total_gye"], rows[1]["separation_mm"]) == ("60.0", "2.0")
    assert float(rows[1]["target_minimum_gye"]) == 55.0
    assert rows[1]["target_minimum_bound_gye"] == ""
    assert rows[1]["target_V95_met"] == "True"
    assert sweep_rows(found)[1]["target_minimum_bound_gye"] is None


def test_other_numbers_have_voxels_and_spots_of_their_own(rooms, made_up) -> None:
    vary = {"tumour.wrap_deg": [180, 270], "constraint[0].max_gy_rbe": [48, 50]}
    text = made_up.CASE + 'constraint = [{ structure = "cord", max_gy_rbe = 50.0 }]\n'
    case = parse_case(text, None, where="made_up.toml")
    found = sweep(case, separation_mm=[2], vary=vary)
    assert found["variant"].values.tolist()[1] == "tumour.wrap_deg = 180, constraint[0].max_gy_rbe = 50"
    assert found["tumour.wrap_deg"].values.tolist() == [180.0, 180.0, 270.0, 270.0]
    assert [each[0] for each in rooms.planned] == [2.0, 2.0, 2.0, 2.0]
    # the widest of each wrap is looked at first; limits share voxels and spots, wraps do not
    assert rooms.built == [2.0, 2.0, 2.0, None, 0.0, 3.0, 2.0, None, 0.0, 3.0]


def test_an_interrupted_sweep_goes_on_to_the_same_bits(rooms, made_up, tmp_path: Path) -> None:
    case = made_up.made_up_case()
    fresh = sweep(case, **AXES, prove=True, out=tmp_path / "fresh")
    # another order: the last points first, then all
    sweep(case, separation_mm=[4], total_gy_rbe=[60], out=tmp_path / "other")
    rooms.planned.clear()
    again = sweep(case, **AXES, prove=True, out=tmp_path / "other")
    assert (4.0, 60.0, 96.0) not in rooms.planned
    assert again.identical(fresh)
    assert files(tmp_path / "fresh") == files(tmp_path / "other")
    rooms.planned.clear()
    assert sweep(case, **AXES, out=tmp_path / "other").identical(fresh)
    assert rooms.planned == []


def test_a_proof_that_fails_does_not_stop_the_sweep(rooms, made_up, tmp_path: Path) -> None:
    case = made_up.made_up_case()
    found = sweep(case, separation_mm=[0, 2], prove=True, programs=1, out=tmp_path)
    assert np.isnan(found["target_minimum_bound"]).all()
    assert not found["goal_impossible"].any()
    # a longer search is another proof
    assert np.isfinite(
        sweep(case, separation_mm=[0, 2], prove=True, programs=9, out=tmp_path)["target_minimum_bound"]
    ).all()


def test_what_makes_no_sense_is_refused_before_any_planning(rooms, made_up, tmp_path: Path) -> None:
    case, out = made_up.made_up_case(), tmp_path / "out"
    rooms.refuses_from_mm = 4.0
    with pytest.raises(InputError, match="expected tumour to be left, got none after 4 mm"):
        sweep(case, **AXES, out=out)
    with pytest.raises(InputError, match="separation_mm: expected finite numbers, got nan"):
        sweep(case, separation_mm=[np.nan])
    with pytest.raises(InputError, match=r"tumour\.wrap_deg: expected at least one value, got none"):
        sweep(case, separation_mm=[1], vary={"tumour.wrap_deg": []})
    with pytest.raises(InputError, match="expected a case as its file says"):
        sweep(replace(case, prv_margin_mm=3.0), separation_mm=[1])
    with pytest.raises(InputError) as error:
        sweep(case, separation_mm=[1, 40], total_gy_rbe=[64, 300])
    assert len(error.value.lines) == 2
    assert rooms.planned == []
    assert not out.exists()


def test_a_record_of_something_else_is_refused(rooms, made_up, tmp_path: Path) -> None:
    case = made_up.made_up_case()
    sweep(case, separation_mm=[2], out=tmp_path)
    place = tmp_path / "points" / finished_points(tmp_path)[0] / "record.json"
    place.write_text(place.read_text().replace('"digest": "', '"digest": "0'))
    with pytest.raises(
        InputError, match="expected what this study wrote, got another text; delete its folder"
    ):
        sweep(case, separation_mm=[2], out=tmp_path)
    place.write_text("{")
    with pytest.raises(InputError, match="expected a finished point, got no JSON"):
        sweep(case, separation_mm=[2], out=tmp_path)


def test_a_stop_at_the_very_start_leaves_nothing_in_the_way(rooms, made_up, tmp_path: Path) -> None:
    case = made_up.made_up_case()
    (tmp_path / "case.toml").write_text(case.case_toml)
    (tmp_path / ".study.json.17.part").write_text("{")
    sweep(case, separation_mm=[2], out=tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "case.toml").write_text("# mine")
    with pytest.raises(
        InputError, match=r"expected an empty folder or this study, got one with another case\.toml; choose"
    ):
        sweep(case, separation_mm=[2], out=other)


def test_time_left_goes_by_the_kind_of_work() -> None:
    assert time_left(["plan"], {"plan": [], "proof": []}) == ""
    assert time_left(["plan", "plan"], {"plan": [10.0, 20.0], "proof": []}) == " (about 30 s left)"
    assert time_left(["plan", "proof"], {"plan": [60.0], "proof": [120.0]}) == " (about 3 min left)"
    assert time_left(["proof"] * 60, {"plan": [], "proof": [180.0]}) == " (about 3.0 h left)"


def test_progress_names_points_and_never_runs_past_the_end(rooms, made_up) -> None:
    told = []
    sweep(
        made_up.made_up_case(),
        **AXES,
        prove=True,
        progress=lambda message, done: told.append((message, done)),
    )
    assert all(0.0 <= done <= 1.0 for _, done in told)
    steps = list(dict.fromkeys(message.split(",")[0].split(" (")[0] for message, _ in told))
    assert steps[:3] == [
        "1 of 12: 0 mm at 60 GyE",
        "2 of 12: proof for 0 mm at 60 GyE",
        "3 of 12: 0 mm at 64 GyE",
    ]
    assert len(steps) == 12


KILLS = """
import importlib.util, os, random, signal, sys, time
from pathlib import Path

spec = importlib.util.spec_from_file_location("made_up_rooms", sys.argv[1])
made_up = sys.modules["made_up_rooms"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_up)
from doseplan.study import sweep

place, chance, case = Path(sys.argv[2]), random.Random(1), made_up.made_up_case()
axes = {"separation_mm": range(10), "total_gy_rbe": [60, 64], "prove": True}
made_up.Rooms(takes_s=0.01).install(setattr)
sweep(case, separation_mm=[0], prove=True)  # all that is loaded once
folders, kept, kills, points = [place / "0"], {}, 0, 0
while kills < 20:
    child = os.fork()
    if child == 0:
        sweep(case, **axes, out=folders[-1])
        os._exit(0)
    time.sleep(chance.uniform(0.05, 0.6))
    os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:  # it was over before
        folders.append(place / str(len(folders)))
        kept = {}
        continue
    kills += 1
    there = {path: path.read_bytes() for path in folders[-1].rglob("*.json")}
    assert all(there[path] == text for path, text in kept.items()), "a finished point was lost or changed"
    points += len(there) > len(kept)
    kept = there
print(points)
"""


@pytest.mark.slow
def test_twenty_kills_lose_no_finished_point(rooms, made_up, tmp_path: Path) -> None:
    """Each time a new process goes on until it is killed; in the end all is as if it was never stopped."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", KILLS, made_up.__file__, str(killed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3  # times that something was finished between two kills
    case, axes = made_up.made_up_case(), {"separation_mm": range(10), "total_gy_rbe": [60, 64], "prove": True}
    finished = sweep(case, **axes, out=whole)
    for out in killed.iterdir():
        assert sweep(case, **axes, out=out).identical(finished)
        assert files(out) == files(whole)
