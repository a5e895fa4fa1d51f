"""The pipeline of one case, as the flow reads: its arms, one spot set."""

import json
import platform
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import xarray as xr

from doseplan import schema
from doseplan.anatomy import build_phantom, place_samples
from doseplan.biology.models import rbe_model
from doseplan.case import Case, ScanCase
from doseplan.dose import (
    Rays,
    Scenario,
    beam_library,
    daily_dose,
    error_rays,
    error_scenarios,
    grid_dose,
    place_fields,
    place_spots,
    sample_dose,
    scenario_dose,
    trace_spots,
)
from doseplan.exchange import (
    check_folder,
    open_run,
    read_arm,
    run_digest,
    set_damaged_aside,
    write_arm,
    write_attributes,
)
from doseplan.messages import InputError, Progress, silent
from doseplan.planning import optimise
from doseplan.planning.seen import planned_errors
from doseplan.schema import ARMS

Stages = dict[str, xr.Dataset]

STACK = ("doseplan", "numpy", "scipy", "numba", "xarray")


def plan_case(case: Case, *, out: str | Path | None = None, progress: Progress = silent) -> xr.DataTree:
    """Plan a case without surgery, after decompression alone, and after separation.

    Parameters
    ----------
    out
        Folder of the run: each finished arm is written there at once, and arms that are there already (of the
        same case and version) are taken instead of computed. None keeps the run in memory only.

    Returns
    -------
    DataTree
        Children `none`, `decompressed`, `separated` (and one for each implant material that is compared),
        each with `anatomy`, `samples`, `spots`, `dose`.

    Raises
    ------
    InputError
        The case makes no physical sense (a field misses, a target is too deep, ...), or `out` is in use.
    """
    attributes = run_attributes(case)
    folder = None if out is None else Path(out)
    there = folder is not None and check_folder(folder, attributes)  # refuse a folder before any work
    finished = _finished_arms(folder, list(arms_of(case)), progress) if folder is not None and there else {}
    names = list(arms_of(case))
    built = build_phantoms(case, [arm for arm in names if arm not in finished], progress=progress)
    # spots reach the target in every arm, so an arm that is planned again needs the finished ones too
    phantoms = {arm: built[arm] if arm in built else finished[arm]["anatomy"] for arm in names}
    library = beam_library(progress=progress)
    arms: dict[str, Stages] = {}
    spots: xr.Dataset | None = None
    traced: tuple[xr.Dataset, Rays] | None = None
    for arm in names:
        if arm in finished:
            arms[arm] = finished[arm]
        else:
            others = [phantoms[name] for name in phantoms if name != arm]
            arms[arm], traced = plan_arm(
                case,
                phantoms[arm],
                library,
                others=others,
                spots=spots,
                before=traced,
                progress=_named(progress, arm),
            )
            if folder is not None:
                _keep(folder, arm, arms[arm], _described(case, attributes, arms, library), progress)
        spots = arms[arm]["spots"]
    return _tree(_described(case, attributes, arms, library), arms)


