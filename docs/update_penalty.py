"""Write docs/penalty.md from docs/penalty.json: our plan beside one by penalties and L-BFGS-B.

`python docs/update_penalty.py` writes the page. `python docs/update_penalty.py --measure` first plans the
bundled case without surgery, both ways (many minutes).
"""

import json
import platform
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from records import ROOT, commit, told
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from doseplan import schema
from doseplan.anatomy import build_phantom
from doseplan.case import Case, bundled_cases, load_case
from doseplan.case.limits import limit_gy_rbe
from doseplan.dose import beam_library, sample_dose
from doseplan.evaluation import judge_arm
from doseplan.planning.problem import (
    Problem,
    column_scale,
    gather,
    influence_channels,
    rbe_dose,
    rbe_slopes,
)
from doseplan.planning.seen import Seen, seen_samples
from doseplan.planning.solver import least_squares_start
from doseplan.study.pipeline import Scene, plan_scene, set_scene

Record = dict[str, Any]
Array = NDArray[np.float64]

RECORD, PAGE = (ROOT / "docs" / f"penalty.{suffix}" for suffix in ("json", "md"))
CASE = "t11_t12_mpnst"

BELOW = 0.9
"""The cord is penalised from this part of its limit on: a finite weight brings its maximum to the limit."""

WITHIN_GYE = 0.1
"""[Gy(RBE)] the cord's maximum is brought this near to its limit."""

FIRST_WEIGHT, FACTOR, MOST_TRIALS = 10.0, 10.0, 14
"""Weight of the cord against the target to begin with, what it grows by at first, and most trials."""

ITERATIONS, MEMORY = 2000, 20
"""L-BFGS-B ends before that many if no step gains `GAIN`."""

GAIN = 1e-7
"""[1] of the objective: a step that gains less has converged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A plan for one weight of the cord.

    `seconds` of the processor since the first trial began; `converged` unless iterations ran out.
    """

    cord_weight: float
    cord_maximum_gye: float
    target_minimum_gye: float
    iterations: int
    converged: bool
    seconds: float


def penalty_plan(seen: Seen, *, iterations: int = ITERATIONS) -> tuple[Array, list[Trial]]:
    """Minimise quadratic penalties on all samples, and bisect the cord's weight until its limit is met.

    Penalties are means of squared differences in Gy(RBE): of the target below the prescription and above
    its maximum, of the cord above `BELOW` times its maximum, of other tissue above its maximum. Weights of
    spots are squares, so that none is negative. Each trial starts from the plan before.

    Returns
    -------
    (spot,) [1e6 ions]
        Of the last trial.
    trials
    """
    every = np.arange(seen.scenario.size)
    problem = seen.problem([each.operator() for each in seen.pairs(every)], every)
    cord = seen.structure == schema.STRUCTURES["cord"]
    limit = float(seen.upper[cord].max())
    scale = column_scale(problem)
    used = scale > 0.0
    root = np.sqrt(least_squares_start(problem) / np.where(used, scale, 1.0))
    trials: list[Trial] = []
    weight, low, high = FIRST_WEIGHT, 0.0, np.inf
    started = time.process_time()
    while len(trials) < MOST_TRIALS:
        told(f"cord weight {weight:.4g}")
        value = _Penalties(seen, problem, scale, weight)
        with threadpool_limits(1, user_api="blas"):
            options = {"maxiter": iterations, "maxcor": MEMORY, "ftol": GAIN}
            found = minimize(value, root, jac=True, method="L-BFGS-B", options=options)
        root = found.x
        gye = seen.gye(seen.exact(np.square(root) * scale, every))
        trials.append(
            Trial(
                cord_weight=weight,
                cord_maximum_gye=float(gye[cord].max()),
                target_minimum_gye=float(gye[seen.is_target].min()),
                iterations=int(found.nit),
                converged=bool(found.success),
                seconds=time.process_time() - started,
            )
        )
        excess = trials[-1].cord_maximum_gye - limit
        if abs(excess) <= WITHIN_GYE:
            break
        low, high = (weight, high) if excess > 0.0 else (low, weight)
        if np.isinf(high):
            weight *= FACTOR
        else:
            weight = high / FACTOR if low == 0.0 else float(np.sqrt(low * high))
    return np.square(root) * scale, trials


class _Penalties:
    """The objective and its slopes by square roots of scaled weights."""

    def __init__(self, seen: Seen, problem: Problem, scale: Array, cord_weight: float) -> None:
        self.problem, self.scale = problem, scale
        self.seen, self.target = seen, seen.is_target
        cord = seen.structure == schema.STRUCTURES["cord"]
        self.most = np.where(cord, BELOW * seen.upper, seen.upper)
        parts = (self.target, cord, ~self.target & ~cord)
        self.share = np.zeros(cord.size)
        for chosen, weight in zip(parts, (1.0, cord_weight, 1.0), strict=True):
            self.share[chosen] = weight / max(int(chosen.sum()), 1)

    def __call__(self, root: Array) -> tuple[float, Array]:
        """Give the sum of penalties and its slopes."""
        channels = influence_channels(self.problem, np.square(root) * self.scale)
        gye = rbe_dose(self.problem, channels)
        over = np.where(np.isfinite(self.most), np.maximum(gye - self.most, 0.0), 0.0)
        under = np.where(self.target, np.minimum(gye - self.problem.prescription_gye, 0.0), 0.0)
        miss = over + under
        by_linear, by_root = rbe_slopes(self.problem, channels)
        slope = 2.0 * self.share * miss
        by_weight = gather(self.problem, slope * by_linear, slope * by_root)
        return float(np.sum(self.share * miss * miss)), 2.0 * root * self.scale * by_weight


