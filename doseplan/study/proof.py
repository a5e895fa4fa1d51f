"""Proofs for the arms of a run: made, stored beside the arm, entered in its summary, checked again."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan.case import parse_case
from doseplan.case.limits import target_maximum_gye
from doseplan.case.spec import Case
from doseplan.dose import beam_library
from doseplan.evaluation import evaluate
from doseplan.evaluation.goals import limit_name
from doseplan.exchange import read_run, write_text
from doseplan.exchange.sizes import read_limited
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import PROGRAMS, prove
from doseplan.planning.finer import with_finer_spots
from doseplan.planning.stored import check_record, holding, proof_record
from doseplan.present import proof_figure, report_markdown, save_figure
from doseplan.schema import ARMS

PROOF_FILE = "proof.json"

HELD_BY = 6
"""Samples that the summary names."""

Bounds = dict[str, dict[str, Any]]


def prove_run(
    folder: str | Path,
    *,
    arms: list[str] | None = None,
    programs: int = PROGRAMS,
    finer: bool = False,
    progress: Progress = silent,
) -> Bounds:
    """Prove an upper bound on each arm's target minimum, store the proof, and write summary and report again.

    Parameters
    ----------
    arms
        All that the run has, if not named.
    programs
        Most linear programs of the search in each arm.
    finer
        Bound plans with spots of half the spacing and half the step of energies as well.

    Returns
    -------
    By arm, as in `add_bounds`.

    Raises
    ------
    InputError
        The folder is not a run, is a corrected one, or has no such arm.
    """
    folder = Path(folder)
    tree, case = _opened(folder, progress)
    if "correction" in tree.attrs:
        raise InputError(f"{folder}: expected a run as planned, got a corrected one: its doses have no proof")
    names = list(tree.children) if arms is None else arms
    unknown = [arm for arm in names if arm not in tree.children]
    if unknown:
        raise InputError(f"arm: expected one of {', '.join(tree.children)}, got {unknown[0]!r}")
    prove_arms(folder, tree, case, arms=names, programs=programs, progress=progress)
    if finer:
        _bound_finer(folder, tree, case, names, programs, progress)
    summary = evaluate(tree, case)
    add_bounds(folder, tree, summary)
    write_text(folder / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
    write_text(folder / "report.md", report_markdown(summary, tree, case))
    return {arm: summary["arms"][arm]["bound"] for arm in names}


def prove_arms(
    folder: Path,
    tree: xr.DataTree,
    case: Case,
    *,
    arms: list[str] | None = None,
    programs: int = PROGRAMS,
    progress: Progress = silent,
) -> None:
    """Prove arms and store the proofs beside them.

    Parameters
    ----------
    arms
        Those that have no proof of this case and version yet, if not named.
    """
    library = beam_library(progress=progress)
    digest = tree.attrs["digest"]
    for arm in tree.children if arms is None else arms:
        path = folder / arm / PROOF_FILE
        if arms is None and (_stored(path) or {}).get("digest") == digest:
            continue
        phantom, samples, spots = _stages(tree, arm)
        bound = prove(case, phantom, samples, spots, library, programs=programs, progress=progress)
        record = {"digest": digest, "witness_gye": bound.witness_gye, **proof_record(bound)}
        write_text(path, json.dumps(record, allow_nan=False) + "\n")


def _bound_finer(
    folder: Path, tree: xr.DataTree, case: Case, arms: list[str], programs: int, progress: Progress
) -> None:
    """Bound plans on a finer grid of spots, and keep the number beside each proof."""
    library = beam_library(progress=progress)
    phantoms = [tree[arm]["anatomy"].to_dataset() for arm in ARMS]
    for arm in arms:
        phantom, samples, spots = _stages(tree, arm)
        more = with_finer_spots(case, phantoms[0], phantoms[1:], spots, library)
        told = partial(_of_finer, progress)
        bound = prove(case, phantom, samples, more, library, programs=programs, progress=told)
        record = _stored(folder / arm / PROOF_FILE)
        assert record is not None, "it was just written"
        record["finer"] = {"level_gye": bound.upper_gye, "spots": more.sizes["spot"]}
        write_text(folder / arm / PROOF_FILE, json.dumps(record, allow_nan=False) + "\n")


def _of_finer(progress: Progress, message: str, done: float) -> None:
    progress(f"finer spots: {message}", done)


def add_bounds(
    folder: Path,
    tree: xr.DataTree,
    summary: dict[str, Any],
    *,
    draw: bool = True,
    figures: Path | None = None,
) -> None:
    """Enter in the summary, as `bound` of each arm, the proofs that are stored in a run.

    A proof speaks of the case, its spots and its samples, not of the plan, so it stays true when an arm is
    planned again; one of another case or version is left aside. Each arm with a proof gets `dmin_gye`
    (achieved), `dmin_upper_gye`, `gap_percent` (of the prescription), `witness_gye`, `held_by` (samples with
    the largest multipliers), `left_out`.

    Parameters
    ----------
    draw
        Write the figure `proof_ARM.png` of where those samples are.
    figures
        Folder of the figures, by default `figures` in that of the run.
    """
    case = _case(folder, tree)
    for arm in tree.children:
        record = _stored(folder / arm / PROOF_FILE)
        if record is None or record.get("digest") != tree.attrs["digest"] or arm not in summary["arms"]:
            continue
        _, samples, spots = _stages(tree, arm)
        entry = bound_entry(case, record, spots, samples)
        summary["arms"][arm]["bound"] = entry
        if draw:
            path = (figures or folder / "figures") / f"proof_{arm}.png"
            path.parent.mkdir(exist_ok=True)
            held = holding(record, samples)
            drawn = proof_figure(arm, held, samples, entry["dmin_upper_gye"], scenarios=entry["scenarios"])
            save_figure(drawn, path)


def bound_entry(case: Case, record: dict[str, Any], spots: xr.Dataset, samples: xr.Dataset) -> dict[str, Any]:
    """Say in numbers what a proof says of a plan.

    Parameters
    ----------
    record
        The stored proof, with `witness_gye`.
    spots
        Of the plan.
    samples
        Of the arm.

    Returns
    -------
    dict
        `dmin_gye` (achieved), `dmin_upper_gye`, `gap_percent` (of the prescription), `witness_gye`,
        `held_by`, `left_out` (names of limits that the proof does not know), `scenarios` (in which the target
        minimum is looked at: if more than the nominal one, the lowest of all is meant). `finer_upper_gye`,
        if it was asked for, is the bound with spots of half the spacing and half the step of energies; its
        multipliers are not kept.
    """
    try:
        scenarios, level_gye = int(record["scenarios"]), float(record["level_gye"])
        witness_gye = float(record["witness_gye"])
        finer_gye = float(record["finer"]["level_gye"]) if "finer" in record else None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"proof: expected level, witness and scenarios, got {error!r}") from error
    which = "target_minimum_gye" if scenarios == 1 else "worst_target_minimum_gye"
    achieved_gye = float(spots.attrs[which])
    # a minimum is no more than the maximum that the case allows, whatever the proof says
    most = target_maximum_gye(case)
    upper = min(level_gye, most)
    finer = {} if finer_gye is None else {"finer_upper_gye": min(finer_gye, most)}
    return {
        "dmin_gye": achieved_gye,
        "dmin_upper_gye": upper,
        "gap_percent": 100.0 * (upper - achieved_gye) / case.prescription.total_gy_rbe,
        "witness_gye": witness_gye,
        "held_by": holding(record, samples)[:HELD_BY],
        "scenarios": scenarios,
        **finer,
        "left_out": [limit_name(limit) for limit in case.constraint if limit.kind != "max"],
    }


def check_proofs(folder: str | Path, *, progress: Progress = silent) -> dict[str, bool]:
    """Check the proofs that are stored in a run, each against influence computed anew."""
    folder = Path(folder)
    tree, case = _opened(folder, progress)
    library = beam_library(progress=progress)
    verdict = {}
    for arm in tree.children:
        record = _stored(folder / arm / PROOF_FILE)
        if record is not None:
            phantom, samples, spots = _stages(tree, arm)
            verdict[arm] = check_record(record, case, phantom, samples, spots, library)
    return verdict


def _stored(path: Path) -> dict[str, Any] | None:
    """Read a proof, if there is one."""
    if not path.exists():
        return None
    try:
        record = json.loads(read_limited(path))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a stored proof, got no JSON ({error})") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: expected a stored proof, got a {type(record).__name__}")
    return record


def _opened(folder: Path, progress: Progress) -> tuple[xr.DataTree, Case]:
    tree = read_run(folder, progress=progress)
    return tree, _case(folder, tree)


def _case(folder: Path, tree: xr.DataTree) -> Case:
    return parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=f"{folder}/case.toml")


def _stages(tree: xr.DataTree, arm: str) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    phantom, samples, spots = (tree[arm][name].to_dataset() for name in ("anatomy", "samples", "spots"))
    return phantom, samples, spots
