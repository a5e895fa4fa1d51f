"""The pipeline of one case, as the flow reads: three arms, one spot set."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import xarray as xr

from doseplan import schema
from doseplan.anatomy import build_phantom, place_samples
from doseplan.biology import nirs
from doseplan.case import Case
from doseplan.dose import beam_library, grid_dose, place_fields, place_spots, sample_dose
from doseplan.exchange import open_run, read_arm, write_arm
from doseplan.messages import Progress, silent
from doseplan.planning import optimise

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
        Children `none`, `decompressed`, `separated`, each with `anatomy`, `samples`, `spots`, `dose`.

    Raises
    ------
    InputError
        The case makes no physical sense (a field misses, a target is too deep, ...), or `out` is in use.
    """
    attributes = run_attributes(case)
    if out is not None and Path(out).exists():
        open_run(out, attributes)  # refuse a folder that is in use before any work
    library = beam_library(progress=progress)
    arms: dict[str, Stages] = {}
    spots: xr.Dataset | None = None
    for arm, separation_mm in arms_of(case).items():
        stages = read_arm(Path(out), arm) if out is not None else None
        if stages is None:
            stages = plan_arm(
                case, library, separation_mm=separation_mm, start=spots, progress=_named(progress, arm)
            )
            if out is not None:
                open_run(out, attributes)
                progress(f"{arm}: writing", 1.0)
                write_arm(Path(out), arm, stages)
        arms[arm], spots = stages, stages["spots"]
    return _tree(case, attributes, arms, library)


def plan_arm(
    case: Case,
    library: xr.Dataset,
    *,
    separation_mm: float | None,
    start: xr.Dataset | None = None,
    progress: Progress = silent,
) -> Stages:
    """Plan one arm: anatomy, samples, spots, weights, final dose.

    Parameters
    ----------
    start
        Spots of another arm with their weights; spots cover the unoperated target, so all arms share them.
    """
    progress("voxels and samples", 0.0)
    phantom = build_phantom(case, separation_mm=separation_mm)
    samples = place_samples(phantom, case)
    spots = place_spots(case, phantom, place_fields(case, phantom), library) if start is None else start
    planned = optimise(case, phantom, samples, spots, library, start=start, progress=progress)
    at_samples = sample_dose(case, phantom, samples, planned, library)
    on_grid = grid_dose(case, phantom, planned, library, progress=progress)
    return {
        "anatomy": phantom,
        "samples": samples.assign(at_samples.data_vars),
        "spots": planned,
        "dose": on_grid,
    }


def arms_of(case: Case) -> dict[str, float | None]:
    """Name the three arms and their separation [mm]; None is no surgery."""
    return {"none": None, "decompressed": 0.0, "separated": case.surgery.separation_mm}


def run_attributes(case: Case) -> dict[str, object]:
    """Describe a run before it is computed: case, version and the digest of both."""
    said = (case.name, case.case_toml, case.anatomy_toml, version("doseplan"), str(schema.VERSION))
    versions = {name: version(name) for name in STACK}
    return {
        "case": case.name,
        "case_toml": case.case_toml,
        "anatomy_toml": case.anatomy_toml,
        "digest": hashlib.sha256("\0".join(said).encode()).hexdigest(),
        "schema_version": schema.VERSION,
        "versions": {**versions, "python": platform.python_version()},
    }


def _tree(
    case: Case, attributes: dict[str, object], arms: dict[str, Stages], library: xr.Dataset
) -> xr.DataTree:
    lists = [list(case.assumptions), _lines(library), list(nirs.ASSUMPTIONS)]
    lists += [_lines(data) for stages in arms.values() for data in stages.values()]
    said = dict.fromkeys(line for lines in lists for line in lines)
    root = xr.Dataset(attrs={**attributes, "assumptions": list(said)})
    nodes = {f"/{arm}/{stage}": data for arm, stages in arms.items() for stage, data in stages.items()}
    return xr.DataTree.from_dict({"/": root, **nodes})


def _lines(dataset: xr.Dataset) -> list[str]:
    """Give the assumptions that a stage states, as a list or as JSON."""
    stated = dataset.attrs.get("assumptions", [])
    return [str(line) for line in (json.loads(stated) if isinstance(stated, str) else stated)]


def _named(progress: Progress, name: str) -> Progress:
    return lambda message, done: progress(f"{name}: {message}", done)
