"""Proofs for the arms of a finished run: made, stored beside the arm, checked again."""

import json
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan.case import parse_case
from doseplan.case.spec import Case
from doseplan.dose import beam_library
from doseplan.evaluation.goals import limit_gy_rbe
from doseplan.exchange import read_run, write_text
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import SECONDS, prove
from doseplan.planning.stored import check_record, proof_record

PROOF_FILE = "proof.json"


def prove_run(
    folder: str | Path,
    *,
    arms: list[str] | None = None,
    seconds: float = SECONDS,
    progress: Progress = silent,
) -> dict[str, dict[str, float]]:
    """Prove an upper bound on each arm's target minimum, store the proof, and enter it in summary.json.

    Parameters
    ----------
    arms
        All that the run has, if not named.
    seconds
        For the search in each arm.

    Returns
    -------
    By arm: `dmin_gye` (achieved), `dmin_upper_gye`, `gap_percent` (of the prescription), `witness_gye`.

    Raises
    ------
    InputError
        The folder is not a run, or has no such arm.
    """
    folder = Path(folder)
    tree, case = _opened(folder, progress)
    names = list(tree.children) if arms is None else arms
    unknown = [arm for arm in names if arm not in tree.children]
    if unknown:
        raise InputError(f"arm: expected one of {', '.join(tree.children)}, got {unknown[0]!r}")
    library = beam_library(progress=progress)
    found = {}
    for arm in names:
        phantom, samples, spots = _stages(tree, arm)
        bound = prove(case, phantom, samples, spots, library, seconds=seconds, progress=progress)
        achieved = float(spots.attrs["target_minimum_gye"])
        # a minimum is no more than the maximum that the case allows, whatever the proof says
        upper = min([bound.upper_gye, *_target_limits(case)])
        found[arm] = {
            "dmin_gye": achieved,
            "dmin_upper_gye": upper,
            "gap_percent": 100.0 * (upper - achieved) / case.prescription.total_gy_rbe,
            "witness_gye": bound.witness_gye,
        }
        write_text(folder / arm / PROOF_FILE, json.dumps(proof_record(bound), allow_nan=False) + "\n")
    _enter(folder / "summary.json", found)
    return found


def check_proofs(folder: str | Path, *, progress: Progress = silent) -> dict[str, bool]:
    """Check the proofs that are stored in a run, each against influence computed anew."""
    folder = Path(folder)
    tree, case = _opened(folder, progress)
    library = beam_library(progress=progress)
    verdict = {}
    for arm in tree.children:
        path = folder / arm / PROOF_FILE
        if path.exists():
            phantom, samples, spots = _stages(tree, arm)
            record = json.loads(path.read_text(encoding="utf-8"))
            verdict[arm] = check_record(record, case, phantom, samples, spots, library)
    return verdict


def _target_limits(case: Case) -> list[float]:
    return [limit_gy_rbe(case, limit) for limit in case.constraint if limit.structure == "target"]


def _opened(folder: Path, progress: Progress) -> tuple[xr.DataTree, Case]:
    tree = read_run(folder, progress=progress)
    return tree, parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=f"{folder}/case.toml")


def _stages(tree: xr.DataTree, arm: str) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    phantom, samples, spots = (tree[arm][name].to_dataset() for name in ("anatomy", "samples", "spots"))
    return phantom, samples, spots


def _enter(path: Path, found: dict[str, dict[str, float]]) -> None:
    """Add `bound` to the arms of a summary that is there."""
    if not path.exists():
        return
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for arm, bound in found.items():
        if arm in summary.get("arms", {}):
            summary["arms"][arm]["bound"] = {
                name: bound[name] for name in ("dmin_upper_gye", "gap_percent", "witness_gye")
            }
    write_text(path, json.dumps(summary, indent=2, allow_nan=False) + "\n")
