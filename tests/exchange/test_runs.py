"""A run folder gives back the tree that was written, and refuses everything else in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.exchange import open_run, read_arm, read_run, write_arm, write_run
from doseplan.messages import InputError


def make_tree() -> xr.DataTree:
    rng = np.random.default_rng(1)
    shape = (12, 11, 10)
    voxels = {name: schema.variable(name, rng.random(shape)) for name in ("rsp", "hu", "cord")}
    voxels["tissue"] = schema.variable("tissue", rng.integers(0, 5, shape), flag_meanings="a b c d e")
    axes = {name: schema.variable(name, np.arange(n) * 1.5) for name, n in zip("zyx", shape, strict=True)}
    attributes = {
        "arm": "none",
        "separation_mm": float("nan"),
        "assumptions": ["one", "two: ä"],
        "whole": True,
    }
    anatomy = xr.Dataset(voxels, coords=axes, attrs=attributes)
    samples = xr.Dataset(
        {
            "sample_position": schema.variable("sample_position", rng.random((1500, 3))),
            "dura_facing": schema.variable("dura_facing", rng.random(1500) > 0.5),
            "sample_dose_rbe": schema.variable(
                "sample_dose_rbe", rng.random(1500), rbe_model="m", scale="NIRS", fractions=16
            ),
        },
        coords={"axis": ["x", "y", "z"]},
    )
    spots = xr.Dataset(
        {"weight": schema.variable("weight", rng.random(5))}, attrs={"products": 3, "scale_down": 0.99}
    )
    dose = xr.Dataset({"dose": schema.variable("dose", rng.random(shape))}, coords=axes)
    root = xr.Dataset(
        attrs={
            "case": "made_up",
            "case_toml": "name = 'x'\n",
            "anatomy_toml": "# anatomy\n",
            "digest": "0123456789abcdef",
            "schema_version": schema.VERSION,
            "versions": {"doseplan": "0"},
            "assumptions": ["a", "b"],
        }
    )
    stages = {"anatomy": anatomy, "samples": samples, "spots": spots, "dose": dose}
    arms = {f"/{arm}/{name}": data for arm in ("none", "separated") for name, data in stages.items()}
    return xr.DataTree.from_dict({"/": root, **arms})


def test_reopened_run_is_the_same_tree(tmp_path: Path) -> None:
    tree = make_tree()
    write_run(tree, tmp_path / "run")
    again = read_run(tmp_path / "run")
    assert dict(again.attrs) == dict(tree.attrs)
    for arm in ("none", "separated"):
        for stage in ("anatomy", "samples", "spots", "dose"):
            before, after = tree[f"{arm}/{stage}"].to_dataset(), again[f"{arm}/{stage}"].to_dataset()
            xr.testing.assert_identical(before, after)
            assert {n: v.dtype for n, v in before.variables.items()} == {
                n: v.dtype for n, v in after.variables.items()
            }


def test_texts_of_the_case_are_kept_as_written(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    assert (tmp_path / "run" / "case.toml").read_text() == "name = 'x'\n"
    assert (tmp_path / "run" / "anatomy.toml").read_text() == "# anatomy\n"


def test_arm_counts_only_when_all_its_files_are_there(tmp_path: Path) -> None:
    tree = make_tree()
    open_run(tmp_path, dict(tree.attrs))
    stages = {name: node.to_dataset() for name, node in tree["none"].children.items()}
    write_arm(tmp_path, "none", {name: data for name, data in stages.items() if name != "dose"})
    assert read_arm(tmp_path, "none") is None
    write_arm(tmp_path, "none", stages)
    found = read_arm(tmp_path, "none")
    assert found is not None
    assert sorted(found) == sorted(stages)


def test_no_part_files_are_left(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    assert [path for path in (tmp_path / "run").rglob("*") if path.suffix == ".part"] == []


def test_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="expected an empty folder or a run"):
        write_run(make_tree(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_run_is_not_overwritten(tmp_path: Path) -> None:
    tree = make_tree()
    write_run(tree, tmp_path / "run")
    tree.attrs["digest"] = "f" * 16
    with pytest.raises(InputError, match=r"expected this run .*got another one"):
        write_run(tree, tmp_path / "run")


def test_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(InputError, match="got a file"):
        write_run(make_tree(), tmp_path / "run")


def test_missing_run_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a run folder with run\.json, got none"):
        read_run(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 2000])
def test_cut_off_file_is_named(tmp_path: Path, keep: int) -> None:
    write_run(make_tree(), tmp_path / "run")
    path = tmp_path / "run" / "none" / "samples.nc"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"samples\.nc: expected a netCDF file of a run, got a damaged file"):
        read_run(tmp_path / "run")


def test_older_layout_is_named(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 0}))
    with pytest.raises(InputError, match="expected schema_version 1, got 0"):
        read_run(tmp_path / "run")


def test_broken_run_file_is_named(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(InputError, match="expected a readable run, got a damaged one"):
        read_run(tmp_path / "run")
