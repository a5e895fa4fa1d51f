"""Write docs/planning.md from docs/planning.json: plans beside their proven maxima, and beside penalty plans.

`python docs/update_planning.py` writes the page. `python docs/update_planning.py RUN` measures first (about
ten minutes on two cores), on a finished run of the bundled case: every arm is proven, and the arm without
surgery is planned once more, by doseplan and by a penalty on the same influence.
"""

import json
import math
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numba
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from doseplan import schema
from doseplan.case import Case, parse_case
from doseplan.dose import beam_library, sample_dose, trace_spots
from doseplan.evaluation import evaluate_arm
from doseplan.exchange import read_run
from doseplan.planning import optimise
from doseplan.planning.bound import prove
from doseplan.planning.limits import largest_scale
from doseplan.planning.problem import Problem, column_scale, gather, influence_channels, rbe_dose, rbe_slopes
from doseplan.planning.seen import Seen, seen_samples
from doseplan.present import save_figure

Array = NDArray[np.float64]
Record = dict[str, Any]

ROOT = Path(__file__).parent.parent
RECORD, PAGE, PICTURE = (ROOT / "docs" / f"planning.{suffix}" for suffix in ("json", "md", "png"))

ARM = "none"
"""Where the cord limit binds."""

FIRST_WEIGHT, RISE = 1.0, 10.0
"""Of the cord's penalty: the first, and the factor by which it rises until the cord keeps its limit."""

HALVINGS = 4
"""Bisections, on the logarithm, of the weight."""

ITERATIONS = 400
"""Most iterations of L-BFGS-B for each weight; each starts where the one before ended."""


def measure(folder: Path) -> Record:
    """Prove all arms of a run, and plan one of them in two ways."""
    tree = read_run(folder)
    case = parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=str(folder))
    library = beam_library()
    arms = {}
    for arm in tree.children:
        told(f"{arm}: proof")
        phantom, samples, spots = stages(tree, arm)
        found = prove(case, phantom, samples, spots, library)
        arms[arm] = {
            "achieved_gye": float(spots.attrs["target_minimum_gye"]),
            "proven_gye": found.upper_gye,
            "history": [[round(float(each), 3) for each in point] for point in found.history],
        }
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "threads": numba.get_num_threads(),
        "case": case.name,
        "prescription_gye": case.prescription.total_gy_rbe,
        "arms": arms,
        "plans": plans(case, *stages(tree, ARM), library),
    }


def plans(
    case: Case, phantom: xr.Dataset, samples: xr.Dataset, spots: xr.Dataset, library: xr.Dataset
) -> dict[str, Record]:
    """Plan an arm by doseplan and by a penalty, and judge both in the same dose."""
    rays = trace_spots(phantom, spots, library)

    def judged(weight: Array, seconds: float) -> Record:
        planned = spots.assign(weight=schema.variable("weight", weight))
        dose = sample_dose(case, phantom, samples, planned, library, rays=rays)
        found = evaluate_arm(case, phantom, samples, dose)
        return {
            "cord_maximum_gye": found["cord"]["max_gye"],
            "target_minimum_gye": found["tumour"]["dmin_gye"],
            "d98_gye": found["tumour"]["d98_gye"],
            "v95_percent": found["tumour"]["v95_percent"],
            "processor_s": seconds,
        }

    told("doseplan's plan")
    started = time.process_time()
    own = optimise(case, phantom, samples, spots, library, rays=rays)
    seconds = time.process_time() - started
    seen = seen_samples(case, samples, spots, library, [rays])
    penalty = Penalty(seen, np.flatnonzero(seen.planned))
    tries = penalty.bisected()
    within = [each for each in tries if each["seconds"] <= seconds] or tries[:1]
    best_within, best = (max(each, key=penalty.minimum) for each in (within, tries))
    return {
        "doseplan": judged(own["weight"].values, seconds),
        "penalty, same time": judged(penalty.within_limits(best_within["weight"]), best_within["seconds"]),
        "penalty, run to the end": judged(penalty.within_limits(best["weight"]), tries[-1]["seconds"]),
    }


