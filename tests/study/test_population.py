"""Margins of many anatomies, on made-up rooms where an open ring needs less separation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from doseplan.case import parse_case, parse_population
from doseplan.exchange import finished_verdicts, read_dataset, write_dataset
from doseplan.messages import InputError
from doseplan.study import population_csv, population_numbers, population_rows, sample_population

RING = """
name = "rings"
[posture]
prone_percent = 50.0
source = "made up"
[[number]]
name = "ring angle"
keys = ["tumour.wrap_deg"]
uniform = [180.0, 360.0]
source = "assumed"
"""

STEPS = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.fixture
def population():
    return parse_population(RING)


@pytest.fixture
def case(rooms, made_up):
    rooms.least_gye, rooms.ring_gye = 51.0, 0.05  # 64 GyE need 57.6: from -1.6 to 4.4 mm
    return made_up.made_up_case()


def needed(wrap_deg: float, high: float = 5.0) -> float:
    """Give the least step that the made-up rooms ask for."""
    exact = (57.6 - 51.0 - 0.05 * (360.0 - wrap_deg)) / 1.5
    return math.inf if exact > high else float(max(math.ceil(exact - 1e-9), 0))


def test_every_anatomy_has_its_own_margin(case, population) -> None:
    found = sample_population(case, anatomies=20, separation_mm=STEPS, population=population)
    rings = found["ring_angle_deg"].values
    assert found["margin"].sel(errors="nominal").values.tolist() == [needed(each) for each in rings]
    assert set(found["posture"].values) == {"prone", "supine"}
    assert not found["refused"].any()
    tried = found["tried_target_minimum"].sel(separation=0.0)
    assert tried.values == pytest.approx(51.0 + 0.05 * (360.0 - rings), rel=1e-12)
    assert tried.attrs["scale"] == "NIRS"
    order = np.sort(found["margin"].values[0])
    assert float(found["margin_percentile"].sel(errors="nominal", percentile=50.0)) == order[9]
    assert float(found["margin_share"].sel(errors="nominal", separation=2.0)) == np.mean(order <= 2.0)
    share = found["rank_share"].sel(outcome="margin")
    assert str(share["driver"].values[share.values.argmax()]) == "ring angle"


def test_none_in_range_is_above_the_range_not_a_number(case, population) -> None:
    found = sample_population(case, anatomies=20, separation_mm=[0.0, 1.0, 2.0], population=population)
    margins = found["margin"].values[0]
    without = sum(needed(each, high=2.0) == math.inf for each in found["ring_angle_deg"].values)
    assert 0 < without < 20
    assert np.isinf(margins).sum() == without
    assert float(found["none_in_range"][0]) == without / 20
    numbers = population_numbers(found)
    high = numbers["margins"]["nominal"]["percentiles"][-1]
    assert (high["percent"], high["margin_mm"], high["above_range"]) == (95.0, None, True)
    assert numbers["margins"]["nominal"]["none_in_range"]["anatomies"] == without
    json.dumps(numbers, allow_nan=False)
    rows = population_rows(found)
    assert sum(row["verdict"] == "none in range" and row["margin_mm"] is None for row in rows) == without


def test_refused_anatomies_are_counted_and_named(case, rooms, population) -> None:
    rooms.refuses_ring_deg = 330.0
    found = sample_population(case, anatomies=20, separation_mm=STEPS, population=population)
    refused = found["ring_angle_deg"].values >= 330.0
    assert 0 < refused.sum() < 20
    assert found["refused"].values.tolist() == refused.tolist()
    assert np.isnan(found["margin"].values[0]).tolist() == refused.tolist()
    numbers = population_numbers(found)
    assert (numbers["anatomies"], numbers["judged"]) == (20, 20 - refused.sum())
    first = numbers["refused"][0]
    angle = found["ring_angle_deg"].sel(anatomy=first["anatomy"]).item()
    assert f"expected an open ring, got {angle:g} deg" in first["why"]
    of_the_reader = RING.replace("360.0", "400.0")
    found = sample_population(
        case, anatomies=20, separation_mm=STEPS, population=parse_population(of_the_reader)
    )
    whys = [each["why"] for each in population_numbers(found)["refused"]]
    assert any("expected wrap_deg <= 360" in why for why in whys)
    assert any("expected an open ring" in why for why in whys)


def test_errors_ask_for_more(made_up, rooms, population) -> None:
    rooms.least_gye, rooms.ring_gye, rooms.robust_mm = 51.0, 0.05, 4.0
    case = parse_case(made_up.CASE + "robustness = { setup_mm = 2.0 }\n", None, where="made_up.toml")
    found = sample_population(case, anatomies=8, separation_mm=STEPS, population=population)
    assert found["errors"].values.tolist() == ["nominal", "robust"]
    rings = found["ring_angle_deg"].values
    assert found["margin"].sel(errors="robust").values.tolist() == [max(needed(each), 4.0) for each in rings]
    assert found.attrs["not_ranked"][0].startswith("margin: expected at least 20 anatomies")
    assert np.isnan(found["rank_share"].values).all()


def test_finished_anatomies_are_taken_and_more_go_on_from_them(case, rooms, population, tmp_path) -> None:
    stated = {"separation_mm": STEPS, "population": population, "out": tmp_path / "out"}
    first = sample_population(case, anatomies=6, **stated)
    rooms.planned.clear()
    assert sample_population(case, anatomies=6, **stated).identical(first)
    assert rooms.planned == []
    more = sample_population(case, anatomies=9, **stated)
    assert len(finished_verdicts(tmp_path / "out")) == 9
    assert more["margin"].values[0, :6].tolist() == first["margin"].values[0].tolist()
    assert more.identical(sample_population(case, anatomies=9, separation_mm=STEPS, population=population))


def test_a_stop_loses_nothing(case, rooms, population, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from doseplan.study import pipeline

    real = pipeline.optimise
    stated = {"separation_mm": STEPS, "population": population}

    def stopped(*stages, **options):
        if len(rooms.planned) == 11:
            raise KeyboardInterrupt
        return real(*stages, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "optimise", stopped)
        with pytest.raises(KeyboardInterrupt):
            sample_population(case, anatomies=5, out=tmp_path / "out", **stated)
    before = len(rooms.planned)
    found = sample_population(case, anatomies=5, out=tmp_path / "out", **stated)
    again = len(rooms.planned) - before
    rooms.planned.clear()
    assert found.identical(sample_population(case, anatomies=5, **stated))
    assert len(rooms.planned) == before + again  # no plan was made twice


def test_a_full_disk_is_no_refused_anatomy(
    case, population, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from doseplan.study import points

    def full(folder: Path, name: str, **content: object) -> None:
        raise InputError(f"{folder / name}: expected a place that can be written, got 'No space left'")

    monkeypatch.setattr(points, "write_point", full)
    with pytest.raises(InputError, match="expected a place that can be written"):
        sample_population(case, anatomies=3, separation_mm=STEPS, population=population, out=tmp_path / "out")
    assert finished_verdicts(tmp_path / "out") == []


def test_the_dataset_comes_back_from_its_file(case, population, tmp_path) -> None:
    found = sample_population(case, anatomies=8, separation_mm=[0.0, 1.0], population=population)
    write_dataset(found, tmp_path / "population.nc")
    again = read_dataset(tmp_path / "population.nc", remedy="")
    for name in found.variables:
        assert np.array_equal(again[name].values, found[name].values) or np.allclose(
            again[name].values, found[name].values, rtol=0.0, atol=0.0, equal_nan=True
        ), name
    assert list(again.attrs["assumptions"]) == found.attrs["assumptions"]
    text = population_csv(found).splitlines()
    assert len(text) == 9
    assert text[0].startswith("anatomy,posture,ring_angle_deg,margin_mm,verdict,margin_impossible_mm,")


def test_proofs_are_made_below_each_margin(case, rooms, population) -> None:
    rooms.gap_gye = 0.1
    found = sample_population(case, anatomies=4, separation_mm=STEPS, population=population, prove=True)
    assert len(rooms.proven) > 0
    for margin, impossible in zip(found["margin"].values[0], found["margin_impossible"].values, strict=True):
        assert np.isnan(impossible) if margin == 0.0 else impossible <= margin - 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"anatomies": 0}, "anatomies: expected 1 <= anatomies"),
        ({"seed": -1}, "seed: expected seed >= 0, got -1"),
        ({"separation_mm": [2.0]}, "separation_mm: expected at least two separations"),
        ({"separation_mm": [0.0, 1.0, 3.0]}, "expected rising separations in even steps, got 0, 1, 3"),
        ({"separation_mm": [3.0, 1.0]}, "expected 0 <= low < high <= 30, got 3 to 1"),
        (
            {"population": parse_population(RING.replace("wrap_deg", "wrap"))},
            "tumour.wrap: expected a known key, got 'wrap'",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(case, rooms, tmp_path, changed: dict, message: str) -> None:
    stated = {"anatomies": 4, "separation_mm": STEPS, "out": tmp_path / "out"}
    with pytest.raises(InputError) as error:
        sample_population(case, **(stated | changed))
    assert message in str(error.value)
    assert len(error.value.lines) <= 2
    assert not (tmp_path / "out").exists()
    assert rooms.planned == []


def test_another_seed_or_table_needs_another_folder(case, population, tmp_path) -> None:
    stated = {"anatomies": 2, "separation_mm": STEPS, "out": tmp_path / "out"}
    sample_population(case, population=population, **stated)
    with pytest.raises(InputError, match=r"expected this population .*, got another one"):
        sample_population(case, population=population, seed=2, **stated)
    with pytest.raises(InputError, match=r"expected this population .*, got another one"):
        sample_population(case, **stated)


def test_a_case_without_any_plan_says_why(case, rooms, population, tmp_path) -> None:
    rooms.refuses_ring_deg = 0.0
    with pytest.raises(InputError) as error:
        sample_population(case, anatomies=9, separation_mm=STEPS, population=population, out=tmp_path / "out")
    *some, last = error.value.lines
    assert len(some) == 3
    assert all("expected an open ring" in line for line in some)
    assert last == "made up: expected an anatomy that can be planned, got 9 that are refused as above"
