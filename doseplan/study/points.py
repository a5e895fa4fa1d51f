"""Points of a study: plans of one case with other numbers, each on disk as soon as it is finished.

Spots are those of a run of the case with the point's numbers, so a point depends on case and point only, not
on what was planned before it, and the point at the case's own numbers is the arm `separated` of its run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan import schema
from doseplan.anatomy import build_phantom
from doseplan.case import Case, as_read, varied
from doseplan.case.vary import plain_number
from doseplan.dose import beam_library, grid_dose, place_fields, place_spots, sample_dose
from doseplan.evaluation import judge_arm
from doseplan.exchange import (
    STUDY_FILE,
    check_folder,
    open_run,
    read_point,
    read_point_proof,
    read_point_spots,
    run_digest,
    write_arm,
    write_point,
    write_point_proof,
)
from doseplan.exchange.runs import STAGES
from doseplan.exchange.studies import POINTS
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import prove
from doseplan.planning.seen import planned_errors
from doseplan.planning.stored import proof_record
from doseplan.study.pipeline import Scene, plan_scene, run_attributes, set_scene
from doseplan.study.proof import bound_entry

Record = dict[str, Any]

SEPARATION, TOTAL = "surgery.separation_mm", "prescription.total_gy_rbe"

SAME_VOXELS = ("prescription", "constraint", "goal", "clinical", "prv_margin_mm")
"""Keys of a case that change neither voxels nor spots: points that differ in them share all of both."""

PLAN_NUMBERS = (
    "limits_met",
    "target_minimum_gye",
    "cord_maximum_gye",
    "tolerance_gye",
    "scale_down",
    "products",
)
"""What the planner says about its plan, kept in the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One plan of a study.

    Attributes
    ----------
    case
        With the point's numbers.
    values
        The numbers, by dotted key.
    separation_mm
        None without surgery.
    digest
        Of base case, version and point.
    """

    case: Case
    values: dict[str, float]
    separation_mm: float | None
    digest: str

    @property
    def name(self) -> str:
        """Name of the point's folder."""
        cut = "none" if self.separation_mm is None else f"{self.separation_mm:g}_mm"
        return f"{cut}_{self.case.prescription.total_gy_rbe:g}_gye_{self.digest[:8]}"

    @property
    def voxels(self) -> str:
        """Text of the numbers that change voxels or spots, besides the separation."""
        return json.dumps(own_voxels(self))

    @property
    def said(self) -> str:
        """What people call it."""
        cut = "no surgery" if self.separation_mm is None else f"{self.separation_mm:g} mm"
        others = [f"{key} {value:g}" for key, value in self.values.items() if key not in (SEPARATION, TOTAL)]
        return " and ".join([f"{cut} at {self.case.prescription.total_gy_rbe:g} GyE", *others])


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A base case, the folder of its finished points, and what the last point leaves for the next.

    Attributes
    ----------
    attributes
        Those of a run of the base case.
    scenes
        At most one, by its voxels and separation.
    spots
        At most one set, by its voxels.
    libraries
        The beam library, once it is needed.
    """

    base: Case
    folder: Path
    attributes: dict[str, object]
    scenes: dict[str, Scene] = field(default_factory=dict)
    spots: dict[str, xr.Dataset] = field(default_factory=dict)
    libraries: list[xr.Dataset] = field(default_factory=list)


def begin_study(base: Case, folder: Path) -> Study:
    """Look at a folder that points are to be kept in; nothing is written yet.

    Raises
    ------
    InputError
        The folder is in use, or the case was changed after it was read.
    """
    if not as_read(base):
        raise InputError(
            f"{base.name}: expected a case as its file says, as points are told apart by the text, got one "
            "that was changed after it was read"
        )
    attributes = run_attributes(base)
    check_folder(folder, attributes, file=STUDY_FILE)
    return Study(base=base, folder=folder, attributes=attributes)


def make_point(base: Case, separation_mm: float | None, values: Mapping[str, float]) -> Point:
    """Make a point from its numbers.

    Parameters
    ----------
    separation_mm
        None without surgery.
    values
        Numbers of the case, by dotted key, besides the separation.

    Raises
    ------
    InputError
        As for a case with these numbers.
    """
    stated = {TOTAL: base.prescription.total_gy_rbe, **values}
    if separation_mm is not None:
        stated[SEPARATION] = separation_mm
    stated = {key: plain_number(value) for key, value in sorted(stated.items())}
    case = varied(base, stated)
    said = (_digest(base), case.case_toml, "none" if separation_mm is None else "operated")
    digest = hashlib.sha256("\0".join(said).encode()).hexdigest()
    return Point(case=case, values=stated, separation_mm=separation_mm, digest=digest)


def is_finished(study: Study, point: Point) -> bool:
    """Tell whether the plan of a point is on disk."""
    return read_point(study.folder, point.name, digest=point.digest) is not None


def is_proven(study: Study, point: Point, programs: int) -> bool:
    """Tell whether a proof with so many programs, or more, was tried for a point."""
    stored = read_point_proof(study.folder, point.name, digest=point.digest)
    return stored is not None and stored["programs"] >= programs


def check_voxels(study: Study, point: Point) -> None:
    """Build the voxels of a point and drop them, so that surgery which makes no sense is refused early."""
    build_phantom(_voxel_case(study.base, point), separation_mm=point.separation_mm)


def planned_point(study: Study, point: Point, *, progress: Progress = silent) -> Record:
    """Plan a point, judge it and keep it; take it from the folder if it is finished.

    Returns
    -------
    dict
        `digest`, `separation_mm`, `values`, `nominal` (an arm of `summary.json`), `robust` (its part on error
        scenarios, None without any), `plan`.
    """
    found = read_point(study.folder, point.name, digest=point.digest)
    if found is not None:
        return found
    library = _library(study, progress)
    scene = _scene(study, point, progress)
    planned, samples = plan_scene(point.case, scene, library, progress=progress)
    arm = judge_arm(point.case, scene.phantom, samples)
    record = {
        "digest": point.digest,
        "separation_mm": point.separation_mm,
        "values": point.values,
        "nominal": {name: value for name, value in arm.items() if name != "robust"},
        "robust": arm.get("robust"),
        "plan": {name: planned.attrs[name] for name in PLAN_NUMBERS},
    }
    open_run(study.folder, study.attributes, file=STUDY_FILE)
    write_point(
        study.folder, point.name, case_toml=point.case.case_toml, spots=planned, record=json_plain(record)
    )
    kept = read_point(study.folder, point.name, digest=point.digest)
    assert kept is not None, "it was just written"
    return kept


def proven_point(study: Study, point: Point, *, programs: int, progress: Progress = silent) -> Record:
    """Plan a point and prove what no plan can beat there; a proof that fails says why.

    Returns
    -------
    dict
        As `planned_point`, with `bound` as in `add_bounds`, or None with a `bound_reason`.
    """
    record = planned_point(study, point, progress=progress)
    if not is_proven(study, point, programs):
        _prove(study, point, programs, progress)
    return with_bound(study, point, record)


def has_dose(study: Study, point: Point) -> bool:
    """Tell whether voxels and dose grid of a point are on disk."""
    place = study.folder / POINTS / point.name
    return all((place / f"{stage}.nc").exists() for stage in STAGES)


def dosed_point(study: Study, point: Point, *, progress: Progress = silent) -> None:
    """Plan a point and keep voxels, samples and dose grid beside its spots, as an arm of a run."""
    planned_point(study, point, progress=progress)
    spots = read_point_spots(study.folder, point.name)
    scene, library = _scene(study, point, progress), _library(study, progress)
    seen = (point.case, scene.phantom, scene.samples, spots, library)
    at_samples = sample_dose(*seen, rays=scene.rays)
    on_grid = grid_dose(point.case, scene.phantom, spots, library, rays=scene.rays, progress=progress)
    samples = scene.samples.assign(at_samples.data_vars)
    stages = {"anatomy": scene.phantom, "samples": samples, "spots": spots, "dose": on_grid}
    write_arm(study.folder / POINTS, point.name, stages)


def with_bound(study: Study, point: Point, record: Record) -> Record:
    """Add the stored bound of a point to its record, None if there is none."""
    stored = read_point_proof(study.folder, point.name, digest=point.digest)
    if stored is None:
        return {**record, "bound": None, "bound_reason": "no proof was asked for"}
    return {**record, "bound": stored["bound"], "bound_reason": stored["reason"]}


def _prove(study: Study, point: Point, programs: int, progress: Progress) -> None:
    spots = read_point_spots(study.folder, point.name)
    scene = _scene(study, point, progress)
    kept: Record = {"digest": point.digest, "programs": programs, "bound": None, "reason": ""}
    seen = (point.case, scene.phantom, scene.samples)
    try:
        errors = [rays for _, rays in scene.errors[: len(planned_errors(point.case))]]
        rays = [scene.rays, *errors]
        library = _library(study, progress)
        bound = prove(*seen, spots, library, rays=rays, programs=programs, progress=progress)
    except InputError as error:  # no limit, or multipliers that refute nothing
        kept["reason"] = str(error)
    else:
        kept |= proof_record(bound)
        kept["witness_gye"] = bound.witness_gye
        kept["bound"] = bound_entry(point.case, kept, spots, scene.samples)
    write_point_proof(study.folder, point.name, json_plain(kept))


def _digest(base: Case) -> str:
    """Tell base cases and versions apart, as runs are."""
    attributes = {name: getattr(base, name) for name in ("case_toml", "anatomy_toml")}
    versions = {"doseplan": version("doseplan")}
    return run_digest(
        {"case": base.name, **attributes, "versions": versions, "schema_version": schema.VERSION}
    )


def own_voxels(point: Point) -> dict[str, float]:
    """Give the numbers that change voxels or spots, besides the separation."""
    return {
        key: value
        for key, value in point.values.items()
        if key != SEPARATION and key.replace("[", ".").split(".")[0] not in SAME_VOXELS
    }


def _voxel_case(base: Case, point: Point) -> Case:
    """Give the case that voxels and spots are made of: other limits or prescriptions change neither."""
    return varied(base, own_voxels(point))


def give_scene(study: Study, point: Point, scene: Scene) -> None:
    """Let a point take voxels, samples, spots and rays that were made for it elsewhere."""
    study.scenes[_scene_name(point)] = scene


def _scene_name(point: Point) -> str:
    return f"{point.voxels} {point.separation_mm}"


def _scene(study: Study, point: Point, progress: Progress) -> Scene:
    """Make voxels, samples and rays of a point; rays that pass nothing new are taken over, bit for bit."""
    name = _scene_name(point)
    if name in study.scenes:
        return study.scenes[name]
    progress("voxels", 0.0)
    library = _library(study, progress)
    case = _voxel_case(study.base, point)
    phantom = build_phantom(case, separation_mm=point.separation_mm)
    spots = _spots(study, point, case, library)
    last = [scene for other, scene in study.scenes.items() if other.startswith(f"{point.voxels} ")]
    before = (last[0].phantom, last[0].rays) if last else None
    study.scenes.clear()
    study.scenes[name] = set_scene(case, phantom, library, spots=spots, before=before, progress=progress)
    return study.scenes[name]


def _spots(study: Study, point: Point, case: Case, library: xr.Dataset) -> xr.Dataset:
    """Give the spots of the case's run, which reach the target in all of its arms."""
    if point.voxels not in study.spots:
        study.spots.clear()
        if is_finished(study, point):
            study.spots[point.voxels] = read_point_spots(study.folder, point.name)
        else:
            separations = (None, 0.0, case.surgery.separation_mm)
            first, *others = (build_phantom(case, separation_mm=each) for each in separations)
            fields = place_fields(case, first)
            study.spots[point.voxels] = place_spots(case, first, fields, library, others)
    return study.spots[point.voxels]


def _library(study: Study, progress: Progress) -> xr.Dataset:
    if not study.libraries:
        study.libraries.append(beam_library(progress=progress))
    return study.libraries[0]


def json_plain(value: Any) -> Any:
    """Turn numpy's numbers into Python's, which JSON knows."""
    if isinstance(value, dict):
        return {key: json_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value
