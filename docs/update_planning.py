"""Write docs/planning.md from docs/planning.json: plans beside their proven maxima.

`python docs/update_planning.py` writes the page. `python docs/update_planning.py RUN FINER` measures first
(about ten minutes on two cores): every arm of a finished run of the bundled case is proven, and every arm of
a run of it with `--finer-spots`.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numba
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from records import ROOT, commit, told

from doseplan.case import bundled_cases, load_case, parse_case
from doseplan.case.limits import target_maximum_gye
from doseplan.dose import beam_library
from doseplan.exchange import read_run
from doseplan.planning.bound import prove
from doseplan.present import save_figure

Record = dict[str, Any]

RECORD, PAGE, PICTURE = (ROOT / "docs" / f"planning.{suffix}" for suffix in ("json", "md", "png"))


def measure(folder: Path, finer: Path) -> Record:
    """Prove all arms of a run, and of one with spots between."""
    record, between = measured(folder), measured(finer)
    return {**record, "finer": {name: between[name] for name in ("spots", "arms")}}


def measured(folder: Path) -> Record:
    """Prove all arms of a run."""
    tree = read_run(folder)
    case = parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=str(folder))
    library = beam_library()
    arms = {}
    for arm in tree.children:
        told(f"{folder.name}, {arm}: proof")
        phantom, samples, spots = stages(tree, arm)
        found = prove(case, phantom, samples, spots, library)
        arms[arm] = {
            "achieved_gye": float(spots.attrs["target_minimum_gye"]),
            "proven_gye": found.upper_gye,
            "history": [[round(float(each), 3) for each in point] for point in found.history],
        }
    return {
        "commit": commit("planning"),
        "python": platform.python_version(),
        "threads": numba.get_num_threads(),
        "case": case.name,
        "prescription_gye": case.prescription.total_gy_rbe,
        "spots": spots.sizes["spot"],
        "arms": arms,
    }


def stages(tree: xr.DataTree, arm: str) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Take an arm's phantom, samples and spots."""
    phantom, samples, spots = (tree[arm][name].to_dataset() for name in ("anatomy", "samples", "spots"))
    return phantom, samples, spots


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
        "more than the proven maximum. The target's own maximum is a bound, too. The gap is in parts of the "
        "prescription.\n",
        *proof_table(record),
    ]
    lines += [
        "\n![Gap against time](planning.png)\n",
        "The first part of the time goes into finding the samples that bind; then mixtures are narrowed, "
        "then split. Where the plan gives all that is prescribed, the first bound is left as it is.\n",
        "## With finer spots\n",
        "The same case planned and proven by `doseplan run CASE.toml --finer-spots`: spots of half the "
        f"spacing and half the step of energies, {record['finer']['spots']} in place of {record['spots']}, "
        "those before among them.\n",
        *proof_table({**record, **record["finer"]}),
    ]
    return "\n".join(lines) + "\n"


def proof_table(record: Record) -> list[str]:
    """Lay out what is achieved and proven in each arm."""
    total = record["prescription_gye"]
    lines = [
        "| Arm | Achieved [GyE] | Proven maximum [GyE] | Gap [%] | Time of the proof [s] |",
        "|---|---|---|---|---|",
    ]
    for arm, found in record["arms"].items():
        proven_gye = min(found["proven_gye"], most_gye(record))
        gap = 100.0 * (proven_gye - found["achieved_gye"]) / total
        lines.append(
            f"| {arm} | {found['achieved_gye']:.2f} | {proven_gye:.2f} | {gap:.1f} | "
            f"{found['history'][-1][0]:.0f} |"
        )
    return lines


def most_gye(record: Record) -> float:
    """Give the maximum that the case states for the target itself."""
    return target_maximum_gye(load_case(bundled_cases()[record["case"]]))


def draw(record: Record) -> None:
    """Plot how the bound of each arm comes down to the plan."""
    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = figure.subplots()
        styles = (("-", "o"), ("--", "s"), ("-.", "^"))
        for (arm, found), (style, mark) in zip(record["arms"].items(), styles, strict=True):
            seconds, bound = np.array(found["history"]).T
            gap = (
                100.0
                * (np.minimum(bound, most_gye(record)) - found["achieved_gye"])
                / record["prescription_gye"]
            )
            axes.step(seconds, gap, where="post", linestyle=style, marker=mark, markevery=[-1], label=arm)
        axes.set_xlabel("time since the proof began [s]")
        axes.set_ylabel("bound above the plan [% of the prescription]")
        axes.set_ylim(bottom=0.0)
        axes.grid(alpha=0.3)
        axes.legend(title="arm")
        save_figure(figure, PICTURE)


def main(words: list[str]) -> None:
    """Measure if two runs are named, and write the page."""
    if words:
        record = measure(*map(Path, words))
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    PAGE.write_text(page(record), encoding="utf-8")
    draw(record)


if __name__ == "__main__":
    main(sys.argv[1:])
