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

LEAST_TOLERANCE = 0.15
"""What two runs on a noisy machine may differ by."""


def regressions(found: Record, baseline: Record) -> list[str]:
    """List what is worse than in the baseline, a line each.

    Ratios on two threads are left out where other programs had a part of the cores.
    """
    lines: list[str] = []
    for name, row in found["rows"].items():
        stored = baseline["rows"].get(name)
        if stored is not None:
            lines += _slower(name, row["ratios"], stored["ratios"], busy=found["busy"])
            allowed = (1.0 + MEMORY_ALLOWANCE) * stored["peak_mib"] + 1.0
            if row["peak_mib"] > allowed:
                lines.append(f"{name}: expected at most {allowed:.1f} MiB, got {row['peak_mib']:.1f} MiB")
        for axis, growth in row["growth"].items():
            if growth["exponent"] > EXPONENT_LIMIT:
                power = growth["exponent"]
                lines.append(f"{name}: expected growth below {axis}^{EXPONENT_LIMIT:g}, got ^{power:.2f}")
    return lines


def _slower(name: str, ratios: Mapping[str, float], stored: Record, *, busy: bool) -> list[str]:
    lines = []
    for ratio, entry in stored.items():
        if ratio not in ratios:
            lines.append(f"{name}: expected the ratio '{ratio}', got none")
        elif not (busy and "2 threads" in ratio):
            least = (1.0 - entry["tolerance"]) * entry["value"]
            if ratios[ratio] < least:
                lines.append(f"{name}: expected {ratio} of at least {least:.3g}, got {ratios[ratio]:.3g}")
    return lines


def baseline_of(runs: Sequence[Record]) -> Record:
    """Keep the median of each ratio, and as its tolerance what the runs differed by, and some more."""
    rows = {}
    for name in runs[0]["rows"]:
        found = [run["rows"][name] for run in runs]
        ratios = {}
        for ratio in found[0]["ratios"]:
            values = [row["ratios"][ratio] for row in found]
            middle = median(values)
            spread = (max(values) - min(values)) / middle
            # three runs span about 1.7 sigma: three times that is what chance alone rarely passes
            tolerance = min(max(LEAST_TOLERANCE, 1.5 * spread), 0.6)
            ratios[ratio] = {"value": middle, "tolerance": tolerance, "spread": spread}
        rows[name] = {"ratios": ratios, "peak_mib": max(row["peak_mib"] for row in found)}
    return {"commit": runs[-1]["commit"], "runs": len(runs), "rows": rows}
