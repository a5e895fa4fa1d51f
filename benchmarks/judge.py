"""Compare a run of the benchmarks with the stored ratios."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Record = dict[str, Any]

EXPONENT_LIMIT = 1.5
"""Work that should grow in a straight line must stay below this power of its size: half-way to a square.
Caches alone moved fitted powers by up to 0.4 on a busy machine."""

MEMORY_ALLOWANCE = 0.1
"""Peak memory is counted, not measured: more than this is a change of the program."""

LEAST_TOLERANCE = 0.25
"""Two runs on a noisy machine may differ by 0.15; other days of the same machine add to it."""

TWO_THREADS = "2 threads"


def regressions(found: Record, baseline: Record) -> list[str]:
    """List what is worse than in the baseline, a line each.

    Ratios on two threads are left out where there is one only, or other programs had a part of the cores.
    """
    two = not found["busy"] and max(found["threads"]) > 1
    lines: list[str] = []
    for name, row in found["rows"].items():
        stored = baseline["rows"].get(name)
        if stored is not None:
            lines += _slower(name, row["ratios"], stored["ratios"], two=two)
            allowed = (1.0 + MEMORY_ALLOWANCE) * stored["peak_mib"] + 1.0
            if row["peak_mib"] > allowed:
                lines.append(f"{name}: expected at most {allowed:.1f} MiB, got {row['peak_mib']:.1f} MiB")
        for axis, growth in row["growth"].items():
            if growth["exponent"] > EXPONENT_LIMIT:
                power = growth["exponent"]
                lines.append(f"{name}: expected growth below {axis}^{EXPONENT_LIMIT:g}, got ^{power:.2f}")
    return lines


def _slower(name: str, ratios: Mapping[str, float], stored: Record, *, two: bool) -> list[str]:
    lines = []
    for ratio, entry in stored.items():
        if TWO_THREADS in ratio and not two:
            continue
        if ratio not in ratios:
            lines.append(f"{name}: expected the ratio '{ratio}', got none")
        else:
            least = (1.0 - entry["tolerance"]) * entry["value"]
            if ratios[ratio] < least:
                lines.append(f"{name}: expected {ratio} of at least {least:.3g}, got {ratios[ratio]:.3g}")
    return lines


def baseline_of(runs: Sequence[Record]) -> Record:
    """Keep the median of each ratio, and as its tolerance what the runs differed by, and some more.

    Ratios on two threads are kept of runs only that had the cores for themselves.
    """
    rows = {}
    for name in runs[0]["rows"]:
        ratios = {}
        for ratio in runs[0]["rows"][name]["ratios"]:
            fit = [run for run in runs if not (run["busy"] and TWO_THREADS in ratio)]
            if fit:
                ratios[ratio] = _entry([run["rows"][name]["ratios"][ratio] for run in fit])
        rows[name] = {"ratios": ratios, "peak_mib": max(run["rows"][name]["peak_mib"] for run in runs)}
    return {"commit": runs[-1]["commit"], "runs": len(runs), "rows": rows}


def _entry(values: Sequence[float]) -> Record:
    middle = median(values)
    spread = (max(values) - min(values)) / middle
    # three runs span about 1.7 sigma: half as much again is what chance alone rarely passes
    return {"value": middle, "tolerance": min(max(LEAST_TOLERANCE, 1.5 * spread), 0.6), "spread": spread}