def measure(case: Case, *, iterations: int = ITERATIONS) -> Record:
    """Plan a case without surgery both ways."""
    library = beam_library()
    first, *others = (
        build_phantom(case, separation_mm=each) for each in (None, 0.0, case.surgery.separation_mm)
    )
    scene = set_scene(case, first, library, others=others)
    told("ours")
    began = time.process_time()
    planned, _ = plan_scene(case, scene, library)
    ours = {**numbers(case, scene, planned, library), "seconds": time.process_time() - began}
    told("penalties")
    seen = seen_samples(case, scene.samples, scene.spots, library, [scene.rays])
    weight, trials = penalty_plan(seen, iterations=iterations)
    other = scene.spots.assign(weight=schema.variable("weight", weight))
    return {
        "commit": commit("penalty"),
        "python": platform.python_version(),
        "threads": numba.get_num_threads(),
        "case": case.name,
        "prescription_gye": case.prescription.total_gy_rbe,
        "cord_limit_gye": min(
            limit_gy_rbe(case, each) for each in case.constraint if each.structure == "cord"
        ),
        "samples": int(scene.samples.sizes["sample"]),
        "spots": int(scene.spots.sizes["spot"]),
        "ours": ours,
        "penalty": {**numbers(case, scene, other, library), "seconds": trials[-1].seconds},
        "trials": [asdict(each) for each in trials],
    }


def numbers(case: Case, scene: Scene, spots: xr.Dataset, library: xr.Dataset) -> Record:
    """Judge a plan as `doseplan run` does."""
    at_samples = sample_dose(case, scene.phantom, scene.samples, spots, library, rays=scene.rays)
    arm = judge_arm(case, scene.phantom, scene.samples.assign(at_samples.data_vars))
    hard = [goal["name"] for goal in arm["goals"] if goal["hard"] and not goal["met"]]
    return {
        "target_minimum_gye": arm["tumour"]["dmin_gye"],
        "target_d98_gye": arm["tumour"]["d98_gye"],
        "cord_maximum_gye": arm["cord"]["max_gye"],
        "limits_broken": hard,
    }


HEAD = """# Beside a plan by penalties

Written by `python docs/update_penalty.py` from `docs/penalty.json`; nothing here is typed by hand.

Most planning systems minimise a sum of quadratic penalties with L-BFGS-B. Here that is done on the same
influence: all samples are seen, weights are squares so that none is negative, target doses below the
prescription, and doses of every structure above their maxima, are penalised, the cord from nine tenths of its
maximum on. The weight of the cord is bisected, each trial from the plan before, until the cord's maximum is
within 0.1 GyE of its limit in the exact dose; each trial runs until a step gains less than a ten-millionth.
"""


def page(record: Record) -> str:
    """Lay out what is known."""
    lines = [
        HEAD,
        f"Case `{record['case']}` without surgery, {record['prescription_gye']:g} GyE, cord limit "
        f"{record['cord_limit_gye']:g} GyE, {record['samples']} samples, {record['spots']} spots, commit "
        f"{record['commit']}, Python {record['python']}, {record['threads']} threads. Seconds are of the "
        "processor, from the traced rays to the weights.\n",
        "| Plan | Target minimum [GyE] | Target D98 [GyE] | Cord maximum [GyE] | Limits broken | Time [s] |",
        "|---|---|---|---|---|---|",
    ]
    for name, said in (("ours", "doseplan"), ("penalty", "penalties, L-BFGS-B")):
        found = record[name]
        lines.append(
            f"| {said} | {found['target_minimum_gye']:.2f} | {found['target_d98_gye']:.2f} | "
            f"{found['cord_maximum_gye']:.2f} | {', '.join(found['limits_broken']) or 'none'} | "
            f"{found['seconds']:.0f} |"
        )
    lines += [
        "\n" + verdict(record) + "\n",
        "| Cord weight | Cord maximum [GyE] | Target minimum [GyE] | Iterations | Time so far [s] |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {each['cord_weight']:.4g} | {each['cord_maximum_gye']:.2f} | {each['target_minimum_gye']:.2f} | "
        f"{each['iterations']}{'' if each['converged'] else ' (not converged)'} | {each['seconds']:.0f} |"
        for each in record["trials"]
    ]
    return "\n".join(lines) + "\n"


def verdict(record: Record) -> str:
    """Say who wins, and what the same time gives."""
    ours, other = record["ours"], record["penalty"]
    said = []
    for key, name in (("target_minimum_gye", "target minimum"), ("target_d98_gye", "D98")):
        more = ours[key] - other[key]
        said.append(
            f"the {name} of doseplan's plan is {abs(more):.2f} GyE {'higher' if more > 0 else 'lower'}"
        )
    in_time = [each for each in record["trials"] if each["seconds"] <= ours["seconds"]]
    ended = f"{len(in_time)} of {len(record['trials'])} trials of the penalties have ended"
    held = [each for each in in_time if each["cord_maximum_gye"] <= record["cord_limit_gye"] + WITHIN_GYE]
    best = max((each["target_minimum_gye"] for each in held), default=None)
    end = (
        "no plan of theirs holds the cord limit yet"
        if best is None
        else f"the best that holds the cord limit has a target minimum of {best:.2f} GyE"
    )
    return f"{said[0][0].upper()}{said[0][1:]}, {said[1]}. When doseplan's plan is there, {ended}, and {end}."


def main(words: list[str]) -> None:
    """Measure if that is asked for, and write the page."""
    if words not in ([], ["--measure"]):
        sys.exit(f"update_penalty: expected nothing or --measure, got {' '.join(words)}")
    if words:
        record = measure(load_case(bundled_cases()[CASE]))
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(RECORD.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
