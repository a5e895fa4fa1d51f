"""The command `population` with made-up rooms: what is printed, written, and the exit codes."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from doseplan.cli import main
from doseplan.exchange.files import read_dataset

Command = Callable[..., tuple[object, str, str]]

RING = """
name = "rings"
[[number]]
name = "ring angle"
keys = ["tumour.wrap_deg"]
uniform = [180.0, 360.0]
source = "assumed: any from half a ring on"
"""


@pytest.fixture
def doseplan(rooms, made_up, monkeypatch, capsys, tmp_path: Path) -> Command:
    """Run `population` beside `made_up.toml` and `rings.toml`: exit code, what is printed, what is said."""
    rooms.least_gye, rooms.ring_gye = 51.0, 0.05
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_up.toml").write_text(made_up.CASE, encoding="utf-8")
    (tmp_path / "rings.toml").write_text(RING, encoding="utf-8")

    def run(*arguments: str) -> tuple[object, str, str]:
        words = ["population", "made_up.toml", "--table", "rings.toml", *arguments]
        monkeypatch.setattr(sys, "argv", ["doseplan", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_a_population_prints_its_tables_and_leaves_its_files(
    doseplan: Command, rooms, tmp_path: Path
) -> None:
    rooms.refuses_ring_deg = 350.0
    code, out, said = doseplan("--anatomies", "24", "--separation-mm", "0:5:1", "--out", "points")
    assert code == 0, said
    assert "Not for clinical use" in out
    assert "need no more than" in out
    assert "what drives the margin" in out
    assert "2 of 24 drawn anatomies refused" in " ".join(out.split())
    assert said.count("tumour: expected an open ring, got 35") == 2
    assert "assumed of the population: ring angle uniform 180, 360 (assumed: any from half" in said
    assert "1 of 24: anatomy 0" in said
    folder = tmp_path / "points"
    found = read_dataset(folder / "population.nc", remedy="")
    assert found["margin"].sizes == {"errors": 1, "anatomy": 24}
    rows = list(csv.DictReader((folder / "population.csv").read_text().splitlines()))
    assert [row["verdict"] for row in rows].count("refused") == 2
    assert (folder / "population.png").stat().st_size > 20_000  # a blank page has less


def test_json_has_the_same_numbers(doseplan: Command) -> None:
    code, out, said = doseplan("--anatomies", "4", "--separation-mm", "0,2,4", "--json", "--out", "points")
    assert code == 0
    content = json.loads(out)
    assert (content["anatomies"], content["judged"], content["refused"]) == (4, 4, [])
    assert content["range_mm"] == [0.0, 4.0]
    assert content["ranking"]["margin"] == []
    assert "not ranked: margin: expected at least 20 anatomies with a verdict to rank by, got 4" in said
    assert "95 % intervals" in content["uncertainty"]


def test_no_margin_in_any_anatomy_is_exit_3(doseplan: Command, rooms) -> None:
    rooms.least_gye = 20.0
    code, out, said = doseplan("--anatomies", "2", "--separation-mm", "0:2:1", "--json", "--out", "points")
    assert code == 3
    assert "no separation up to 2 mm meets all goals in any anatomy" in said
    assert json.loads(out)["margins"]["nominal"]["none_in_range"]["share"] == 1.0


def test_a_stop_says_what_is_kept(doseplan: Command, rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    from doseplan.study import pipeline

    real = pipeline.optimise

    def stopped(*stages, **options):
        if len(rooms.planned) == 6:
            raise KeyboardInterrupt
        return real(*stages, **options)

    monkeypatch.setattr(pipeline, "optimise", stopped)
    code, _, said = doseplan("--anatomies", "8", "--out", "points")
    assert code == 130
    assert "kept in points: 1 finished and points of the next; the same command goes on from there" in said


def test_a_table_with_a_mistake_is_one_line_and_nothing_is_written(doseplan: Command, tmp_path: Path) -> None:
    (tmp_path / "rings.toml").write_text(RING.replace("uniform", "unifrm"), encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    code, out, said = doseplan("--anatomies", "8")
    assert (code, out) == (2, "")
    assert said == (
        "rings.toml: number[0].unifrm: expected a known key, got 'unifrm'; did you mean 'uniform'?\n"
    )
    assert sorted(tmp_path.iterdir()) == before
