"""Write docs/populations.md from docs/populations.json: what is drawn, and what a thousand anatomies cost.

`python docs/update_populations.py` writes the page. `python docs/update_populations.py CASE COUNT` measures
first, on one thread: so many anatomies of the bundled case, or of `coarse`, a case that is quick to plan.
Compile the kernels before (`doseplan run`), or the first anatomy pays for it.
"""

import json
import math
import platform
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numba
import numpy as np
from records import ROOT, commit, told

from doseplan.case import bundled_cases, load_case, parse_case, read_population
from doseplan.case.levels import SPREAD_PERCENT
from doseplan.case.population_spec import NumberDraw, Population
from doseplan.exchange import finished_points
from doseplan.study import ranking, sample_population, shares
from doseplan.study.population import ANATOMIES

Record = dict[str, Any]

RECORD, PAGE = (ROOT / "docs" / f"populations.{suffix}" for suffix in ("json", "md"))

STUDY = 1000
"""Anatomies of the study whose cost is told."""

COARSE = """name = "coarse"
goal = [{ min_percent = 70.0 }]
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
delivery = { spot_spacing_mm = 6.0, layer_spacing_mm = 6.0 }
grid = { voxel_mm = 3.0, z_mm = [-16.0, 34.0] }

[anatomy]
levels = "T10-T12"
origin_below = "T11"

[tumour]
side = "left"
epidural_length_mm = 14.0
bone_diameter_mm = 12.0
bone_height_mm = 0.0
foramen_diameter_mm = 9.0
paraspinal_width_mm = 14.0
paraspinal_depth_mm = 14.0
paraspinal_length_mm = 14.0
"""

STEPS = {"coarse": [0.0, 1.0, 2.0, 3.0, 4.0]}
WHOLE_RANGE = [float(each) for each in range(11)]
"""[mm] separations that are searched."""


def measure(name: str, count: int) -> Record:
    """Draw anatomies one after the other, and note what each costs."""
    numba.set_num_threads(1)
    coarse, version = name == "coarse", commit("populations")
    case = parse_case(COARSE, None, where="coarse.toml") if coarse else load_case(bundled_cases()[name])
    steps = STEPS.get(name, WHOLE_RANGE)
    found = []
    with TemporaryDirectory(prefix="doseplan-populations-") as folder:
        for number in range(count):
            told(f"{name}: anatomy {number + 1} of {count}")
            before = time.process_time()
            kept = sample_population(case, anatomies=number + 1, separation_mm=steps, out=folder)
            took = time.process_time() - before
            plans = finished_points(Path(folder) / ANATOMIES / f"{number:04d}")
            margin = float(kept["margin"].sel(errors="nominal", anatomy=number))
            found.append(
                {
                    "cpu_s": round(took, 1),
                    "plans": len(plans),
                    "margin_mm": margin if math.isfinite(margin) else None,
                    "refused": bool(kept["refused"].sel(anatomy=number)),
                }
            )
    return {
        "commit": version,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "range_mm": [steps[0], steps[-1], steps[1] - steps[0]],
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "anatomies": found,
    }


HEAD = """# Populations: how many patients need how many millimetres

Written by `python docs/update_populations.py` from `docs/populations.json` and the bundled table; no number
here is typed by hand.

One case says what one anatomy needs. `doseplan population` draws many: level, posture, the sizes of canal,
sac and cord, where the cord lies in the sac, how far the tumour reaches round it. Each is searched for its
smallest separation, as `doseplan margin` does.

```sh
doseplan population t11_t12_mpnst --anatomies 64 --separation-mm 0:10:1 --out runs/many
doseplan population t11_t12_mpnst --anatomies 256 --separation-mm 0:10:1 --out runs/many --local-workers 8
```

The second command goes on with the folder of the first: the first 64 anatomies are the same. Stop it
whenever you like. The folder gets `population.nc` (everything), `population.csv` (a line for each anatomy),
`population.png`, and the points of each anatomy, a study of its own. An anatomy that can't be a case, or
that can't be planned (such as one whose tumour is gone at the widest separation), is counted as refused
and named with the reason.

## What is drawn

The bundled table is `doseplan/data/population.toml`; `--table FILE` takes another one of the same form.
Percentiles are of the normal distribution that the morphometry has for the drawn level. Draws are
independent of each other; spines are straight, so kyphosis is not among them. How the patient is rolled can
be, by a key of the fields as shown below.
"""

OWN = """
```toml
name = "my patients"

[level]
names = ["T10", "T11", "T12"]
weights = [1.0, 2.0, 1.0]
source = "our register, 2015 to 2024"

[[number]]
name = "roll"
keys = ["fields[0].roll_deg", "fields[1].roll_deg"]
normal = [0.0, 2.0]
within = [-5.0, 5.0]
source = "assumed"
```

## What may be read from it
"""


