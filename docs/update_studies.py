"""Write docs/studies.md from docs/studies.json: what studies of the bundled case cost, and what they find.

`python docs/update_studies.py` writes the page. `python docs/update_studies.py FOLDER [WORK ...]` does the
work that is named, or all of it (an hour on two cores), in a new folder before, each in its own process.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from records import ROOT, commit, told

Record = dict[str, Any]

RECORD, PAGE = (ROOT / "docs" / f"studies.{suffix}" for suffix in ("json", "md"))

CASE = "t11_t12_mpnst"
WORK = {
    "run": f"doseplan run {CASE}",
    "sweep": f"doseplan sweep {CASE} --separation-mm 0:10:1",
    "margin": f"doseplan margin {CASE} --setup-mm 2",
}
"""A run of three arms, eleven separations, and a margin for errors with its proof, in this order."""


def measure(folder: Path, name: str) -> Record:
    """Do one of the works, and say what it took and found."""
    out = folder / name
    words = [*WORK[name].split()[1:], "--out", str(out)]
    told(" ".join(words[:-2]))
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "doseplan", *words])
    _, status, used = os.wait4(process.pid, 0)
    took = {
        "commit": commit("studies"),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "seconds": round(time.monotonic() - began),
        "processor_seconds": round(used.ru_utime + used.ru_stime),
        "peak_gib": round(used.ru_maxrss / 2**20, 1),
    }
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise SystemExit(f"{name} failed")
    if name == "margin":
        margins = json.loads((out / "margin.json").read_text(encoding="utf-8"))["margins"]
        took["margins"] = [
            {key: each[key] for key in ("said", "robust", "total_gy_rbe", "tried")} for each in margins
        ]
    return took


HEAD = """# What studies cost

Written by `python docs/update_studies.py` from `docs/studies.json`; nothing here is typed by hand.

Times are those of whole commands, start and beam library included, on the bundled case.

| Command | Time [s] | Processor time [s] | Peak memory [GiB] | Processors | Commit |
|---|---|---|---|---|---|
"""


def page(record: Record) -> str:
    """Lay out what is known."""
    rows = [
        f"| `{WORK[name]}` | {took['seconds']} | {took['processor_seconds']} | {took['peak_gib']:.1f} | "
        f"{took['processors']} | {took['commit']} |"
        for name, took in record.items()
    ]
    return "\n".join([HEAD + "\n".join(rows), "", *_sweep_lines(record), *_margin_lines(record)]) + "\n"


def _sweep_lines(record: Record) -> list[str]:
    """Compare a sweep with single runs."""
    if not {"run", "sweep"} <= set(record):
        return []
    ratio = record["sweep"]["processor_seconds"] / record["run"]["processor_seconds"]
    return [
        "## Eleven separations",
        "",
        f"The sweep of eleven points takes the processor time of {ratio:.1f} single runs of three arms.",
        "",
    ]


def _margin_lines(record: Record) -> list[str]:
    """Tell what the search for a margin found, plan after plan."""
    if "margin" not in record:
        return []
    lines = ["## A margin for errors", ""]
    for margin in record["margin"]["margins"]:
        lines += [f"{margin['said']}.", ""]
    robust = [each for each in record["margin"]["margins"] if each["robust"]]
    lines += [
        "Plans for errors: lowest target minimum in any of nine scenarios, and where a proof was tried what "
        "no plan exceeds. The gap is in parts of the prescription.",
        "",
        "| Separation [mm] | Achieved [GyE] | Proven maximum [GyE] | Gap [%] | All goals |",
        "|---|---|---|---|---|",
    ]
    for margin in robust:
        for tried in margin["tried"]:
            least, bound = tried["target_minimum_gye"], tried["bound_gye"]
            proven = ("", "")
            if bound is not None:
                proven = (f"{bound:.2f}", f"{100.0 * (bound - least) / margin['total_gy_rbe']:.1f}")
            met = "met" if tried["goals_met"] else "proven impossible" if tried["impossible"] else "not met"
            lines.append(f"| {tried['separation_mm']:g} | {least:.2f} | {proven[0]} | {proven[1]} | {met} |")
    return lines


def main(words: list[str]) -> None:
    """Measure what is named, and write the page."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    if words:
        folder = Path(words[0])
        folder.mkdir(parents=True)
        for name in words[1:] or list(WORK):
            record[name] = measure(folder, name)
            ordered = {each: record[each] for each in WORK if each in record}
            RECORD.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(RECORD.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
