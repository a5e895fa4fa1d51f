"""A run folder gives back the tree that was written, and refuses everything else in one line."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.exchange import (
    check_folder,
    open_run,
    read_arm,
    read_run,
    run_digest,
    write_arm,
    write_run,
    write_text,
)
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
        "like_json": "[1, 2]",
        "like_a_word": "true",
        "nothing": None,
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
            "schema_version": schema.VERSION,
            "versions": {"doseplan": "0"},
            "assumptions": ["a", "b"],
        }
    )
    root.attrs["digest"] = run_digest(root.attrs)
    stages = {"anatomy": anatomy, "samples": samples, "spots": spots, "dose": dose}
    arms = {f"/{arm}/{name}": data for arm in ("none", "separated") for name, data in stages.items()}
    return xr.DataTree.from_dict({"/": root, **arms})


def test_reopened_run_is_the_same_tree(tmp_path: Path) -> None:
    tree = make_tree()
    write_run(tree, tmp_path / "run")
    again = read_run(tmp_path / "run")
    assert dict(again.attrs) == dict(tree.attrs)
    assert again["none/anatomy"].attrs["like_json"] == "[1, 2]"
    assert again["none/anatomy"].attrs["like_a_word"] == "true"
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
    tree.attrs["case_toml"] = "name = 'y'\n"
    tree.attrs["digest"] = run_digest(tree.attrs)
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
    with pytest.raises(
        InputError, match=r"samples\.nc: expected a netCDF file of doseplan, got a damaged file"
    ):
        read_run(tmp_path / "run")


def test_older_layout_is_named(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 0}))
    with pytest.raises(InputError, match=f"expected schema_version {schema.VERSION}, got 0"):
        read_run(tmp_path / "run")


def test_broken_run_file_is_named(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(InputError, match="expected a readable run, got a damaged one"):
        read_run(tmp_path / "run")


def test_flipped_byte_in_the_middle_of_the_data_is_noticed(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    path = tmp_path / "run" / "none" / "dose.nc"
    content = bytearray(path.read_bytes())
    with h5py.File(path) as opened:
        chunk = opened["dose"].id.get_chunk_info(0)
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(
        InputError, match=r"dose\.nc: expected a netCDF file of doseplan, got a damaged file"
    ) as said:
        read_run(tmp_path / "run")
    assert len(said.value.lines) == 1
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", ["case.toml", "anatomy.toml"])
def test_edited_case_is_not_taken_for_the_one_that_was_planned(tmp_path: Path, name: str) -> None:
    write_run(make_tree(), tmp_path / "run")
    path = tmp_path / "run" / name
    path.write_text(path.read_text() + "# a second thought\n")
    with pytest.raises(
        InputError, match=r"expected case\.toml and anatomy\.toml as they were .* got edited ones"
    ):
        read_run(tmp_path / "run")


def test_run_file_without_a_digest_is_named(tmp_path: Path) -> None:
    write_run(make_tree(), tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    stated = json.loads(path.read_text())
    del stated["digest"]
    path.write_text(json.dumps(stated))
    with pytest.raises(InputError, match="expected the run's description, got one without 'digest'"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_line_endings_of_the_case_are_kept(tmp_path: Path, ending: str) -> None:
    tree = make_tree()
    tree.attrs["case_toml"] = f"name = 'x'{ending}# end{ending}"
    tree.attrs["digest"] = run_digest(tree.attrs)
    write_run(tree, tmp_path / "run")
    assert read_run(tmp_path / "run").attrs["case_toml"] == tree.attrs["case_toml"]


def test_digest_changes_with_everything_it_stands_for() -> None:
    attributes = dict(make_tree().attrs)
    changes = [
        {"case": "other"},
        {"case_toml": "#"},
        {"anatomy_toml": "#"},
        {"schema_version": 0},
        {"versions": {"doseplan": "1"}},
    ]
    digests = {run_digest({**attributes, **change}) for change in [{}, *changes]}
    assert len(digests) == 1 + len(changes)
    assert run_digest({**attributes, "assumptions": []}) == run_digest(attributes)


def test_folder_is_judged_without_writing(tmp_path: Path) -> None:
    attributes = dict(make_tree().attrs)
    assert not check_folder(tmp_path / "a" / "b", attributes)
    assert list(tmp_path.iterdir()) == []
    write_run(make_tree(), tmp_path / "run")
    assert check_folder(tmp_path / "run", attributes)


def test_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"expected a folder to write the run to, got a file at .*file"):
        check_folder(tmp_path / "file" / "run", dict(make_tree().attrs))


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"report\.md: expected a place that can be written, got 'No such file"
    ):
        write_text(tmp_path / "nowhere" / "report.md", "text")
