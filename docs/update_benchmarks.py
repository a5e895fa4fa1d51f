"""Write docs/benchmarks.md and its figure from stored results: `python docs/update_benchmarks.py`.

The results are those of `doseplan bench --out benchmarks/result.json`, of benchmarks/compare_pyradplan.py and
of `docs/update_planning.py`, which draws how proofs close.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from update_planning import RECORD as PROOFS
from update_planning import proof_table

from doseplan.cli.bench import benchmark_module

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
FIGURE = ROOT / "docs" / "benchmarks_growth.png"
RESULT = ROOT / "benchmarks" / "result.json"
BASELINE = ROOT / "benchmarks" / "baseline.json"
PEER = ROOT / "benchmarks" / "peer_pyradplan.json"

SECOND = benchmark_module("measure").SECOND

Record = dict[str, Any]

HEAD = """# Benchmarks

Written by `python docs/update_benchmarks.py` from stored results; nothing here is typed by hand.
`doseplan bench` prints the same table on your machine and exits 4 if a ratio is worse than the stored ones
(`benchmarks/baseline.json`). Trust ratios, not nanoseconds: they compare ways of doing the same work that
took turns in one run, in spells that are spread over it. On one thread the processor's time counts, on two
the clock; of each way the quickest turn.

- **naive**: the slow twin in plain Python that the tests compare with, at a small size.
- **scipy**, **numpy**: the usual tools, on one core.
- **of roofline**: the least time in which the bytes of the work can be read from memory, over the time taken;
  only where memory is the limit.
- **second thread**: how much quicker two threads make the work, over how much quicker they make sums that
  need neither memory nor each other; 1 is all that the machine gave at the time.
- **growth**: the fitted power of the size with which time grows; 1 is a straight line.
- **compile**: processor time of the first call with an empty cache, less that of a later one.
- **peak**: what one turn allocates at most.
"""

COLUMNS = (
    "Work",
    "ns per",
    "1 thread",
    "2 threads",
    "Bytes",
    "Others take times as long",
    "Of roofline",
    "Second thread",
    "Growth",
    "Compile",
    "Peak",
)


def main() -> None:
    """Write page and figure."""
    result, baseline, proofs, peer = (
        json.loads(path.read_text(encoding="utf-8")) for path in (RESULT, BASELINE, PROOFS, PEER)
    )
    PAGE.write_text(page(result, baseline, proofs, peer), encoding="utf-8")
    draw(result["rows"]).savefig(FIGURE, dpi=120, metadata={"Software": None})


def page(result: Record, baseline: Record, proofs: Record, peer: Record) -> str:
    """Lay out everything."""
    parts = (table(result), spread(baseline), figure_lines(result), proof_lines(proofs), peer_lines(peer))
    return "\n".join([HEAD, *(line for part in parts for line in part), ""])


def circumstances(record: Record) -> str:
    """Say what was measured."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return f"commit {record['commit'] or 'unknown'}, Python {record['python']}, {versions}"


