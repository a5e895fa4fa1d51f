"""What docs/benchmarks.md stands on: the stored results, and our half of the comparison with pyRadPlan."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import update_benchmarks as page

from doseplan.cli.bench import benchmark_module

ROOT = Path(__file__).parent.parent
peer = benchmark_module("compare_pyradplan")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three energies with a peak; few spots in a small box."""
    for name, small in (
        ("HALF", 8),
        ("VOXEL_MM", 6.0),
        ("SPOTS_ASIDE", 1),
        ("SPACING_MM", 8.0),
        ("TURNS", 1),
    ):
        monkeypatch.setattr(peer, name, small)
    depth = np.arange(0.0, 120.0, 0.5)
    peaks = np.array([[45.0], [50.0], [55.0]])
    return {
        "energy": np.array([150.0, 160.0, 170.0]),
        "depth": depth,
        "idd": (20.0 + 80.0 * np.exp(-(((depth - peaks) / 3.0) ** 2))) / (1.0 + np.exp(depth - peaks)),
        "sigma": np.broadcast_to(0.02 * depth, (3, depth.size)),
        "air_sigma": np.full(3, 4.0),
        "alpha": np.broadcast_to(0.3 + 0.01 * depth, (3, depth.size)),
        "beta": np.full((3, depth.size), 0.05),
    }


def test_the_page_is_that_of_the_stored_results() -> None:
    paths = (page.RESULT, page.BASELINE, page.PROOFS, page.PEER)
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.page(*records)
    assert "(planning.png)" in text
    assert (page.PAGE.parent / "planning.png").is_file()


def test_the_figure_shows_every_time() -> None:
    rows = json.loads(page.RESULT.read_text(encoding="utf-8"))["rows"]
    axes = page.draw(rows).axes[0]
    low, high = axes.get_ylim()
    times = [time for row in rows.values() for growth in row["growth"].values() for time in growth["seconds"]]
    assert times
    assert all(low < time < high for time in times)


def test_stored_ratios_repeat() -> None:
    """What later runs are held against repeats within 15 % on one thread; on two others have a say."""
    rows = json.loads(page.BASELINE.read_text(encoding="utf-8"))["rows"]
    entries = {(name, ratio): entry for name, row in rows.items() for ratio, entry in row["ratios"].items()}
    one = {pair: each["spread"] for pair, each in entries.items() if "2 threads" not in pair[1]}
    assert len(one) >= 15
    assert {pair: spread for pair, spread in one.items() if spread > 0.15} == {}
    assert sum(ratio == page.SECOND for _, ratio in entries) == len(rows)


@pytest.mark.parametrize("biology", [False, True])
def test_our_gradient_is_that_of_our_objective(table: dict[str, Any], biology: bool) -> None:
    case = peer.make_case(table, biology=biology)
    found = peer.ours(case)
    assert found["gradient"].shape == (27,)
    # all weights move together: central differences, error of second order in 1e-3, and float32 curves whose
    # 6e-8 of the objective are divided by it
    step = 1e-3
    ends = [peer.ours({**case, "weight": 1.0 + move})["objective"] for move in (-step, step)]
    assert (ends[1] - ends[0]) / (2.0 * step) == pytest.approx(found["gradient"].sum(), rel=2e-4)


def test_the_case_ends_spots_where_the_engine_does(table: dict[str, Any]) -> None:
    """The radius handed to the peer holds every voxel that our influence keeps, and hardly any more."""
    case = peer.make_case(table, biology=False)
    found = peer.ours(case)
    axis = case["x"]
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    wepl = y - axis[0] + 0.5 * peer.VOXEL_MM
    for row, spot in enumerate(case["shown"]):
        layer = case["spot_layer"][spot]
        reach = np.interp(wepl, case["depth"], case["reach"][layer] ** 2)
        inside = (x**2 + z**2 <= reach).ravel()
        # interpolating the square of the radius moves its end by a fraction of a voxel
        assert np.mean(inside != (found["shown_dose"][row] > 0.0)) < 0.01
