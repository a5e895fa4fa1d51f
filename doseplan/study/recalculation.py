"""A finished run computed once more by Monte Carlo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan.case.spec import Case
from doseplan.evaluation import agreement
from doseplan.exchange import read_dataset, write_dataset, write_text
from doseplan.messages import InputError, Progress, silent
from doseplan.montecarlo import recalculate
from doseplan.montecarlo.recalculate import plan_digest
from doseplan.montecarlo.simulate import check_numbers
from doseplan.planning.correction import BLUR_MM
from doseplan.present.agreement import agreement_markdown

FOLDER = "montecarlo"
"""Folder inside that of the run."""


def recalculate_run(
    tree: xr.DataTree,
    case: Case,
    *,
    arms: Sequence[str] = (),
    histories: int,
    seed: int = 1,
    out: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Recompute the arms of a run by Monte Carlo, and compare.

    Parameters
    ----------
    tree
        From `read_run`.
    arms
        Names; all if none is named.
    histories : int
        Primary ions for each arm.
    out
        Folder for `<arm>.nc`, one for each arm as it is finished, and `agreement.md`; what is there already
        of the same plan, histories and seed is taken instead of computed.

    Returns
    -------
    dict
        `case`, `scale`, `prescription_gye` and `arms`, each as `agreement` returns it.

    Raises
    ------
    InputError
        An arm that the run does not have.
    """
    check_numbers(histories, seed)
    unknown = [arm for arm in arms if arm not in tree.children]
    if unknown:
        raise InputError(f"arm: expected one of {', '.join(tree.children)}, got {', '.join(unknown)}")
    found = {}
    for arm in arms or list(tree.children):
        stages = {name: node.to_dataset() for name, node in tree[arm].children.items()}
        dose = stored_or_new(
            case, stages, out, arm, histories=histories, seed=seed, progress=_named(progress, arm)
        )
        progress(f"{arm}: comparison", 1.0)
        found[arm] = agreement(case, stages["anatomy"], stages["samples"], stages["dose"], dose)
    summary = {
        "case": case.name,
        "scale": case.prescription.scale,
        "prescription_gye": case.prescription.total_gy_rbe,
        "arms": found,
    }
    if out is not None:
        write_text(out / "agreement.md", agreement_markdown(summary))
    return summary


def stored_or_new(
    case: Case,
    stages: dict[str, xr.Dataset],
    folder: Path | None,
    arm: str,
    *,
    histories: int,
    seed: int,
    keep: bool = True,
    progress: Progress = silent,
) -> xr.Dataset:
    """Take the Monte Carlo of an arm from a folder, or compute it and keep it there.

    One of other weights, histories or seed is computed again.
    """
    path = None if folder is None else folder / f"{arm}.nc"
    wanted = {"histories": histories, "seed": seed, "blur_mm": BLUR_MM, "plan": plan_digest(stages["spots"])}
    if path is not None and path.is_file():
        found = read_dataset(path, remedy="delete it, and it is computed again")
        if all(found.attrs.get(name) == value for name, value in wanted.items()):
            return found
    dose = recalculate(
        case, stages["anatomy"], stages["spots"],
        histories=histories, seed=seed, blur_mm=BLUR_MM, progress=progress,
    )  # fmt: skip
    if path is not None and keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_dataset(dose, path)
    return dose


def _named(progress: Progress, name: str) -> Progress:
    return lambda message, done: progress(f"{name}: {message}", done)
