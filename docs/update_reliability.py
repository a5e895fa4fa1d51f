"""Write docs/reliability.md from docs/reliability.json, and measure what stands there.

`python docs/update_reliability.py` writes the page. What takes longer is asked for, and kept with its commit:

--fuzz TURNS        damaged inputs for each reader (20 minutes for 3000)
--explore SECONDS PYTHON   a fuzzer that watches coverage, in an environment with atheris
--faults            the tests that inject faults (two minutes)
--mutants FOLDER    counts of `.ci/mutants`, which has left FOLDER; other files keep theirs
"""

import importlib.util
import json
import platform
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
RECORD = ROOT / "docs" / "reliability.json"
SEED = 2
FAULTS = {
    "full disks, folders, kills, two processes, caches": "tests/faults",
    "damaged arms of a run": "tests/study/test_pipeline.py -k damaged",
    "kills of a sweep": "tests/study/test_sweep.py -k kill",
    "damaged, edited and older run folders": "tests/exchange/test_runs.py",
    "sizes, bombs, paths": "tests/exchange/test_sizes.py",
    "files that HDF5 does not come back from": "tests/exchange/test_seals.py",
    "no network": "tests/test_no_network.py",
    "inputs that once failed": "tests/fuzz -k once_failed",
}
HEAD = """# Reliability

What happens to doseplan when its input is damaged or made by somebody else, when the disk is full, when a
process is killed or meets another one. Written by `python docs/update_reliability.py` from
`docs/reliability.json`; nothing here is typed by hand.

An input ends well with a result, or with lines `where: expected rule, got value`. Everything else is a
failure: another exception, a crash of the process, no end within a minute.

The HDF5 library, which reads NetCDF, crashes on some damaged files and goes on without end on others. Files
of doseplan end with their SHA-256, and the library is shown only what agrees with it. Who makes such a file
on purpose can give it a right SHA-256, too: this is what the rows "sealed again on purpose" try. So a file
that this person neither wrote nor read here before is read in a process of its own first, which is ended
after half a minute.
"""


def targets() -> ModuleType:
    """Load the readers of the fuzz tests."""
    spec = importlib.util.spec_from_file_location("targets", ROOT / "tests" / "fuzz" / "targets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fuzz(turns: int) -> dict[str, Any]:
    """Feed every reader with so many damaged inputs."""
    module = targets()
    return {
        "turns": turns,
        "seed": SEED,
        "readers": {name: dict(module.outcomes(name, turns, SEED)) for name in module.TARGETS},
    }


def explore(seconds: int, python: str) -> dict[str, Any]:
    """Let the fuzzer that watches coverage feed every reader for so long."""
    found = {}
    for name in targets().TARGETS:
        command = [python, str(ROOT / "tests" / "fuzz" / "explore.py"), name, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 300)
        runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
        failed = sorted(set(re.findall(r"^failed: (.*)$", done.stderr, re.MULTILINE)))
        stopped = re.search(r"ERROR: libFuzzer: (.*?)(?: after|$)", done.stderr, re.MULTILINE)
        found[name] = {
            "runs": int(runs[1]) if runs else 0,
            "failures": failed + ([stopped[1]] if stopped else []),
        }
    return {"seconds": seconds, "readers": found}


class Outcomes:
    """Count how tests end."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: its call, or what kept it from being called."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1


def faults() -> dict[str, dict[str, int]]:
    """Run the tests that inject faults."""
    found = {}
    for name, words in FAULTS.items():
        outcomes = Outcomes()
        pytest.main(["-q", "-n0", "-p", "no:cacheprovider", *words.split()], plugins=[outcomes])
        found[name] = dict(outcomes.counts)
    return found


def mutants(folder: Path) -> dict[str, dict[str, Any]]:
    """Count what became of the mutants of each file, and gather the changes that survived."""
    names = {0: "survived", 1: "killed", 3: "killed", 33: "not covered", 36: "timeout", -24: "timeout"}
    found = {}
    for path in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].values()
        counted = Counter(names.get(code, "not run" if code is None else "other") for code in codes)
        if counted:
            name = path.with_suffix("").relative_to(folder).as_posix()
            left = path.with_suffix(".diff").read_text(encoding="utf-8")
            found[name] = {"commit": commit(folder), "counts": dict(counted), "survived": survivors(left)}
    return found


def survivors(text: str) -> list[dict[str, str]]:
    """Read what `mutmut show` said of the mutants of a file: the function, its line and what it became."""
    found = []
    for part in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        head, *lines = part.splitlines()
        # doseplan.room.file.x_function__mutmut_7, or xǁClassǁmethod
        name = re.search(r"\.x[_ǁ](.+)__mutmut_\d+: survived$", head)
        if name is not None:
            rows = [line for line in lines if not line.startswith(("---", "+++"))]
            changed = {
                sign: "\n".join(row[1:].strip() for row in rows if row.startswith(sign)) for sign in "-+"
            }
            found.append({"in": name[1].replace("ǁ", "."), "line": changed["-"], "became": changed["+"]})
    return found


def commit(checkout: Path) -> str:
    """Name the commit of a checkout."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=checkout, capture_output=True, text=True
    )
    return head.stdout.strip()