class Penalty:
    """Squared misses of the target, and squared excess over limits, the cord's with a weight of its own."""

    def __init__(self, seen: Seen, chosen: NDArray[np.int64]) -> None:
        """Build the influence on some samples."""
        self.seen = seen
        self.problem: Problem = seen.problem(chosen)
        self.scale = column_scale(self.problem)
        self.cord = seen.structure[chosen] == schema.STRUCTURES["cord"]
        self.every = np.arange(seen.scenario.size)
        self.started = time.process_time()

    def bisected(self) -> list[Record]:
        """Raise the cord's weight until its maximum is at the limit, and bisect; every try is kept."""
        tries: list[Record] = []
        amount = np.full(self.problem.spots, 1e-2)
        low, high, weight = 0.0, math.inf, FIRST_WEIGHT
        for _ in range(20):
            amount = self.solved(amount, weight)
            ions = amount * self.scale
            over = self.cord_over(ions)
            seconds = time.process_time() - self.started
            tries.append({"cord_weight": weight, "weight": ions, "seconds": seconds})
            told(f"penalty: cord weight {weight:.3g}, cord {over:+.2f} GyE, {seconds:.0f} s")
            low, high = (weight, high) if over > 0.0 else (low, weight)
            if math.isinf(high):
                weight *= RISE
            elif low == 0.0:
                weight /= RISE
            elif math.log(high / low) < math.log(RISE) / 2**HALVINGS:
                break
            else:
                weight = math.sqrt(low * high)
        return tries

    def solved(self, amount: Array, cord_weight: float) -> Array:
        """Minimise with L-BFGS-B under weights of at least zero."""
        problem, total = self.problem, self.problem.prescription_gye
        target = problem.target
        limited = np.isfinite(problem.upper)
        limit = np.where(limited, problem.upper, 0.0) / total
        # a penalty per sample, by the mean over its structure
        share = np.where(self.cord, cord_weight / self.cord.sum(), 1.0 / max(int((~self.cord).sum()), 1))

        def value(variables: Array) -> tuple[float, Array]:
            channels = influence_channels(problem, variables * self.scale)
            gye = rbe_dose(problem, channels) / total
            slopes = rbe_slopes(problem, channels)
            over = np.where(limited, np.maximum(gye - limit, 0.0), 0.0)
            short = np.maximum(1.0 - gye[target], 0.0)
            by_dose = 2.0 * share * over
            by_dose[target] -= 2.0 * short / target.size
            found = float(np.sum(share * over * over) + np.mean(short * short))
            by_dose /= total
            return found, self.scale * gather(problem, by_dose * slopes[0], by_dose * slopes[1])

        with threadpool_limits(1, user_api="blas"):
            result = minimize(
                value,
                amount,
                jac=True,
                method="L-BFGS-B",
                bounds=[(0.0, None)] * amount.size,
                options={"maxiter": ITERATIONS, "maxcor": 30, "ftol": 1e-12, "gtol": 1e-9},
            )
        return np.asarray(result.x)

    def cord_over(self, ions: Array) -> float:
        """Compute by how much [Gy(RBE)] the hottest cord sample, of all, is above its limit."""
        gye = self.seen.gye(self.seen.exact(ions, self.every))
        cord = self.seen.structure == schema.STRUCTURES["cord"]
        return float(np.max(gye[cord] - self.seen.upper[cord]))

    def within_limits(self, ions: Array) -> Array:
        """Scale a plan down until every limit holds at every sample, as doseplan does with its own."""
        linear, root = self.seen.exact(ions, self.every)
        return ions * largest_scale(
            linear, root, self.seen.upper, scale=self.problem.scale, fractions=self.problem.fractions
        )

    def minimum(self, tried: Record) -> float:
        """Compute the target minimum of a try within its limits."""
        gye = self.seen.gye(self.seen.exact(self.within_limits(tried["weight"]), self.every))
        return float(gye[self.seen.is_target].min())


