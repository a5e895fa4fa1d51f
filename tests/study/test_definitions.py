"""Margins by other definitions of the cord's dose, read off from a sweep of made-up rooms."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from doseplan.case import load_case
from doseplan.cli import main
from doseplan.messages import InputError
from doseplan.present.definitions_table import definitions_markdown
from doseplan.study import definitions, sweep
from doseplan.study.definitions import definitions_csv, margins_by_definition

SEPARATIONS = (0.0, 2.0, 4.0, 6.0)


@pytest.fixture
def doses(monkeypatch):
    """Doses that fall with separation: dura 4 GyE above the cord, LEM I 8 more; calls are counted."""
    calls: list[float] = []

    def made_up(case, phantom, samples, spots, library):
        separation = phantom.attrs["separation"]
        calls.append(separation)
        of_cord = 49.0 - separation
        return {
            structure: {
                metric: {"NIRS": of_cord + more - less, "LEM1": of_cord + more - less + 8.0}
                for metric, less in (("max", 0.0), ("d0_03cc", 2.0), ("d1cc", 9.0))
            }
            for structure, more in (("cord", 0.0), ("dura", 4.0), ("prv", 20.0))
        }

    monkeypatch.setattr(definitions, "doses_by_definition", made_up)
    monkeypatch.setattr(definitions, "beam_library", lambda: None)
    monkeypatch.setattr(definitions, "place_samples", lambda phantom, case: None)
    return calls


@pytest.fixture
def swept(rooms, made_up, doses, monkeypatch, tmp_path: Path) -> Path:
    """A sweep whose plans meet the goals from 4 mm on (57.6 GyE at 3.73 mm), proven impossible at 2 mm."""
    monkeypatch.setattr(definitions, "build_phantom", rooms.build_phantom)
    sweep(made_up.made_up_case(), separation_mm=SEPARATIONS, prove=True, out=tmp_path / "points")
    return tmp_path / "points"


def _by_definition(rows):
    return {(row["structure"], row["metric"], row["scale"]): row for row in rows}


def test_each_definition_has_the_first_separation_that_is_enough(swept: Path, made_up) -> None:
    found = _by_definition(margins_by_definition(made_up.made_up_case(), swept))
    assert len(found) == 3 * 3 * 2
    assert found["cord", "max", "NIRS"]["margin_mm"] == 4.0  # goals; the limit holds everywhere
    assert found["dura", "max", "NIRS"]["margin_mm"] == 4.0  # 49 GyE there
    assert found["cord", "max", "LEM1"]["margin_mm"] is None  # 51 Gy(RBE) at 6 mm
    assert found["cord", "d0_03cc", "LEM1"]["margin_mm"] == 6.0
    assert found["prv", "d1cc", "NIRS"]["margin_mm"] is None
    assert found["cord", "max", "NIRS"]["separations_mm"] == list(SEPARATIONS)


def test_only_maxima_on_the_scale_of_the_case_are_proven(swept: Path, made_up) -> None:
    found = _by_definition(margins_by_definition(made_up.made_up_case(), swept))
    for structure in ("cord", "dura", "prv"):
        assert found[structure, "max", "NIRS"]["impossible_mm"] == 2.0
        for metric, scale in (("max", "LEM1"), ("d0_03cc", "NIRS"), ("d1cc", "LEM1")):
            row = found[structure, metric, scale]
            assert (row["impossible_mm"], row["proof"]) == (None, "none")
    assert found["cord", "max", "NIRS"]["proof"] == "closed"
    assert found["prv", "max", "NIRS"]["proof"] == "open"  # none in the sweep is enough, 6 mm is not refuted


def test_another_limit_on_lem_needs_no_new_doses(swept: Path, made_up, doses) -> None:
    case = made_up.made_up_case()
    margins_by_definition(case, swept)
    assert sorted(doses) == list(SEPARATIONS)
    found = _by_definition(margins_by_definition(case, swept, lem1_limit_gy_rbe=52.0))
    assert sorted(doses) == list(SEPARATIONS)
    assert found["cord", "max", "LEM1"]["margin_mm"] == 6.0
    assert found["cord", "max", "LEM1"]["limit_gy_rbe"] == 52.0


def test_tables_say_what_is_not_proven(swept: Path, made_up) -> None:
    rows = margins_by_definition(made_up.made_up_case(), swept)
    text = definitions_markdown(rows)
    assert "## made up: 64 GyE in 16 fractions" in text
    assert "| cord below | 50 Gy(RBE), NIRS | 50 Gy(RBE), LEM1 |" in text
    assert "| cord, maximum | 4 mm; impossible at 2 mm | none of these plans, up to 6 mm (no proof) |" in text
    assert "| cord, D0.03cc | 4 mm (no proof) | 6 mm (no proof) |" in text
    assert "made for the limits of the case" in text
    lines = list(csv.DictReader(io.StringIO(definitions_csv(rows))))
    assert (lines[0]["structure"], lines[0]["margin_mm"], lines[0]["proof"]) == ("cord", "4.0", "closed")


def test_the_least_separation_needs_no_proof(rooms, made_up, doses, monkeypatch, tmp_path: Path) -> None:
    rooms.least_gye = 60.0
    monkeypatch.setattr(definitions, "build_phantom", rooms.build_phantom)
    case = made_up.made_up_case()
    sweep(case, separation_mm=SEPARATIONS, total_gy_rbe=(60.0, 64.0), out=tmp_path / "points")
    rows = margins_by_definition(case, tmp_path / "points")
    assert [row["total_gye"] for row in rows] == [60.0] * 18 + [64.0] * 18
    assert (rows[0]["margin_mm"], rows[0]["proof"]) == (0.0, "least")
    assert "| cord, maximum | 0 mm, the least planned |" in definitions_markdown(rows)


def test_a_folder_without_points_is_refused(made_up, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected points that `doseplan sweep` has finished, got none"):
        margins_by_definition(made_up.made_up_case(), tmp_path)


def test_a_damaged_point_is_named(swept: Path, made_up) -> None:
    record = next((swept / "points").glob("4_mm*")) / "record.json"
    record.write_text("{}")
    with pytest.raises(InputError, match=r"record\.json: expected a finished point, got another text"):
        margins_by_definition(made_up.made_up_case(), swept)


def test_the_command_prints_tables_and_leaves_its_files(
    swept: Path, made_up, monkeypatch, capsys, tmp_path: Path
) -> None:
    (tmp_path / "made_up.toml").write_text(made_up.CASE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["doseplan", "definitions", "made_up.toml", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    code, out, _ = run("--points", "points")
    assert code == 0
    assert "4 mm; impossible at 2 mm" in out
    assert "Not for clinical use" in out
    kept = json.loads((swept / "definitions.json").read_text())
    assert len(kept["margins"]) == 18
    assert (swept / "definitions.md").stat().st_size > 500
    assert (swept / "definitions.csv").read_text().count("\n") == 19
    other = made_up.CASE.replace("made up", "twelve").replace("64.0", "57.6, fractions = 12")
    (tmp_path / "twelve.toml").write_text(other, encoding="utf-8")
    sweep(load_case(tmp_path / "twelve.toml"), separation_mm=(4.0, 6.0), out=tmp_path / "points_12")
    code, out, _ = run("--points", "points", "--beside", "twelve.toml=points_12")
    assert code == 0
    assert out.index("64 GyE in 16 fractions") < out.index("twelve: 57.6 GyE in 12 fractions")
    both = list(csv.DictReader(io.StringIO((swept / "definitions.csv").read_text())))
    assert [row["fractions"] for row in both] == ["16"] * 18 + ["12"] * 18
    assert both[18]["case"] == "twelve"
    code, _, said = run("--points", "points", "--beside", "twelve.toml")
    assert (code, "--beside: expected CASE=FOLDER like" in said) == (2, True)
    code, _, said = run("--points", "points", "--beside", "twelve.toml=points")
    assert (code, "points: expected this study" in said) == (2, True)
    code, _, said = run("--points", "nowhere")
    assert (code, "nowhere: expected a folder that `doseplan sweep` has finished" in said) == (2, True)
    code, _, said = run("--points", "points", "--lem1-gy-rbe", "0")
    assert (code, "--lem1-gy-rbe: expected more than 0" in said) == (2, True)