def table(result: Record) -> list[str]:
    """Lay out the rows, and what was read from memory."""
    speed = ", ".join(f"{value:.0f} GB/s on {count}" for count, value in result["read_gb_per_s"].items())
    lines = ["## Kernels", "", f"{circumstances(result)}. Memory is read at {speed} thread(s)."]
    if result["busy"]:
        lines += [
            "",
            "Other programs had a part of the cores: times on two threads are not to be trusted here.",
        ]
    lines += ["", "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += [_line(name, row) for name, row in result["rows"].items()]
    return lines


def _line(name: str, row: Record) -> str:
    ratios, nanoseconds = row["ratios"], row["ns_per_piece"]
    others = [
        f"{ratio.split(' / ')[0]} {value:.3g}"
        for ratio, value in ratios.items()
        if ratio.endswith((" / kernel, 1 thread", "small size")) and not ratio.startswith("roofline")
    ]
    roof = ratios.get("roofline / kernel, 1 thread")
    two, second = nanoseconds.get("kernel, 2 threads"), ratios.get(SECOND)
    cells = [
        name.replace("_", " "),
        row["unit"],
        f"{nanoseconds['kernel, 1 thread']:.3g}",
        "" if two is None else f"{two:.3g}",
        f"{row['bytes_per_piece']:.0f}" if row["bytes_per_piece"] else "",
        ", ".join(others),
        "" if roof is None else f"{100.0 * roof:.0f} %",
        "" if second is None else f"{second:.2f}",
        ", ".join(f"{axis} {growth['exponent']:.2f}" for axis, growth in row["growth"].items()),
        f"{row['compile_s']:.1f} s",
        f"{row['peak_mib']:.1f} MiB",
    ]
    return "| " + " | ".join(cells) + " |"


def spread(baseline: Record) -> list[str]:
    """Say how well ratios repeat, on one thread and on two."""
    lines = [
        "",
        f"Later runs are judged by {baseline['runs']} whole ones (commit {baseline['commit']}), one by one.",
    ]
    for two, threads in ((False, "one thread"), (True, "two threads")):
        found = [
            (entry["spread"], f"{name.replace('_', ' ')}: {ratio}")
            for name, row in baseline["rows"].items()
            for ratio, entry in row["ratios"].items()
            if ("2 threads" in ratio) == two
        ]
        if found:
            most, which = max(found)
            percent = math.ceil(100.0 * most)
            lines.append(
                f"None of {len(found)} ratios on {threads} differs by more than {percent} % between them "
                f"(most: {which})."
            )
    return lines


def figure_lines(result: Record) -> list[str]:
    """Show the figure."""
    count = sum(len(row["growth"]) for row in result["rows"].values())
    return [
        "",
        "## Growth",
        "",
        f"![Time against work, {count} series](benchmarks_growth.png)",
        "",
        "Time on one thread against the pieces of work, along spots (layers), samples and the like. Grey",
        "lines rise in proportion.",
    ]


def proof_lines(proofs: Record) -> list[str]:
    """Show how the bound on the target minimum comes down to the plan with time."""
    return [
        "",
        "## Proofs",
        "",
        f"Case `{proofs['case']}`, {proofs['prescription_gye']:g} GyE, commit {proofs['commit']}, Python "
        f"{proofs['python']}, {proofs['threads']} threads.",
        "",
        *proof_table(proofs),
        "",
        "![Gap against time](planning.png)",
        "",
        "How far the proven maximum of the target minimum lies above the plan, while the proof goes on.",
        "[Plans and what is proven of them](planning.md) says more.",
    ]


def draw(rows: Record) -> Figure:
    """Draw time against pieces for every series."""
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes = figure.subplots()
    low, high = 1e99, 0.0
    for number, (name, row) in enumerate(rows.items()):
        for mark, (axis, growth) in zip("os^", row["growth"].items(), strict=False):
            series = f"{name.replace('_', ' ')}, {axis}"
            style = f"C{number}{mark}{'-' if number < 10 else '--'}"  # colours repeat after ten
            axes.loglog(growth["pieces"], growth["seconds"], style, ms=4, label=series)
            low, high = min(low, growth["pieces"][0]), max(high, growth["pieces"][-1])
    span = np.array([low, high])
    for per_piece in 10.0 ** np.arange(-10, -3):
        axes.loglog(span, span * per_piece, color="0.85", lw=0.7, zorder=0)
    times = [time for row in rows.values() for growth in row["growth"].values() for time in growth["seconds"]]
    axes.set_ylim(0.5 * min(times), 2.0 * max(times))
    axes.set_xlabel("pieces of work")
    axes.set_ylabel("seconds, one thread")
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def peer_lines(peer: Record) -> list[str]:
    """Lay out the comparison with pyRadPlan."""
    case, absorbed, weighted = peer["case"], peer["absorbed"], peer["rbe_weighted"]
    spot = absorbed["pristine_spot"]
    integral, objective, rbe_objective, gradient, voxel = (
        f"{100.0 * abs(part):.3f} %"
        for part in (
            spot["integral_ratio"] - 1.0,
            absorbed["objective_ratio"] - 1.0,
            weighted["objective_ratio"] - 1.0,
            absorbed["largest_gradient_difference"],
            0.01 * spot["largest_difference_percent_of_peak"],
        )
    )
    return [
        "",
        f"## {peer['peer']}",
        "",
        f"One box of water: {case['voxels']} voxels of {case['voxel_mm']:g} mm, {case['spots']} spots,",
        "the depth doses of its generic carbon machine in both, air offset off, the same cut-off",
        f"({case['relative_cutoff']:g} of a spot's largest dose); one thread, processor time.",
        "RBE-weighted dose is its default for carbon ions; doseplan always carries two channels. It builds",
        "composite curves, with sub-spots and tracing, instead of entries: times are per entry that they",
        "stand for, a pair of spot and voxel above the cut-off. The coarse lattice has about one ray for",
        f"each spot. There are {absorbed['pairs_of_rays_and_voxels']} pairs of rays and voxels; entries",
        f"that are written out take {absorbed['entries_ns_per_pair']:.3g} ns each.",
        f"{circumstances(peer)}.",
        "",
        "| ns per pair of spot and voxel | pairs here | pairs there | doseplan | pyRadPlan | times as fast |",
        "|---|---|---|---|---|---|",
        *_peer_rows("absorbed dose", absorbed),
        *_peer_rows("RBE-weighted dose", weighted),
        "",
        f"{spot['spots']} pristine spots differ by at most {voxel} of their peak in any voxel, their",
        f"integrals by {integral}; objectives by {objective} (absorbed) and {rbe_objective} (RBE-weighted),",
        f"the gradient by {gradient} of the largest. To run it again: see `benchmarks/compare_pyradplan.py`.",
    ]


def _peer_rows(quantity: str, found: Record) -> list[str]:
    pairs = found["pairs"]
    works = {
        "build": "built with sub-spots",
        "coarse_build": "built on the coarse lattice",
        "loop": "objective and gradient",
    }
    times = [(name, found[f"{key}_ns_per_pair"]) for key, name in works.items()]
    return [
        f"| {quantity}: {name} | {pairs['ours']} | {pairs['peer']} | {each['ours']:.3g} | {each['peer']:.3g} "
        f"| {each['ratio']:.1f} |"
        for name, each in times
    ]


if __name__ == "__main__":
    main()
