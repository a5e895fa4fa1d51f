"""Stored proofs in the summary of a run: entered, drawn, and left aside when they are of another run."""

import json
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from doseplan import schema
from doseplan.case import bundled_cases, load_case
from doseplan.messages import InputError
from doseplan.study import add_bounds

CORD, TARGET = schema.STRUCTURES["cord"], schema.STRUCTURES["target"]


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, xr.DataTree, dict[str, Any]]:
    """A run of one arm with three samples and a proof on two of them."""
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    samples = xr.Dataset(
        {
            "sample_position": (("sample", "axis"), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]),
            "sample_structure": ("sample", [CORD, TARGET, TARGET]),
        }
    )
    root = xr.Dataset(
        attrs={"case_toml": case.case_toml, "anatomy_toml": case.anatomy_toml, "digest": "mine"}
    )
    tree = xr.DataTree.from_dict(
        {
            "/": root,
            "/none/anatomy": xr.Dataset(),
            "/none/samples": samples,
            "/none/spots": xr.Dataset(attrs={"target_minimum_gye": 53.0}),
        }
    )
    leaf = {"path": [], "target": [1.0, 3.0], "limit": [2.0], "cut": [], "tangent": [0.1]}
    record = {
        "digest": "mine",
        "witness_gye": 53.0,
        "scenarios": 1,
        "level_gye": 53.64,
        "target_samples": [1, 2],
        "target_scenarios": [0, 0],
        "limited_scenarios": [0],
        "limited_samples": [0],
        "leaves": [leaf],
    }
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "proof.json").write_text(json.dumps(record))
    return tmp_path, tree, {"arms": {"none": {}}}


def test_a_stored_proof_is_entered_and_drawn(run: tuple[Path, xr.DataTree, dict[str, Any]]) -> None:
    folder, tree, summary = run
    add_bounds(folder, tree, summary)
    bound = summary["arms"]["none"]["bound"]
    assert bound["dmin_upper_gye"] == 53.64
    # 0.64 of 64 GyE
    assert bound["gap_percent"] == pytest.approx(1.0)
    assert [each["structure"] for each in bound["held_by"]] == ["cord", "target", "target"]
    assert [each["share"] for each in bound["held_by"]] == pytest.approx([1.0, 0.75, 0.25])
    assert bound["held_by"][1]["position_mm"] == [6.0, 7.0, 8.0]
    assert bound["left_out"] == []
    assert (folder / "figures" / "proof_none.png").stat().st_size > 1000


def test_a_bound_of_finer_spots_is_no_more_than_the_maximum_of_the_target(
    run: tuple[Path, xr.DataTree, dict[str, Any]],
) -> None:
    folder, tree, summary = run
    path = folder / "none" / "proof.json"
    record = json.loads(path.read_text())
    for level_gye, said_gye in ((55.0, 55.0), (99.0, 70.4)):
        path.write_text(json.dumps({**record, "finer": {"level_gye": level_gye, "spots": 9}}))
        add_bounds(folder, tree, summary, draw=False)
        assert summary["arms"]["none"]["bound"]["finer_upper_gye"] == pytest.approx(said_gye)


def test_a_proof_of_another_run_is_left_aside(run: tuple[Path, xr.DataTree, dict[str, Any]]) -> None:
    folder, tree, summary = run
    tree.attrs["digest"] = "another"
    add_bounds(folder, tree, summary)
    assert summary == {"arms": {"none": {}}}
    assert not (folder / "figures").exists()


def test_a_broken_proof_is_one_clear_line(run: tuple[Path, xr.DataTree, dict[str, Any]]) -> None:
    folder, tree, summary = run
    path = folder / "none" / "proof.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "limited_samples": [99]}))
    with pytest.raises(InputError, match="proof: expected samples, level and leaves"):
        add_bounds(folder, tree, summary)
    path.write_text("{")
    with pytest.raises(InputError, match="expected a stored proof, got no JSON"):
        add_bounds(folder, tree, summary)
