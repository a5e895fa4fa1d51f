"""A proof as plain lists for a file, and its check against influence that is computed anew."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.case.spec import Case
from doseplan.messages import InputError
from doseplan.planning.bound import Bound, traced
from doseplan.planning.checker import holds
from doseplan.planning.pool import Pool, choose, make_pool
from doseplan.planning.relaxation import Cut, Leaf, Proof
from doseplan.schema import STRUCTURES

NAMES = {number: name for name, number in STRUCTURES.items()}

VECTORS = ("target", "limit", "cut", "tangent")


def proof_record(bound: Bound) -> dict[str, Any]:
    """List a proof: its level, its samples and their scenarios, and the multipliers of its leaves."""
    return {
        "level_gye": bound.upper_gye,
        "scenarios": bound.scenarios,
        "target_samples": bound.target[:, 0].tolist(),
        "target_scenarios": bound.target[:, 1].tolist(),
        "limited_samples": bound.limited[:, 0].tolist(),
        "limited_scenarios": bound.limited[:, 1].tolist(),
        "steps": [_leaf_record(leaf) for leaf in bound.proof.steps],
        "leaves": [_leaf_record(leaf) for leaf in bound.proof.leaves],
    }


def holding(record: dict[str, Any], samples: xr.Dataset) -> list[dict[str, Any]]:
    """List the samples that hold the bound down, those with the largest multipliers first.

    Returns
    -------
    list of {kind, structure, position_mm, scenario, share}
        `kind` is "level" (a target sample that has to reach it) or "limit"; `scenario` 0 is as planned.
        `share` is the sample's part of all multipliers of its kind (target, limit), mean of the leaves.
    """
    try:
        parts = [
            (_names(record, kind), _mean_share(record["leaves"], name))
            for kind, name in (("target", "target"), ("limited", "limit"))
        ]
        structure, position = samples["sample_structure"].values, samples["sample_position"].values
        found = [
            {
                "kind": kind,
                "structure": NAMES[int(structure[number])],
                "position_mm": [round(float(each), 2) for each in position[number]],
                "scenario": int(scenario),
                "share": float(share),
            }
            for kind, (names, shares) in zip(("level", "limit"), parts, strict=True)
            for (number, scenario), share in zip(names, shares, strict=True)
            if share > 0.0
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"proof: expected samples, level and leaves, got {error!r}") from error
    return sorted(found, key=lambda each: -each["share"])


def _mean_share(leaves: list[dict[str, Any]], name: str) -> NDArray[np.float64]:
    shares = []
    for leaf in leaves:
        values = np.asarray(leaf[name], dtype=np.float64)
        shares.append(values / max(float(values.sum()), 1e-30))
    return np.asarray(np.mean(shares, axis=0))


def check_record(
    record: dict[str, Any],
    case: Case,
    phantom: xr.Dataset,
    samples: xr.Dataset,
    spots: xr.Dataset,
    library: xr.Dataset,
) -> bool:
    """Tell whether a stored proof holds, with rows computed anew from the case's samples and spots.

    Raises
    ------
    InputError
        The record is no proof of this case.
    """
    if "leaves" in record and not {"steps", "scenarios"} <= set(record):
        raise InputError(
            "proof: expected one with steps and scenarios, got one of an earlier version; `doseplan prove` "
            "makes it anew"
        )
    pool = make_pool(case, samples, traced(case, phantom, spots, library), spots, library)
    try:
        names = [_names(record, kind) for kind in ("target", "limited")]
        steps, leaves = (tuple(_leaf(each) for each in record[name]) for name in ("steps", "leaves"))
        proof = Proof(level_gye=float(record["level_gye"]), steps=steps, leaves=leaves)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"proof: expected samples, level and leaves, got {error!r}") from error
    target, limited = (
        _places(pool, each, kind) for each, kind in zip(names, ("target", "limited"), strict=True)
    )
    if not pool.is_target[target].all():
        raise InputError("proof: expected target samples of this case, got others")
    if not np.isfinite(pool.most_gye[limited]).all():
        raise InputError("proof: expected samples with a limit in this case, got others")
    return holds(proof, choose(pool, target, limited).evidence)


def _names(record: dict[str, Any], kind: str) -> NDArray[np.int64]:
    """Read which samples in which scenarios a proof speaks of: (row, 2)."""
    parts = [np.asarray(record[f"{kind}_{name}"], dtype=np.int64) for name in ("samples", "scenarios")]
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape or parts[0].size == 0:
        raise ValueError(f"{kind} samples")
    return np.column_stack(parts)


def _places(pool: Pool, names: NDArray[np.int64], kind: str) -> NDArray[np.int64]:
    """Find samples of a proof in the pool."""
    every = pool.names(np.arange(pool.row.size))
    size = int(every[:, 0].max()) + 1
    known = every[:, 1] * size + every[:, 0]  # rising
    wanted = names[:, 1] * size + names[:, 0]
    place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    if names.min() < 0 or names[:, 0].max() >= size or not np.array_equal(known[place], wanted):
        raise InputError(f"proof: expected numbers of {kind} samples of this case, got others")
    return place


def _leaf_record(leaf: Leaf) -> dict[str, Any]:
    path = [[cut.row, cut.ratio, cut.at_least] for cut in leaf.path]
    vectors = {name: getattr(leaf, name).tolist() for name in VECTORS}
    return {"level_gye": leaf.level_gye, "path": path, "chords": leaf.chords, **vectors}


def _leaf(record: dict[str, Any]) -> Leaf:
    path = tuple(
        Cut(row=int(row), ratio=float(ratio), at_least=bool(side)) for row, ratio, side in record["path"]
    )
    target, limit, cut, tangent = (np.asarray(record[name], dtype=np.float64) for name in VECTORS)
    return Leaf(
        level_gye=float(record["level_gye"]),
        path=path,
        chords=int(record["chords"]),
        target=target,
        limit=limit,
        cut=cut,
        tangent=tangent,
    )
