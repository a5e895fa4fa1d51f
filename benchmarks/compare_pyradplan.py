"""Compare with pyRadPlan: one box of water, the same grid, spots, depth doses and cut-off.

pyRadPlan lives in an environment of its own and is no dependency:

    python3 -m venv peer && peer/bin/pip install 'pyRadPlan==0.5.*' 'pydantic<2.14'
    python -m benchmarks.compare_pyradplan peer/bin/python

Arrays go to it and come back as .npz. Both use one thread and their processor time counts; pyRadPlan computes
absorbed dose, doseplan two channels. The result is `benchmarks/peer_pyradplan.json`, which docs/benchmarks.md
shows.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.biology.mkm import HSG
from doseplan.cli.bench import circumstances
from doseplan.dose import DoseOperator, dose_influence, dose_operator, trace_spots
from doseplan.dose.curves import GRAY_MM2_PER_IDD

from .contest import threads_limited

HERE = Path(__file__).parent
RESULT = HERE / "peer_pyradplan.json"

VOXEL_MM = 3.0
HALF = 24
"""Voxels on each side of the isocentre."""

SPACING_MM, SPOTS_ASIDE = 4.0, 5
CUTOFF = 1e-3
TARGET_MM = 18.0
ALPHA_X, BETA_X = 0.1, 0.05
"""Of photons [1/Gy, 1/Gy2]: what pyRadPlan gives structures that state none."""
TURNS = 5

Arrays = Mapping[str, np.ndarray]


def make_case(table: Arrays, *, biology: bool) -> dict[str, Any]:
    """Lay spots of every energy on a square grid; the beam enters at -y.

    With biology two channels are added up and RBE-weighted dose is planned, else absorbed dose.
    """
    axis = VOXEL_MM * (np.arange(2 * HALF + 1) - HALF)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    line = SPACING_MM * np.arange(-SPOTS_ASIDE, SPOTS_ASIDE + 1)
    u, v, layer = (each.ravel() for each in np.meshgrid(line, line, np.arange(table["energy"].size)))
    # the cut-off goes by the root channel
    curve = table["idd"] * np.sqrt(table["beta"]) if biology else table["idd"]
    amplitude = GRAY_MM2_PER_IDD * curve / (2.0 * np.pi * variance_of(table))
    with np.errstate(divide="ignore"):
        above = np.log(amplitude / (CUTOFF * amplitude.max(axis=1, keepdims=True)))
    central = np.flatnonzero((u == 0.0) & (v == 0.0))
    return {
        **table,
        "voxel_mm": VOXEL_MM,
        **dict.fromkeys("xyz", axis),
        "target": x**2 + y**2 + z**2 < TARGET_MM**2,
        "reach": np.sqrt(np.maximum(2.0 * variance_of(table) * above, 0.0)),
        "spot_uv": np.stack([u, v], axis=1).astype(float),
        "spot_layer": layer,
        "shown": central,
        "biology": biology,
        "prescription": 12.0 if biology else 4.0,
        "limit": 6.0 if biology else 2.0,
        "weight": 1.0,
    }


def variance_of(table: Arrays) -> np.ndarray:
    """Lateral variance over energy and depth [mm2]."""
    return np.asarray(table["air_sigma"][:, None] ** 2 + table["sigma"] ** 2)


def library_of(table: Arrays) -> xr.Dataset:
    """Make a beam library of one component; the channels of LEM I carry the table's alpha and beta."""
    idd = table["idd"][:, None]
    data = {
        "idd": idd,
        "idd_z_star": idd,
        "idd_let": idd,
        "idd_lem_linear": idd * table["alpha"][:, None],
        "idd_lem_root": idd * np.sqrt(table["beta"])[:, None],
        "lateral_sigma": table["sigma"][:, None],
        "air_sigma": table["air_sigma"],
        "r80": table["depth"][table["idd"].argmax(axis=1)],
        "energy": table["energy"],
        "depth": table["depth"],
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


def spots_of(case: Mapping[str, Any]) -> xr.Dataset:
    """Make the spots of the case."""
    layer = case["spot_layer"]
    data = {
        "gantry": [0.0], "couch": [0.0], "direction": [[0.0, 1.0, 0.0]], "u_axis": [[1.0, 0.0, 0.0]],
        "v_axis": [[0.0, 0.0, 1.0]], "isocentre": [0.0, 0.0, 0.0],
        "field_index": np.zeros(layer.size, int), "energy_index": layer, "spot_energy": case["energy"][layer],
        "spot_u": case["spot_uv"][:, 0], "spot_v": case["spot_uv"][:, 1],
        "weight": np.full(layer.size, case["weight"]),
    }  # fmt: skip
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


def ours(case: Mapping[str, Any]) -> dict[str, Any]:
    """Build the operator in every voxel, tracing included, and take objective and gradient of it."""
    axis, shape = case["x"], case["target"].shape
    water = {"rsp": np.ones(shape), "z": axis, "y": axis, "x": axis}
    phantom = xr.Dataset({name: schema.variable(name, values) for name, values in water.items()})
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    library, spots = library_of(case), spots_of(case)
    # the beam of pyRadPlan does not widen in air
    spots.attrs["nozzle_mm"] = 0.0
    scale = "LEM1" if case["biology"] else "NIRS"

    def build(pitch_mm: float | None) -> DoseOperator:
        rays = trace_spots(phantom, spots, library, pitch_mm=pitch_mm)
        return dose_operator(points, rays, library, scale=scale)

    operator, build_s = quickest(lambda: build(None))
    # as near to one ray a spot as the narrowest spot allows
    coarse = min(SPACING_MM, 1.4 * float(case["air_sigma"].min()))
    _, coarse_s = quickest(lambda: build(coarse))
    (objective, gradient), loop_s = quickest(objective_of(case, operator))
    rays = trace_spots(phantom, spots, library)
    entries, entries_s = quickest(
        lambda: dose_influence(points, rays, spots, library, scale=scale, relative_cutoff=CUTOFF), turns=1
    )
    # a channel that is the absorbed dose but for a factor; with biology there is none
    dose = entries["entry_root"].values / math.sqrt(HSG.beta)
    start, index = entries["entry_start"].values, entries["sample_index"].values
    shown = np.zeros((len(case["shown"]), points.shape[0]))
    for row, spot in enumerate(case["shown"]):
        own = slice(start[spot], start[spot + 1])
        shown[row, index[own]] = dose[own]
    return {
        "pairs": dose.size,
        "rays_and_samples": operator.pairs,
        "build": build_s,
        "build_coarse": coarse_s,
        "entries": entries_s,
        "loop": loop_s,
        "shown_dose": shown,
        "objective": objective,
        "gradient": gradient,
    }


def objective_of(case: Mapping[str, Any], operator: DoseOperator) -> Callable[[], tuple[float, np.ndarray]]:
    """Mean squared deviation in the target and mean squared overdose elsewhere, as pyRadPlan has them."""
    target = case["target"].ravel()
    weight = np.full(len(case["spot_layer"]), float(case["weight"]))
    share = np.where(target, 1.0 / target.sum(), 1.0 / (~target).sum())
    quantity = _rbe_weighted if case["biology"] else _absorbed

    def turn() -> tuple[float, np.ndarray]:
        linear, root = operator.forward(weight)
        dose, by_root, by_linear = quantity(root, linear)
        over = np.where(target, dose - case["prescription"], np.maximum(dose - case["limit"], 0.0))
        slope = 2.0 * share * over
        gradient = operator.adjoint(slope * by_linear, slope * by_root)
        return float((share * over**2).sum()), gradient

    return turn


def _absorbed(root: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    factor = 1.0 / math.sqrt(HSG.beta)
    return factor * root, np.full(root.size, factor), np.zeros(root.size)


def _rbe_weighted(root: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dose of photons with the same effect, and its derivatives by both channels."""
    gamma = 0.5 * ALPHA_X / BETA_X
    length = np.sqrt(gamma**2 + (linear + root**2) / BETA_X)
    by_effect = 0.5 / (BETA_X * length)
    return length - gamma, 2.0 * root * by_effect, by_effect


def quickest(run: Callable[[], Any], turns: int = TURNS) -> tuple[Any, dict[str, float]]:
    """Give the result and the least seconds of some turns: of one processor, of the clock with two."""
    result = run()
    least = {"cpu": math.inf, "wall": math.inf}
    with threads_limited(1):
        for _ in range(turns):
            start = time.process_time()
            run()
            least["cpu"] = min(least["cpu"], time.process_time() - start)
    for _ in range(turns):
        clock = time.perf_counter()
        run()
        least["wall"] = min(least["wall"], time.perf_counter() - clock)
    return result, least


def compare(peer: str) -> dict[str, Any]:
    """Run both on two cases: absorbed dose, and RBE-weighted dose, pyRadPlan's default for carbon."""
    script = [peer, str(HERE / "peer_pyradplan.py")]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        table, case, out = (Path(folder) / name for name in ("table.npz", "case.npz", "out.npz"))
        subprocess.run([*script, "table", str(table)], check=True)
        for name in ("absorbed", "rbe_weighted"):
            stated = make_case(dict(np.load(table)), biology=name == "rbe_weighted")
            np.savez(case, **stated)
            subprocess.run([*script, "run", str(case), str(out)], check=True)
            theirs = dict(np.load(out))
            found[name] = record(stated, ours(stated), theirs)
    size = {"voxels": stated["target"].size, "voxel_mm": VOXEL_MM, "spots": len(stated["spot_layer"])}
    whole = {"peer": f"pyRadPlan {theirs['version']}", "case": {**size, "relative_cutoff": CUTOFF}}
    return {**circumstances(), **whole, **found}


def record(case: Mapping[str, Any], mine: Mapping[str, Any], theirs: Arrays) -> dict[str, Any]:
    """Put times per pair, their ratios and the differences side by side."""
    pairs, their_pairs = mine["pairs"], int(theirs["pairs"])
    found: dict[str, Any] = {
        "pairs": {"ours": pairs, "peer": their_pairs},
        **{
            f"{work}_ns_per_pair": _pair(
                1e9 * mine[work]["cpu"] / pairs, 1e9 * float(theirs[f"{work}_cpu"]) / their_pairs
            )
            for work in ("build", "loop")
        },
        "coarse_build_ns_per_pair": _pair(
            1e9 * mine["build_coarse"]["cpu"] / pairs, 1e9 * float(theirs["build_cpu"]) / their_pairs
        ),
        "entries_ns_per_pair": 1e9 * mine["entries"]["cpu"] / pairs,
        "pairs_of_rays_and_voxels": mine["rays_and_samples"],
        "objective_ratio": mine["objective"] / float(theirs["objective"]),
    }
    if case["biology"]:
        return found
    # its gradient of the RBE-weighted dose is not that of its objective, so only this one is compared
    steepest = np.abs(theirs["gradient"]).max()
    found["largest_gradient_difference"] = float(
        np.abs(mine["gradient"] - theirs["gradient"]).max() / steepest
    )
    most = theirs["shown_dose"].max(axis=1, keepdims=True)
    difference = np.abs(mine["shown_dose"] - theirs["shown_dose"]) / most
    found["pristine_spot"] = {
        "spots": len(case["shown"]),
        "largest_difference_percent_of_peak": 100.0 * float(difference.max()),
        "integral_ratio": float(mine["shown_dose"].sum() / theirs["shown_dose"].sum()),
    }
    return found


def _pair(mine: float, theirs: float) -> dict[str, float]:
    return {"ours": mine, "peer": theirs, "ratio": theirs / mine}


def main(arguments: list[str]) -> None:
    """Compare and keep the result."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        raise SystemExit("compare_pyradplan: expected the interpreter of pyRadPlan's environment")
    RESULT.write_text(json.dumps(compare(arguments[0]), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
