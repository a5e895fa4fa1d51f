"""The summary of a whole run."""

import json
from typing import Any

import xarray as xr

from doseplan import schema
from doseplan.case import parse_case
from doseplan.case.spec import Case
from doseplan.dose import implant_crossings
from doseplan.evaluation.arm import evaluate_arm
from doseplan.evaluation.bodies import body_doses
from doseplan.evaluation.daily import daily_metrics
from doseplan.evaluation.robust import robust_metrics
from doseplan.evaluation.staging import staging
from doseplan.messages import InputError


def evaluate(tree: xr.DataTree, case: Case | None = None) -> dict[str, Any]:
    """Judge every arm of a run.

    Parameters
    ----------
    tree
        With a child for each arm (`none`, `decompressed`, `separated`, ...), each with the nodes `anatomy`
        and `samples` (points and their final doses); attributes `case_toml`, `anatomy_toml`, and optionally
        `assumptions`, `versions` (JSON or plain) and `digest`.
    case
        By default read from the texts in the tree.

    Returns
    -------
    dict
        `summary.json`: arms, staging, case, scale, rbe_model, fractions, prescription_gye, assumptions,
        versions, digest.

    Raises
    ------
    InputError
        The tree is not a run, or a dose can't be judged; the line names arm and cause.
    """
    case = case or _case_of(tree)
    names = schema.in_order(map(str, tree.children))
    if not names:
        raise InputError(
            f"run: expected an arm of {', '.join(schema.ARMS)}, got {sorted(tree.children) or 'none'}"
        )
    doses = {name: _node(tree, name, "samples") for name in names}
    arms = {name: _arm(case, tree, name, doses[name]) for name in names}
    # each arm is held against the scale and the fractions of the case
    label = doses[names[0]]["sample_dose_rbe"].attrs
    return {
        "case": case.name,
        "scale": label["scale"],
        "rbe_model": label["rbe_model"],
        "fractions": int(label["fractions"]),
        "prescription_gye": case.prescription.total_gy_rbe,
        "arms": arms,
        "staging": staging(case, {name: _node(tree, name, "anatomy") for name in names}),
        "assumptions": _plain(tree.attrs.get("assumptions", list(case.assumptions))),
        "versions": _plain(tree.attrs.get("versions", {})),
        "digest": tree.attrs.get("digest"),
    }


def _case_of(tree: xr.DataTree) -> Case:
    for name in ("case_toml", "anatomy_toml"):
        if name not in tree.attrs:
            raise InputError(
                f"run: expected the attribute {name}, got {sorted(map(str, tree.attrs)) or 'none'}"
            )
    # a case without a name of its own is called like its file
    where = f"{tree.attrs.get('case', 'case')}.toml"
    return parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=where)


def judge_arm(case: Case, phantom: xr.Dataset, samples: xr.Dataset) -> dict[str, Any]:
    """Judge the doses of one arm, also in error scenarios, if it has any: then it has a part `robust`.

    With shifts that change from day to day it has a part `daily`.

    Parameters
    ----------
    samples
        With their doses.
    """
    metrics = evaluate_arm(case, phantom, samples, samples)
    daily = daily_metrics(case, samples)
    if daily is not None:
        metrics["daily"] = daily
    robust = robust_metrics(case, samples, metrics["separation_mm"])
    if robust is None:
        return metrics
    # a plan that was made for errors has to keep its limits in each of them
    kept = metrics["limits_met"] and (robust["limits_met"] or not robust["planned_for"])
    return {**metrics, "robust": robust, "limits_met": kept}


def _arm(case: Case, tree: xr.DataTree, name: str, samples: xr.Dataset) -> dict[str, Any]:
    phantom = _node(tree, name, "anatomy")
    try:
        metrics = judge_arm(case, phantom, samples)
        bodies = (
            body_doses(case, phantom, _node(tree, name, "dose")) if "dose" in tree[name].children else None
        )
        return {**metrics, "implants": _implants(tree, name, phantom, samples), "bodies": bodies}
    except InputError as error:
        raise InputError(*(f"{name}: {line}" for line in error.lines)) from error


def _implants(
    tree: xr.DataTree, name: str, phantom: xr.Dataset, samples: xr.Dataset
) -> list[dict[str, float]] | None:
    """Say per field whether it crosses implants; None without implants or fields."""
    if "rsp_ct" not in phantom or "spots" not in tree[name].children:
        return None
    target = samples["sample_structure"].values == schema.STRUCTURES["target"]
    return implant_crossings(phantom, _node(tree, name, "spots"), samples["sample_position"].values[target])


def _node(tree: xr.DataTree, arm: str, node: str) -> xr.Dataset:
    children = tree[arm].children
    if node not in children:
        raise InputError(f"run: {arm}: expected the node {node}, got {sorted(children) or 'none'}")
    return children[node].to_dataset()


def _plain(value: Any) -> Any:
    """Undo what a file does to lists and tables: JSON texts to values, arrays to lists."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return [value]
    return value if isinstance(value, dict) else [str(line) for line in value]
