"""The flow of three arms with made-up stages: order, what is kept, what is taken again, what is refused."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.case import Case, bundled_cases, load_case
from doseplan.exchange import read_run, write_run
from doseplan.messages import InputError
from doseplan.study import pipeline, plan_case, run_attributes

ARMS = ("none", "decompressed", "separated")


class Rooms:
    """Made-up rooms that note what they are asked for."""

    def __init__(self) -> None:
        self.built: list[tuple[str, float | None]] = []
        self.planned: list[str] = []
        self.stop_at: str | None = None
        self.no_tumour_at: str | None = None

    def build_phantom(self, case: Case, *, separation_mm: float | None, arm: str) -> xr.Dataset:
        if arm == self.no_tumour_at:
            raise InputError("made up: expected tumour to be left, got none")
        self.built.append((arm, separation_mm))
        axes = {name: schema.variable(name, np.arange(3.0)) for name in "zyx"}
        rsp = schema.variable("rsp", np.full((3, 3, 3), len(self.built)))
        return xr.Dataset({"rsp": rsp}, coords=axes, attrs={"arm": arm, "assumptions": ["of phantoms"]})

    def beam_library(self, *, progress: object) -> xr.Dataset:
        return xr.Dataset(attrs={"assumptions": ["of beams", "of phantoms"]})

    def optimise(
        self,
        *stages: xr.Dataset,
        rays: str,
        errors: list[str],
        progress: object,
    ) -> xr.Dataset:
        arm = stages[1].attrs["arm"]
        assert errors == []
        assert rays == f"rays of {arm}"
        if arm == self.stop_at:
            raise KeyboardInterrupt
        self.planned.append(arm)
        weight = schema.variable("weight", [1.0])
        return xr.Dataset({"weight": weight}, attrs={"assumptions": [f"of planning {arm}"]})

    def trace_spots(self, phantom: xr.Dataset, *_: xr.Dataset, before: tuple[xr.Dataset, str] | None) -> str:
        # the phantom before, if any, comes with its own rays
        assert before is None or before[1] == f"rays of {before[0].attrs['arm']}"
        return f"rays of {phantom.attrs['arm']}"

    def grid_dose(
        self, case: Case, phantom: xr.Dataset, *_: xr.Dataset, rays: str, progress: object
    ) -> xr.Dataset:
        return xr.Dataset({"dose": schema.variable("dose", phantom["rsp"].values)}, coords=phantom.coords)


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    made_up = Rooms()
    points = xr.Dataset({"planned": schema.variable("planned", [True, False])})
    dose = xr.Dataset({"sample_dose": schema.variable("sample_dose", [1.0, 2.0])})
    replaced: dict[str, Callable[..., Any]] = {
        "build_phantom": made_up.build_phantom,
        "beam_library": made_up.beam_library,
        "place_samples": lambda phantom, case: points,
        "place_fields": lambda case, phantom: xr.Dataset(),
        "place_spots": lambda *_: xr.Dataset(),
        "optimise": made_up.optimise,
        "trace_spots": made_up.trace_spots,
        "sample_dose": lambda *_, rays: dose,
        "grid_dose": made_up.grid_dose,
    }
    for name, room in replaced.items():
        monkeypatch.setattr(pipeline, name, room)
    return made_up


@pytest.fixture(scope="module")
def case() -> Case:
    return load_case(bundled_cases()["t11_t12_mpnst"])


def test_three_arms_are_planned_on_the_same_spots(rooms: Rooms, case: Case) -> None:
    tree = plan_case(case)
    assert rooms.built == [("none", None), ("decompressed", 0.0), ("separated", case.surgery.separation_mm)]
    assert rooms.planned == ["none", "decompressed", "separated"]
    assert list(tree.children) == list(ARMS)
    for arm in ARMS:
        assert list(tree[arm].children) == ["anatomy", "samples", "spots", "dose"]
        assert set(tree[f"{arm}/samples"].data_vars) == {"planned", "sample_dose"}


def test_assumptions_are_collected_once_in_order(rooms: Rooms, case: Case) -> None:
    said = plan_case(case).attrs["assumptions"]
    assert len(said) == len(set(said))
    mine = [line for line in said if line.startswith("of ")]
    assert mine == ["of beams", "of phantoms", *(f"of planning {arm}" for arm in ARMS)]
    assert said[: len(case.assumptions)] == list(case.assumptions)


def test_run_on_disk_is_the_tree_in_memory(rooms: Rooms, case: Case, tmp_path: Path) -> None:
    tree = plan_case(case, out=tmp_path / "run")
    again = read_run(tmp_path / "run")
    assert dict(again.attrs) == dict(tree.attrs)
    for node in tree.subtree:
        if node.path != "/":
            xr.testing.assert_identical(node.to_dataset(), again[node.path].to_dataset())


def test_finished_arms_are_not_planned_again(rooms: Rooms, case: Case, tmp_path: Path) -> None:
    whole = plan_case(case, out=tmp_path / "whole")
    rooms.built.clear()
    rooms.planned.clear()
    rooms.stop_at = "separated"
    with pytest.raises(KeyboardInterrupt):
        plan_case(case, out=tmp_path / "run")
    stopped = read_run(tmp_path / "run")
    assert list(stopped.children) == ["none", "decompressed"]
    assert "of planning decompressed" in stopped.attrs["assumptions"]
    rooms.stop_at = None
    rooms.built.clear()
    tree = plan_case(case, out=tmp_path / "run")
    assert [arm for arm, _ in rooms.built] == ["separated"]
    # each arm was planned once
    assert rooms.planned == ["none", "decompressed", "separated"]
    assert dict(tree.attrs) == dict(whole.attrs)
    for arm in ARMS:
        names = (f"{arm}/spots.nc", f"{arm}/samples.nc")
        assert [(tmp_path / "run" / name).read_bytes() for name in names] == [
            (tmp_path / "whole" / name).read_bytes() for name in names
        ]


@pytest.mark.parametrize("stage", ["anatomy", "samples", "spots", "dose"])
@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[:300], lambda whole: b"\0" + whole[1:]]
)
def test_a_damaged_arm_is_set_aside_and_planned_again(
    rooms: Rooms, case: Case, tmp_path: Path, stage: str, damage: Callable[[bytes], bytes]
) -> None:
    tree = plan_case(case, out=tmp_path / "run")
    path = tmp_path / "run" / "decompressed" / f"{stage}.nc"
    wrong = damage(path.read_bytes())
    path.write_bytes(wrong)
    rooms.planned.clear()
    with pytest.warns(
        UserWarning, match=rf"{stage}\.nc: expected .* kept as {stage}\.nc\.damaged, and the arm"
    ):
        again = plan_case(case, out=tmp_path / "run")
    assert rooms.planned == ["decompressed"]
    assert path.with_name(f"{stage}.nc.damaged").read_bytes() == wrong
    for found in (again, read_run(tmp_path / "run")):
        for arm in ARMS:
            weight = found[arm]["spots"]["weight"]
            assert weight.identical(tree[arm]["spots"]["weight"])


def test_whole_run_can_be_written_elsewhere(rooms: Rooms, case: Case, tmp_path: Path) -> None:
    tree = plan_case(case)
    write_run(tree, tmp_path / "copy")
    assert dict(read_run(tmp_path / "copy").attrs) == dict(tree.attrs)
    plan_case(case, out=tmp_path / "copy")
    assert len(rooms.planned) == len(ARMS)


def test_impossible_last_arm_is_refused_before_any_planning(rooms: Rooms, case: Case, tmp_path: Path) -> None:
    rooms.no_tumour_at = "separated"
    with pytest.raises(InputError, match="expected tumour to be left"):
        plan_case(case, out=tmp_path / "run")
    assert rooms.planned == []
    assert list(tmp_path.iterdir()) == []


def test_folder_in_use_is_refused_before_any_work(rooms: Rooms, case: Case, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="expected an empty folder or a run"):
        plan_case(case, out=tmp_path)
    assert rooms.built == []


def test_run_of_another_case_is_refused(rooms: Rooms, case: Case, tmp_path: Path) -> None:
    plan_case(case, out=tmp_path / "run")
    other = replace(case, case_toml=case.case_toml + "# other\n")
    rooms.built.clear()
    with pytest.raises(InputError, match=r"expected this run .* got another one"):
        plan_case(other, out=tmp_path / "run")
    assert rooms.built == []


def test_digest_depends_on_case_and_version_only(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = run_attributes(case)["digest"]
    assert run_attributes(load_case(bundled_cases()["t11_t12_mpnst"]))["digest"] == digest
    assert run_attributes(replace(case, anatomy_toml=case.anatomy_toml + "#"))["digest"] != digest
    monkeypatch.setattr(pipeline, "version", lambda name: "another")
    assert run_attributes(case)["digest"] != digest
    monkeypatch.setattr(pipeline, "version", lambda name: "another" if name == "numpy" else version(name))
    assert run_attributes(case)["versions"]["numpy"] == "another"
    assert run_attributes(case)["digest"] == digest


def test_progress_names_every_arm_and_never_runs_past_the_end(
    rooms: Rooms, case: Case, tmp_path: Path
) -> None:
    said: list[tuple[str, float]] = []
    plan_case(case, out=tmp_path / "run", progress=lambda message, done: said.append((message, done)))
    for arm in ARMS:
        assert (f"{arm}: writing", 1.0) in said
    assert all(0.0 <= done <= 1.0 for _, done in said)