def page(record: Record) -> str:
    """Lay out what is known."""
    lines = [HEAD, *_drawn(read_population()), OWN]
    lines += [
        f"- Uncertainty: {shares.HOW}.",
        f"- Ranking: {ranking.HOW}.",
        f"- With fewer than {ranking.FEWEST} anatomies with a verdict nothing is ranked. What draws can "
        "tell from chance at all, for effects that rise or fall throughout:\n",
        *_detectable(),
        "\nMargins are steps, and many may be equal or above the range; the target minimum at the smallest "
        "separation is neither, and is ranked beside them. It tells more with few anatomies.\n",
        f"## What {STUDY} anatomies cost\n",
        "Measured on one thread; processor time is what the process used, whatever else the machine did. The "
        "cost of the study is the mean of the measured anatomies times their number, with twice its standard "
        "error where "
        "several were measured: one says the order of magnitude. "
        "With N workers, each on a core of its own, it takes an Nth of that on the clock.\n",
        "| Case | Separations [mm] | Measured | Plans each | Time of a plan [s] | Time of an anatomy [s] | "
        f"{STUDY} anatomies [h] | Peak memory [GiB] |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_cost(name, each) for name, each in record.items()]
    lines += ["\nThe anatomies that were measured:\n"]
    lines += [
        "| Case | Anatomy | Processor time [s] | Plans | Margin [mm] | Commit |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in record.items():
        for number, one in enumerate(each["anatomies"]):
            none = "refused" if one["refused"] else "none in range"
            margin = none if one["margin_mm"] is None else f"{one['margin_mm']:g}"
            lines.append(
                f"| {name} | {number} | {one['cpu_s']:.0f} | {one['plans']} | {margin} | {each['commit']} |"
            )
    lines += [TAIL]
    return "\n".join(lines)


TAIL = """
`coarse` has wide voxels and spots and a modest goal, so that it can be measured in minutes; its margins are
no advice. Refused anatomies cost little and are in the mean, as they would be in the study.

## More than one process, more than one machine

Plans of different anatomies, and points of a sweep on different voxels, do not wait for each other.
`--local-workers N` starts N processes of one thread on this machine, which listen to this machine only;
`--scheduler tcp://host:8786` gives the work to a dask scheduler that runs already, on any number of
machines. All workers write to the folder of the study, so other machines must see it at the same place,
with the same version of doseplan. Numbers are the same as in one process, bit for bit. A worker that dies
loses what it was planning, nothing that is finished; another does it again. Local workers may take
`--worker-gib` of memory each, and are ended above it: dask does so, and the work is given up after some
tries. Give addresses of schedulers that you trust only: whoever runs one can run programs on its workers
and on your machine.

```sh
pip install 'doseplan[cluster]'
doseplan sweep t11_t12_mpnst --separation-mm 0:10:1 --local-workers 4 --worker-gib 4
doseplan population t11_t12_mpnst --anatomies 1000 --separation-mm 0:10:1 --out runs/many --scheduler tcp://cluster:8786
```
"""


def _drawn(population: Population) -> list[str]:
    lines = ["| Drawn | How | Source |", "|---|---|---|"]
    if population.level is not None:
        near = population.level.neighbours
        lines.append(f"| level | that of the case and {near} on either side | {population.level.source} |")
    if population.posture is not None:
        lines.append(
            f"| posture | prone in {population.posture.prone_percent:g} % | {population.posture.source} |"
        )
    lines += [f"| {each.name} | {_how(each)} | {each.source} |" for each in population.number]
    lines += [
        f"\nWhere the morphometry has no spread, {SPREAD_PERCENT:g} % are assumed; the command says where."
    ]
    return lines


def _how(number: NumberDraw) -> str:
    if number.percentile:
        return f"percentile of {', '.join(f'`{each}`' for each in number.percentile)}"
    keys = ", ".join(f"`{each}`" for each in number.keys)
    assert number.uniform is not None, "all others of the bundled table"
    return f"{keys}, any from {number.uniform[0]:g} to {number.uniform[1]:g}"


def _detectable() -> list[str]:
    """Tell the least rank correlation that is told from chance, of all numbers of the bundled table."""
    drivers = len(read_population().names)
    lines = ["| Anatomies | Least rank correlation that is told |", "|---|---|"]
    for count in (20, 50, 100, 200, 500, 1000):
        lines.append(f"| {count} | {_least(count, drivers):.2f} |")
    return lines


def _least(count: int, drivers: int) -> float:
    """Invert the t test of a correlation at the corrected level: two tests of every driver."""
    from scipy.stats import t

    value = float(t.isf(0.5 * ranking.LEVEL / (2 * drivers), count - 2))
    return value / math.sqrt(count - 2 + value**2)


def _cost(name: str, each: Record) -> str:
    seconds = np.array([one["cpu_s"] for one in each["anatomies"]])
    plans = np.array([one["plans"] for one in each["anatomies"]])
    hours = STUDY * seconds.mean() / 3600.0
    spread = ""
    if seconds.size > 1:
        error = 2.0 * seconds.std(ddof=1) / math.sqrt(seconds.size) * STUDY / 3600.0
        spread = f" ± {error:.0f}"
    low, high, step = each["range_mm"]
    return (
        f"| {name} | {low:g} to {high:g} by {step:g} | {seconds.size} | {plans.mean():.1f} | "
        f"{seconds.sum() / max(plans.sum(), 1):.0f} | {seconds.mean():.0f} | {hours:.0f}{spread} | "
        f"{each['peak_gib']:.2f} |"
    )


def main(words: list[str]) -> None:
    """Measure if a case is named, and write the page."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if words:
        name, count = words
        record[name] = measure(name, int(count))
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(record), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
