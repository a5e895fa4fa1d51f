"""The command bench: one quick row, told from stored ratios; bad input refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from doseplan.cli import main
from doseplan.cli.bench import benchmark_file, benchmark_module

judge = benchmark_module("judge")
contest = benchmark_module("contest")


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["doseplan", *words])
    # the command chooses a cache of its own for the whole process; here it must not outlive the test
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    with pytest.raises(SystemExit) as done:
        main()
    said = capsys.readouterr()
    return int(done.value.code or 0), said.out, said.err


def stored(tmp_path: Path, ratio: float) -> Path:
    path = tmp_path / "stored.json"
    ratios = {"naive / kernel, small size": {"value": ratio, "tolerance": 0.2}}
    path.write_text(json.dumps({"rows": {"contours": {"ratios": ratios, "peak_mib": 1e3}}}))
    return path


def test_one_row_is_timed_and_written(capsys, monkeypatch, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    words = ("bench", "contours", "--seconds", "0", "--out", str(out), "--json")
    code, text, _ = run(capsys, monkeypatch, *words, "--against", str(stored(tmp_path, 1e-3)))
    found = json.loads(text)
    assert code == 0
    assert found == json.loads(out.read_text())
    row = found["rows"]["contours"]
    # a compiled loop against Python: three powers of ten, and one to spare
    assert row["ratios"]["naive / kernel, small size"] > 10.0
    assert row["growth"]["planes"]["pieces"] == sorted(row["growth"]["planes"]["pieces"])
    assert 0.0 < row["ns_per_piece"]["kernel, 1 thread"] < 1e3


def test_a_worse_ratio_is_exit_4(capsys, monkeypatch, tmp_path: Path) -> None:
    words = ("bench", "contours", "--seconds", "0", "--against", str(stored(tmp_path, 1e9)))
    code, text, said = run(capsys, monkeypatch, *words)
    assert code == 4
    assert "contours" in text
    assert "contours: expected naive / kernel, small size of at least 8e+08, got" in said


def test_unknown_work_is_refused(capsys, monkeypatch) -> None:
    code, _, said = run(capsys, monkeypatch, "bench", "nothing")
    assert code == 2
    assert "WORK: expected names among tracing, rays" in said
    assert "got nothing" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected stored ratios, got"),
        ("{", "expected JSON"),
        ("[]", "expected stored ratios with `rows`"),
    ],
)
def test_bad_stored_ratios_are_refused(
    capsys, monkeypatch, tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    code, _, said = run(capsys, monkeypatch, "bench", "contours", "--against", str(path))
    assert code == 2
    assert message in said


def record(**changes: Any) -> dict[str, Any]:
    row = {
        "ratios": {"scipy / kernel, 1 thread": 4.0, "2 threads for 1": 1.9},
        "peak_mib": 10.0,
        "growth": {"samples": {"exponent": 1.05}},
    }
    return {"busy": False, "threads": [1, 2], "commit": "", "rows": {"product": {**row, **changes}}}


def test_the_same_run_is_no_regression() -> None:
    assert judge.regressions(record(), judge.baseline_of([record()] * 3)) == []


def test_what_is_worse_is_named() -> None:
    baseline = judge.baseline_of([record()] * 3)
    slower = record(ratios={"scipy / kernel, 1 thread": 2.5, "2 threads for 1": 1.9})
    assert judge.regressions(slower, baseline) == [
        "product: expected scipy / kernel, 1 thread of at least 3, got 2.5"
    ]
    square = record(growth={"samples": {"exponent": 1.9}})
    assert "expected growth below samples^1.5, got ^1.90" in judge.regressions(square, baseline)[0]
    assert "expected at most 12.0 MiB, got 40.0 MiB" in judge.regressions(record(peak_mib=40.0), baseline)[0]
    assert (
        "expected the ratio '2 threads for 1', got none"
        in judge.regressions(record(ratios={"scipy / kernel, 1 thread": 4.0}), baseline)[0]
    )


def test_two_threads_are_not_held_against_a_busy_machine() -> None:
    one = {**record(ratios={"scipy / kernel, 1 thread": 4.0, "2 threads for 1": 1.0}), "busy": True}
    assert judge.regressions(one, judge.baseline_of([record()] * 3)) == []


def test_a_machine_of_one_core_is_not_asked_for_two_threads() -> None:
    one = {**record(ratios={"scipy / kernel, 1 thread": 4.0}), "threads": [1]}
    assert judge.regressions(one, judge.baseline_of([record()] * 3)) == []
    slower = {**record(ratios={"scipy / kernel, 1 thread": 1.0}), "threads": [1]}
    assert len(judge.regressions(slower, judge.baseline_of([record()] * 3))) == 1


def test_a_busy_run_stores_nothing_of_two_threads() -> None:
    runs = [{**record(), "busy": True} for _ in range(3)]
    assert set(judge.baseline_of(runs)["rows"]["product"]["ratios"]) == {"scipy / kernel, 1 thread"}


def test_tolerance_follows_the_noise() -> None:
    runs = [record(ratios={"a": value}) for value in (3.0, 4.0, 4.4)]
    entry = judge.baseline_of(runs)["rows"]["product"]["ratios"]["a"]
    assert entry["value"] == 4.0
    assert entry["tolerance"] == pytest.approx(1.5 * 1.4 / 4.0)


def test_stored_ratios_are_of_rows_that_exist() -> None:
    rows = benchmark_module("comparisons").COMPARISONS
    baseline = json.loads(benchmark_file("baseline.json").read_text())
    assert set(baseline["rows"]) <= set(rows)


def spells(names: str) -> tuple[list[str], Any]:
    """Let ways that only say their names take turns in all spells, without time."""
    called: list[str] = []
    found = contest.Contest({name: lambda name=name: called.append(name) for name in names}, 0.0)
    for _ in range(contest.SPELLS):
        found.spell()
    return called, found.turns


def test_a_long_way_is_not_warmed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "LONG_S", 0.0)
    called, turns = spells("ab")
    # the first turns count: the first spell asks for no more
    assert called[:2] == ["a", "b"]
    assert sorted(called) == ["a"] * 3 + ["b"] * 3
    assert all(len(found.cpu) == contest.LEAST_TURNS for found in turns.values())


def test_ways_have_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(contest.time, "perf_counter", lambda: clock[0])

    def takes(seconds: float) -> Any:
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    found = contest.Contest({"slow": takes(0.375), "quick": takes(0.125)}, 6.0)
    for _ in range(contest.SPELLS):
        found.spell()
    assert {name: len(turns.wall) for name, turns in found.turns.items()} == {"slow": 8, "quick": 24}
    assert found.turns["quick"].wall == pytest.approx([0.125] * 24)


def test_the_quickest_turn_of_all_spells_counts() -> None:
    found = contest.Contest({"a": lambda: None}, 0.0)
    found.turns["a"] = contest.Turns(cpu=[8.0, 6.0, 9.0], wall=[7.0, 6.5, 5.0])
    # on one thread the processor's time, if it is not that of threads which wait; on two the clock
    assert (found.quickest("a"), found.quickest("a", 2)) == (5.0, 5.0)
    found.turns["a"] = contest.Turns(cpu=[4.0, 6.0, 9.0], wall=[7.0, 6.5, 5.0])
    assert (found.quickest("a"), found.quickest("a", 2)) == (4.0, 5.0)
