"""A proof as plain lists for a file, and its check against influence that is computed anew."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.case.spec import Case
from doseplan.dose import trace_spots
from doseplan.messages import InputError
from doseplan.planning.bound import Bound
from doseplan.planning.checker import holds
from doseplan.planning.pool import choose, make_pool
from doseplan.planning.relaxation import Cut, Leaf, Proof
from doseplan.schema import STRUCTURES

NAMES = {number: name for name, number in STRUCTURES.items()}

VECTORS = ("target", "limit", "cut", "tangent")


def proof_record(bound: Bound) -> dict[str, Any]:
    """List a proof: its level, the numbers of its samples, and the multipliers of its leaves."""
    return {
        "level_gye": bound.upper_gye,
        "target_samples": bound.target.tolist(),
        "limited_samples": bound.limited.tolist(),
        "steps": [_leaf_record(leaf) for leaf in bound.proof.steps],
        "leaves": [_leaf_record(leaf) for leaf in bound.proof.leaves],
    }


def holding(record: dict[str, Any], samples: xr.Dataset) -> list[dict[str, Any]]:
    """List the samples that hold the bound down, those with the largest multipliers first.

    Returns
    -------
    list of {kind, structure, position_mm, share}
        `kind` is "level" (a target sample that has to reach it) or "limit".
        `share` is the sample's part of all multipliers of its kind (target, limit), mean of the leaves.
    """
    try:
        parts = [
            (np.asarray(record[f"{kind}_samples"], dtype=np.int64), _mean_share(record["leaves"], name))
            for kind, name in (("target", "target"), ("limited", "limit"))
        ]
        structure, position = samples["sample_structure"].values, samples["sample_position"].values
        found = [
            {
                "kind": kind,
                "structure": NAMES[int(structure[number])],
                "position_mm": [round(float(each), 2) for each in position[number]],
                "share": float(share),
            }
            for kind, (numbers, shares) in zip(("level", "limit"), parts, strict=True)
            for number, share in zip(numbers, shares, strict=True)
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
    if "leaves" in record and "steps" not in record:
        raise InputError(
            "proof: expected one with steps, got one of an earlier version; `doseplan prove` makes it anew"
        )
    pool = make_pool(case, samples, trace_spots(phantom, spots, library), spots, library)
    try:
        numbers = [np.asarray(record[name], dtype=np.int64) for name in ("target_samples", "limited_samples")]
        steps, leaves = (tuple(_leaf(each) for each in record[name]) for name in ("steps", "leaves"))
        proof = Proof(level_gye=float(record["level_gye"]), steps=steps, leaves=leaves)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"proof: expected samples, level and leaves, got {error!r}") from error
    place = np.full(samples.sizes["sample"], -1, dtype=np.int64)
    place[pool.number] = np.arange(pool.number.size)
    for name, found in zip(("target", "limited"), numbers, strict=True):
        if found.size == 0 or found.min() < 0 or found.max() >= place.size:
            raise InputError(f"proof: expected numbers of {name} samples of this case, got others")
    target, limited = place[numbers[0]], place[numbers[1]]
    if not (pool.is_target[target] & (target >= 0)).all():
        raise InputError("proof: expected target samples of this case, got others")
    if not (np.isfinite(pool.most_gye[limited]) & (limited >= 0)).all():
        raise InputError("proof: expected samples with a limit in this case, got others")
    return holds(proof, choose(pool, target, limited).evidence)


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