def stages(tree: xr.DataTree, arm: str) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Take an arm's phantom, samples and spots."""
    phantom, samples, spots = (tree[arm][name].to_dataset() for name in ("anatomy", "samples", "spots"))
    return phantom, samples, spots


def commit() -> str:
    """Name the commit, with a plus where files other than the record's differ from it."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )

    changed = git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)docs/planning*").returncode
    return git("rev-parse", "--short", "HEAD").stdout.strip() + ("+" if changed else "")


def told(line: str) -> None:
    """Say on standard error what is being done."""
    sys.stderr.write(line + "\n")


HEAD = """# Plans and what is proven of them

Written by `python docs/update_planning.py` from `docs/planning.json`; nothing here is typed by hand.
"""


def page(record: Record) -> str:
    """Lay out what is known."""
    total = record["prescription_gye"]
    lines = [
        HEAD,
        f"Case `{record['case']}`, {total:g} GyE, commit {record['commit']}, Python {record['python']}, "
        f"{record['threads']} threads.\n",
        "## Achieved and proven\n",
        "Target minimum over all samples while all limits hold; no plan for these fields and spots gives "
        "more than the proven maximum. The gap is in parts of the prescription.\n",
        "| Arm | Achieved [GyE] | Proven maximum [GyE] | Gap [%] | Time of the proof [s] |",
        "|---|---|---|---|---|",
    ]
    for arm, found in record["arms"].items():
        gap = 100.0 * (found["proven_gye"] - found["achieved_gye"]) / total
        lines.append(
            f"| {arm} | {found['achieved_gye']:.2f} | {found['proven_gye']:.2f} | {gap:.1f} | "
            f"{found['history'][-1][0]:.0f} |"
        )
    lines += [
        "\n![Gap against time](planning.png)\n",
        "The first part of the time goes into finding the samples that bind; then mixtures are narrowed, "
        "then split.\n",
        "## Beside a penalty\n",
        f"Arm `{ARM}`, same influence, L-BFGS-B on squared misses; the weight of the cord's penalty is "
        "bisected until the cord maximum is at its limit, each try starting from the one before. Every plan "
        "is then scaled down until all limits hold at every sample, and judged in the same dose. Processor "
        "time, without tracing.\n",
        "| Plan | Cord maximum [GyE] | Target minimum [GyE] | D98 [GyE] | V95 [%] | Processor time [s] |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in record["plans"].items():
        values = [found[key] for key in ("cord_maximum_gye", "target_minimum_gye", "d98_gye")]
        numbers = " | ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {name} | {numbers} | {found['v95_percent']:.1f} | {found['processor_s']:.0f} |")
    return "\n".join(lines) + "\n"


def draw(record: Record) -> None:
    """Plot how the bound of each arm comes down to the plan."""
    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = figure.subplots()
        styles = ("-", "--", "-.", ":")
        for (arm, found), style in zip(record["arms"].items(), styles, strict=False):
            seconds, bound = np.array(found["history"]).T
            gap = 100.0 * (bound - found["achieved_gye"]) / record["prescription_gye"]
            axes.step(seconds, gap, where="post", linestyle=style, label=arm)
        axes.set_xlabel("time since the proof began [s]")
        axes.set_ylabel("bound above the plan [% of the prescription]")
        axes.set_ylim(bottom=0.0)
        axes.grid(alpha=0.3)
        axes.legend(title="arm")
        save_figure(figure, PICTURE)


def main(words: list[str]) -> None:
    """Measure if a run is named, and write the page."""
    if words:
        record = measure(Path(words[0]))
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    PAGE.write_text(page(record), encoding="utf-8")
    draw(record)


if __name__ == "__main__":
    main(sys.argv[1:])