def plan_arm(
    case: Case,
    phantom: xr.Dataset,
    library: xr.Dataset,
    *,
    others: Sequence[xr.Dataset] = (),
    spots: xr.Dataset | None = None,
    before: tuple[xr.Dataset, Rays] | None = None,
    progress: Progress = silent,
) -> tuple[Stages, tuple[xr.Dataset, Rays]]:
    """Plan one arm on its phantom: samples, spots, weights, final dose. The phantom and its rays come along.

    Parameters
    ----------
    others
        Phantoms of the other arms, which the spots reach too.
    spots
        Of another arm: they cover the unoperated target, so all arms share them. None places them.
    before
        Phantom of another arm and its rays of the same spots: those that pass nothing new stay.
    """
    scene = set_scene(case, phantom, library, others=others, spots=spots, before=before, progress=progress)
    planned, samples = plan_scene(case, scene, library, progress=progress)
    on_grid = grid_dose(case, phantom, planned, library, rays=scene.rays, progress=progress)
    return {"anatomy": phantom, "samples": samples, "spots": planned, "dose": on_grid}, (phantom, scene.rays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all plans on the same voxels share: samples, spots and rays, those of error scenarios too."""

    phantom: xr.Dataset
    samples: xr.Dataset
    spots: xr.Dataset
    rays: Rays
    errors: list[tuple[Scenario, Rays]]


def set_scene(
    case: Case,
    phantom: xr.Dataset,
    library: xr.Dataset,
    *,
    others: Sequence[xr.Dataset] = (),
    spots: xr.Dataset | None = None,
    before: tuple[xr.Dataset, Rays] | None = None,
    progress: Progress = silent,
) -> Scene:
    """Place samples and spots in a phantom, and trace the rays; parameters as `plan_arm`."""
    progress("samples and spots", 0.0)
    samples = place_samples(phantom, case)
    if spots is None:
        spots = place_spots(case, phantom, place_fields(case, phantom), library, others)
    rays = trace_spots(phantom, spots, library, before=before)
    errors = _error_rays(case, phantom, spots, library, rays, progress)
    return Scene(phantom=phantom, samples=samples, spots=spots, rays=rays, errors=errors)


def plan_scene(
    case: Case, scene: Scene, library: xr.Dataset, *, progress: Progress = silent
) -> tuple[xr.Dataset, xr.Dataset]:
    """Find weights, and their dose at the samples.

    Returns
    -------
    spots, samples
        The spots with weights, the samples with doses.
    """
    planned = optimise(
        case,
        scene.phantom,
        scene.samples,
        scene.spots,
        library,
        rays=scene.rays,
        errors=[each for _, each in scene.errors[: len(planned_errors(case))]],
        progress=progress,
    )
    seen = (case, scene.phantom, scene.samples, planned, library)
    at_samples = sample_dose(*seen, rays=scene.rays)
    if scene.errors:
        scenarios, traced = zip(*scene.errors, strict=True)
        wrong = scenario_dose(case, scene.samples, planned, library, scenarios, traced, progress=progress)
        at_samples = at_samples.assign(wrong.data_vars)
    at_samples = at_samples.assign(daily_dose(*seen, progress=progress).data_vars)
    return planned, scene.samples.assign(at_samples.data_vars)


def _error_rays(
    case: Case, phantom: xr.Dataset, spots: xr.Dataset, library: xr.Dataset, rays: Rays, progress: Progress
) -> list[tuple[Scenario, Rays]]:
    """Trace the rays of the errors that a case names."""
    if case.robustness is None:
        return []
    scenarios = error_scenarios(case.robustness)
    traced = error_rays(phantom, spots, library, rays, scenarios, progress=progress)
    return list(zip(scenarios, traced, strict=True))


def arms_of(case: Case) -> dict[str, tuple[float | None, Case]]:
    """Name the arms of a case, each with its separation [mm], None without surgery, and what it is built of.

    The three arms of every case, and the separated one again for each implant material that is compared.
    """
    separations = (None, 0.0, case.surgery.separation_mm)
    arms: dict[str, tuple[float | None, Case]] = {
        name: (separation, case) for name, separation in zip(ARMS, separations, strict=True)
    }
    if isinstance(case, ScanCase) or case.hardware is None:
        return arms
    hardware = case.hardware
    for material in hardware.compare:
        if material == "none":
            other, name = None, "no_implant"
        else:
            other, name = replace(hardware, material=material), material
        arms[f"{ARMS[-1]}_{name}"] = (case.surgery.separation_mm, replace(case, hardware=other))
    return arms


def build_phantoms(
    case: Case, names: list[str] | None = None, *, progress: Progress = silent
) -> dict[str, xr.Dataset]:
    """Build the phantoms of some arms (all if not named), so that a case that makes no sense fails early."""
    arms = arms_of(case)
    names = list(arms) if names is None else names
    found = {}
    for number, arm in enumerate(names):
        progress(f"{arm}: voxels", number / len(names))
        separation, built = arms[arm]
        found[arm] = build_phantom(built, separation_mm=separation, arm=arm)
    return found


def run_attributes(case: Case) -> dict[str, object]:
    """Describe a run before it is computed: case, version and the digest of both."""
    versions = {name: version(name) for name in STACK}
    attributes = {
        "case": case.name,
        "case_toml": case.case_toml,
        "anatomy_toml": case.anatomy_toml,
        "schema_version": schema.VERSION,
        "versions": {**versions, "python": platform.python_version()},
    }
    return {**attributes, "digest": run_digest(attributes)}


def _finished_arms(folder: Path, names: list[str], progress: Progress) -> dict[str, Stages]:
    found: dict[str, Stages] = {}
    for arm in names:
        progress(f"{arm}: reading what is finished", 0.0)
        try:
            stages = read_arm(folder, arm)
        except InputError:
            for line in set_damaged_aside(folder, arm):
                warnings.warn(line, stacklevel=2)
            continue
        if stages is not None:
            found[arm] = stages
    return found


def _keep(folder: Path, arm: str, stages: Stages, attributes: dict[str, object], progress: Progress) -> None:
    progress(f"{arm}: writing", 1.0)
    open_run(folder, attributes)
    write_arm(folder, arm, stages)
    write_attributes(folder, attributes)


def _described(
    case: Case, attributes: dict[str, object], arms: dict[str, Stages], library: xr.Dataset
) -> dict[str, object]:
    """Add what the case, the models and the stages of the arms assume, each sentence once."""
    models = [rbe_model(scale).assumptions for scale in ("NIRS", "LEM1")]
    lists = [list(case.assumptions), _lines(library), *map(list, models)]
    lists += [_lines(data) for stages in arms.values() for data in stages.values()]
    return {**attributes, "assumptions": list(dict.fromkeys(line for lines in lists for line in lines))}


def _tree(attributes: dict[str, object], arms: dict[str, Stages]) -> xr.DataTree:
    nodes = {f"/{arm}/{stage}": data for arm, stages in arms.items() for stage, data in stages.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **nodes})


def _lines(dataset: xr.Dataset) -> list[str]:
    """Give the assumptions that a stage states, as a list or as JSON."""
    stated = dataset.attrs.get("assumptions", [])
    return [str(line) for line in (json.loads(stated) if isinstance(stated, str) else stated)]


def _named(progress: Progress, name: str) -> Progress:
    return lambda message, done: progress(f"{name}: {message}", done)