def stamped(content: dict[str, Any], checkout: Path = ROOT) -> dict[str, Any]:
    """Add when and with what something was measured."""
    return {
        "commit": commit(checkout),
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "found": content,
    }


def page(record: dict[str, Any]) -> str:
    """Lay out what is known."""
    parts = [HEAD]
    if "fuzz" in record:
        parts += _fuzz(record["fuzz"])
    if "explore" in record:
        parts += _explore(record["explore"])
    if "faults" in record:
        parts += _faults(record["faults"])
    if "mutants" in record:
        parts += _mutants(record["mutants"])
    return "\n".join(parts) + "\n"


def _measured(part: dict[str, Any], command: str) -> str:
    return f"`{command}`, commit {part['commit']}, {part['date']}, Python {part['python']}.\n"


def _fuzz(part: dict[str, Any]) -> list[str]:
    found, known = part["found"], targets().TARGETS
    lines = [
        "\n## Damaged inputs\n",
        "Whole inputs are cut, doubled, overwritten and swapped in places, up to three times each; "
        "values of texts are replaced.",
        _measured(part, f"python docs/update_reliability.py --fuzz {found['turns']}"),
        "| Input | Tried | Result | Lines | Failures |\n|---|---|---|---|---|",
    ]
    for name, counts in found["readers"].items():
        good = [counts.get(each, 0) for each in ("result", "line")]
        failures = {key: count for key, count in counts.items() if key not in ("result", "line")}
        said = ", ".join(f"{count} {key}" for key, count in failures.items()) or "0"
        lines.append(f"| {known[name][0]} | {sum(counts.values())} | {good[0]} | {good[1]} | {said} |")
    return lines


def _explore(part: dict[str, Any]) -> list[str]:
    found, known = part["found"], targets().TARGETS
    lines = [
        "\n## Inputs that look for new branches\n",
        "A fuzzer that watches which branches of `case` and `exchange` an input takes (atheris), from the "
        "same whole inputs.",
        _measured(part, f"python docs/update_reliability.py --explore {found['seconds']} PYTHON"),
        "| Input | Tried | Failures |\n|---|---|---|",
    ]
    for name, each in found["readers"].items():
        lines.append(f"| {known[name][0]} | {each['runs']} | {', '.join(each['failures']) or '0'} |")
    return lines


def _faults(part: dict[str, Any]) -> list[str]:
    lines = [
        "\n## Injected faults\n",
        "Each is a test that ends in a clear line or the right result, with nothing lost that was finished. "
        "They run with all tests.",
        _measured(part, "python docs/update_reliability.py --faults"),
        "| Faults | Tests | Passed | Failed | Skipped |\n|---|---|---|---|---|",
    ]
    for name, counts in part["found"].items():
        passed, failed, skipped = (counts.get(each, 0) for each in ("passed", "failed", "skipped"))
        lines.append(f"| {name} | {passed + failed + skipped} | {passed} | {failed} | {skipped} |")
    return lines


def _mutants(part: dict[str, Any]) -> list[str]:
    names = ("killed", "survived", "not covered", "timeout", "not run", "other")
    lines = [
        "\n## Mutants\n",
        "One small change at a time in a file (mutmut); the tests of its room should notice. `not covered`: "
        "in a function that these tests do not call (others may).",
        _measured(part, ".ci/mutants, then python docs/update_reliability.py --mutants FOLDER"),
        f"| File | commit | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}",
    ]
    for name, each in part["found"].items():
        counts = [str(each["counts"].get(kind, 0)) for kind in names]
        lines.append(f"| {name} | {each['commit']} | {' | '.join(counts)} |")
    lines += [
        "\nWhat survived: the function, its line, and what that became without any test noticing. A survivor "
        "that a user or a proof could tell from the original is a fault of the tests; what should be left "
        "makes no difference, such as a type that the numbers have anyway, or `strict` for equal lengths.",
    ]
    for name, each in part["found"].items():
        if each["survived"]:
            lines += [f"\n`{name}`\n", "```diff", *_changes(each["survived"]), "```"]
    return lines


def _changes(survived: list[dict[str, str]]) -> list[str]:
    """Say every line once, and below it all that it became."""
    became: dict[tuple[str, str], list[str]] = {}
    for each in survived:
        became.setdefault((each["in"], each["line"]), []).append(each["became"])
    lines = []
    for (function, line), others in became.items():
        lines += [f"@@ {function} @@"]
        for sign, text in (("-", line), *(("+", other) for other in others)):
            lines += [f"{sign} {row}" for row in text.splitlines()]
    return lines


def main(words: list[str]) -> None:
    """Measure what is asked for, keep it, and write the page."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if "--fuzz" in words:
        record["fuzz"] = stamped(fuzz(int(words[words.index("--fuzz") + 1])))
    if "--explore" in words:
        at = words.index("--explore")
        record["explore"] = stamped(explore(int(words[at + 1]), words[at + 2]))
    if "--faults" in words:
        record["faults"] = stamped(faults())
    if "--mutants" in words:
        folder = Path(words[words.index("--mutants") + 1])
        known = record.get("mutants", {"found": {}})["found"]
        record["mutants"] = stamped(dict(sorted({**known, **mutants(folder)}.items())), folder)
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(record), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
