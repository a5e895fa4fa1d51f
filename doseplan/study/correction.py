"""A finished run planned again with the pencil beam that its Monte Carlo corrects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose import beam_library, grid_dose, grid_effect, sample_dose, spot_courses, trace_spots
from doseplan.evaluation.agreement import at_points
from doseplan.exchange import (
    check_folder,
    open_run,
    read_arm,
    run_digest,
    write_arm,
    write_attributes,
    write_dataset,
)
from doseplan.messages import InputError, Progress, silent
from doseplan.montecarlo.simulate import check_numbers
from doseplan.planning import optimise
from doseplan.planning.correction import ASSUMPTIONS, correction_field, on_grid
from doseplan.study.recalculation import FOLDER, stored_or_new

Stages = dict[str, xr.Dataset]


def correct_run(
    tree: xr.DataTree,
    case: Case,
    *,
    out: Path,
    source: Path | None = None,
    arms: Sequence[str] = (),
    histories: int,
    seed: int = 1,
    progress: Progress = silent,
) -> xr.DataTree:
    """Plan the arms of a run again, each with the correction that its Monte Carlo gives.

    Parameters
    ----------
    tree
        From `read_run`, not corrected before.
    out
        Folder of the new run, and of `correction_<arm>.nc` beside its Monte Carlos; arms that are there
        already are taken instead of computed.
    source
        Folder with the Monte Carlos of the run, if there are any, as `recalculate_run` leaves it.
    arms
        Names; all if none is named.
    histories, seed
        Of the Monte Carlo of each arm.

    Returns
    -------
    DataTree
        The new run. All its doses are corrected ones; `samples` has `sample_correction`.

    Raises
    ------
    InputError
        An arm that the run does not have, a run that is corrected already, a case with robustness, or a
        folder in use.
    """
    check_numbers(histories, seed)
    names = list(arms or tree.children)
    attributes = _attributes(tree, names, histories, seed)
    if case.robustness is not None:
        raise InputError("robustness: expected a case without it, got one: errors are not corrected")
    check_folder(out, attributes)
    library = beam_library(progress=progress)
    done: dict[str, Stages] = {}
    for arm in names:
        told = _named(progress, arm)
        found = read_arm(out, arm) if out.exists() else None
        if found is None:
            stages = {name: node.to_dataset() for name, node in tree[arm].children.items()}
            monte_carlo = stored_or_new(
                case, stages, source, arm, histories=histories, seed=seed, keep=False, progress=told
            )
            found, field = _corrected(case, stages, library, monte_carlo, told)
            open_run(out, attributes)
            (out / FOLDER).mkdir(exist_ok=True)
            write_dataset(field, out / FOLDER / f"correction_{arm}.nc")
            write_arm(out, arm, found)
            write_attributes(out, attributes)
        done[arm] = found
    nodes = {f"/{arm}/{stage}": data for arm, stages in done.items() for stage, data in stages.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **nodes})


def _corrected(
    case: Case,
    stages: Stages,
    library: xr.Dataset,
    monte_carlo: xr.Dataset,
    progress: Progress,
) -> tuple[Stages, xr.Dataset]:
    """Find the correction of one arm, plan it again and compute its corrected dose."""
    phantom, spots = stages["anatomy"], stages["spots"]
    rays = trace_spots(phantom, spots, library)
    pencil = grid_effect(case, phantom, spots, library, rays=rays, progress=progress)
    fractions = spot_courses(case, spots)[1]
    field = correction_field(case, phantom, pencil, monte_carlo, fractions=fractions)
    samples = stages["samples"]
    planned = optimise(case, phantom, samples, spots, library, rays=rays, correction=field, progress=progress)
    factor = at_points(field["correction"], samples["sample_position"].values)
    at_samples = sample_dose(case, phantom, samples, planned, library, rays=rays, correction=factor)
    dose = grid_dose(
        case,
        phantom,
        planned,
        library,
        rays=rays,
        correction=on_grid(field["correction"], phantom),
        progress=progress,
    )
    stated = {"sample_correction": schema.variable("sample_correction", factor)}
    corrected = {
        "anatomy": phantom,
        "samples": samples.assign(at_samples.data_vars).assign(stated),
        "spots": planned,
        "dose": dose,
    }
    return corrected, field


def cord_verdicts(agreement: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Tell for each arm whether the cord limit holds under Monte Carlo where the pencil beam is highest.

    Parameters
    ----------
    agreement
        From `recalculate_run`.

    Returns
    -------
    dict
        By arm `monte_carlo_gye`, `uncertainty_gye` of the voxel there, the same of the spread difference as
        `spread_gye`, `spread_uncertainty_gye`, `limit_gye`, and `holds`: neither is above the limit by more
        than its uncertainty, one standard deviation. Arms without a limit are left out.
    """
    found = {}
    for name, arm in agreement["arms"].items():
        rows = [row for row in arm["rows"] if row["quantity"].startswith("maximum, at its place")]
        limit = rows[0]["limit_gye"]
        if limit is not None:
            above = [row["monte_carlo_gye"] - row["uncertainty_gye"] for row in rows]
            values = {key: rows[0][key] for key in ("monte_carlo_gye", "uncertainty_gye", "limit_gye")}
            values["spread_gye"] = rows[-1]["monte_carlo_gye"]
            values["spread_uncertainty_gye"] = rows[-1]["uncertainty_gye"]
            found[name] = {**values, "holds": max(above) <= limit}
    return found


def _attributes(tree: xr.DataTree, names: Sequence[str], histories: int, seed: int) -> dict[str, Any]:
    """Describe the new run; its digest tells it from the one that it comes from."""
    attributes = {str(name): value for name, value in tree.attrs.items()}
    if "correction" in attributes:
        raise InputError(
            f"correct: expected a run as planned, got one corrected by {attributes['correction']}"
        )
    unknown = [arm for arm in names if arm not in tree.children]
    if unknown:
        raise InputError(f"arm: expected one of {', '.join(tree.children)}, got {', '.join(unknown)}")
    attributes["correction"] = f"Monte Carlo of {histories:,} histories an arm, seed {seed}"
    lines = [*map(str, np.atleast_1d(attributes.get("assumptions", []))), *ASSUMPTIONS]
    attributes["assumptions"] = list(dict.fromkeys(lines))
    return {**attributes, "digest": run_digest(attributes)}


def _named(progress: Progress, name: str) -> Progress:
    return lambda message, done: progress(f"{name}: {message}", done)
