"""Sweep and margin on the command line, with made-up rooms: what is printed, written, and the exit codes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from doseplan.cli import main
from doseplan.exchange.files import read_dataset

Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def doseplan(rooms, made_up, monkeypatch, capsys, tmp_path: Path) -> Command:
    """Run a command beside `made_up.toml`: exit code, what is printed, what is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_up.toml").write_text(made_up.CASE, encoding="utf-8")

    def run(command: str, *arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["doseplan", command, "made_up.toml", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_a_sweep_prints_a_table_and_leaves_its_files(doseplan: Command, tmp_path: Path) -> None:
    code, out, said = doseplan("sweep", "--separation-mm", "0:4:2", "--prove", "--out", "points")
    assert code == 0, said
    assert "Not for clinical use" in out
    assert "impossible" in out  # at 0 mm, proven
    assert "1 of 6: 0 mm at 64 GyE" in said
    folder = tmp_path / "points"
    assert read_dataset(folder / "sweep.nc", remedy="")["separation"].values.tolist() == [0.0, 2.0, 4.0]
    assert (folder / "sweep.csv").read_text().count("\n") == 4
    for name in ("margin.png", "cord.png"):
        assert (folder / "figures" / name).stat().st_size > 10_000  # a blank page has less


def test_json_has_the_same_numbers(doseplan: Command) -> None:
    code, out, _ = doseplan("sweep", "--separation-mm", "0,4", "--total-gy-rbe", "60,64", "--json")
    assert code == 0
    content = json.loads(out)
    assert content["case"] == "made up"
    assert [(each["total_gye"], each["separation_mm"]) for each in content["points"]] == [
        (60.0, 0.0),
        (60.0, 4.0),
        (64.0, 0.0),
        (64.0, 4.0),
    ]
    assert content["points"][1]["target_minimum_gye"] == 58.0
    assert content["points"][1]["goals_met"] is True


def test_every_variant_has_figures(doseplan: Command, tmp_path: Path) -> None:
    code, out, _ = doseplan(
        "sweep", "--separation-mm", "2", "--vary", "tumour.wrap_deg=180,270", "--out", "x"
    )
    assert code == 0
    assert "tumour.wrap_deg = 270" in out
    names = sorted(path.name for path in (tmp_path / "x" / "figures").iterdir())
    assert names == ["cord_1.png", "cord_2.png", "margin_1.png", "margin_2.png"]


def test_a_margin_is_a_line_for_each_prescription(doseplan: Command, tmp_path: Path) -> None:
    code, out, _ = doseplan("margin", "--total-gy-rbe", "56,64", "--out", "points")
    assert code == 0
    assert "56 GyE: 0 mm, decompression alone is enough" in out
    assert "64 GyE: 4.0 mm; proven impossible at 3.0 mm; not closed: a plan at 3.5 mm was not found" in out
    kept = json.loads((tmp_path / "points" / "margin.json").read_text())
    assert [each["margin_mm"] for each in kept["margins"]] == [0.0, 4.0]


def test_a_margin_is_searched_again_with_another_number(doseplan: Command, tmp_path: Path) -> None:
    code, out, _ = doseplan("margin", "--no-prove", "--against", "grid.voxel_mm=2", "--out", "points")
    assert code == 0
    assert "64 GyE with grid.voxel_mm = 2: 4 mm instead of 4 mm; they differ by 0 mm" in out
    kept = json.loads((tmp_path / "points" / "margin.json").read_text())["margins"][0]["against"]
    assert [(each["values"], each["agrees"]) for each in kept] == [({"grid.voxel_mm": 2.0}, True)]
    code, _, said = doseplan("margin", "--against", "surgery.separation_mm=2", "--out", "other")
    assert code == 2
    assert "surgery.separation_mm: expected another number of the case" in said
    assert not (tmp_path / "other").exists()


def test_margins_for_errors_stand_above_the_one_without(doseplan: Command, tmp_path: Path) -> None:
    code, out, said = doseplan("margin", "--setup-mm", "1,2", "--no-prove", "--out", "points")
    assert code == 0
    lines = [line.strip("│ ") for line in out.splitlines() if "64 GyE," in line]
    assert [line.split(":")[0] for line in lines] == [
        "64 GyE, 1 mm setup error and 3.5 % range error",
        "64 GyE, 2 mm setup error and 3.5 % range error",
        "64 GyE, without errors",
    ]
    kept = json.loads((tmp_path / "points" / "margin.json").read_text())["margins"]
    assert [(each["robust"], each["margin_mm"]) for each in kept] == [(True, 6.0), (True, 6.0), (False, 4.0)]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "points",
        "points_setup_1_mm",
        "points_setup_2_mm",
    ]
    for wrong, line in (
        ("two", "--setup-mm: expected numbers"),
        ("-1", "robustness.setup_mm: expected setup_mm >= 0, got -1"),
        ("40", "robustness.setup_mm: expected setup_mm <= 20, got 40"),
    ):
        code, _, said = doseplan("margin", f"--setup-mm={wrong}", "--out", "other")
        assert (code, line in said) == (2, True), said
        assert not list(tmp_path.glob("other*"))


def test_no_margin_in_range_is_exit_3(doseplan: Command) -> None:
    code, out, said = doseplan("margin", "--total-gy-rbe", "64,90", "--json")
    assert code == 3
    assert "no separation up to 10 mm meets all goals at: 90 GyE" in said
    assert json.loads(out)["margins"][1]["impossible_mm"] == 10.0


def test_a_broken_limit_is_exit_3(doseplan: Command, rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    from doseplan.study import points

    judged = points.judge_arm
    monkeypatch.setattr(points, "judge_arm", lambda *seen: {**judged(*seen), "limits_met": False})
    code, _, said = doseplan("sweep", "--separation-mm", "0,2")
    assert code == 3
    assert "a hard limit is broken in 2 of 2 points" in said


def test_a_stop_says_what_is_kept(doseplan: Command, rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    from doseplan.study import pipeline

    real = pipeline.optimise

    def stopped(*stages, **options):
        if len(rooms.planned) == 3:
            raise KeyboardInterrupt
        return real(*stages, **options)

    monkeypatch.setattr(pipeline, "optimise", stopped)
    code, _, said = doseplan("sweep", "--out", "points")
    assert code == 130
    assert "kept in points: 3 points; the same command goes on from there" in said
