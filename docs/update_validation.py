"""Write docs/validation.md from the comparisons of tests/physics.

With --check its rows are only compared; with --check RESULTS.xml, with those that a run of the tests has left
there (`pytest -o junit_family=xunit1 --junitxml RESULTS.xml`), so that nothing is run twice.
"""

import inspect
import json
import sys
import xml.etree.ElementTree as ET
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "validation.md"
HEAD = """# Validation

What doseplan computes beside published measurements, independent programs and analytic limits. Written by
`python docs/update_validation.py` from the tests in `tests/physics`, which assert every row; nothing here is
typed by hand.

Differences are ours against the reference, in per cent of the reference unless a unit stands beside them. A
row in **bold** is one where we disagree with the reference by more than the tolerance; a line below its table
says why we think so.
"""


class Rows:
    """Collect the rows that tests record, and what their files say about the references."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.texts: dict[str, str] = {}
        self.found: list[tuple[str, dict[str, Any]]] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the docstring of every test file."""
        for item in items:
            if isinstance(item, pytest.Function):
                self.texts[item.location[0]] = inspect.getdoc(item.module) or ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the rows of every finished test."""
        if report.when == "call":
            rows = [json.loads(str(value)) for name, value in report.user_properties if name == "comparison"]
            self.found += [(report.location[0], row) for row in rows]


def page(rows: Rows) -> str:
    """Lay the rows out, one section for each test file."""
    parts = [HEAD]
    for name, group in groupby(rows.found, key=lambda pair: pair[0]):
        title, _, rest = rows.texts[name].partition("\n")
        parts.append(f"\n## {title.rstrip('.')}\n")
        if rest.strip():
            parts.append(f"\n{rest.strip()}\n")
        parts.append(_table([row for _, row in group]))
    return "".join(parts)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["", "| Quantity | Ours | Reference | Difference | Tolerance | Why this tolerance |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [_line(row) for row in rows]
    reasons = dict.fromkeys(row["disagrees"] for row in rows if row["disagrees"])
    lines += [line for reason in reasons for line in ("", f"Disagreement: {reason}")]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    unit = f" {row['unit']}" if row["unit"] else ""
    if row["absolute"]:
        difference, tolerance = f"{row['difference']:+.2g}{unit}", f"{row['tolerance']:.2g}{unit}"
    else:
        difference, tolerance = f"{100 * row['difference']:+.2f} %", f"{100 * row['tolerance']:.2g} %"
    bold = "**" if row["disagrees"] else ""
    quantity = f"{bold}{row['quantity']}{bold}"
    return (
        f"| {quantity} | {row['ours']:.4g}{unit} | {row['reference']:.4g}{unit} | {bold}{difference}{bold} "
        f"| {tolerance} | {row['why']} |"
    )


def quantities(text: str) -> list[str]:
    """List what a page compares with what: first and third cell of each row."""
    cells = [line.replace("**", "").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [f"{row[0]} | {row[2]}" for row in cells if len(row) > 3]


def rows_of(results: Path) -> Rows:
    """Read the rows that a run of the tests recorded."""
    rows = Rows()
    for case in ET.parse(results).iter("testcase"):
        for prop in case.iter("property"):
            if prop.get("name") == "comparison":
                rows.found.append((case.get("classname", ""), json.loads(prop.get("value", ""))))
    return rows


def run_tests() -> Rows:
    """Run the physics tests; stop here if one of them fails."""
    rows = Rows()
    code = pytest.main(
        ["--numprocesses=0", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "physics")], plugins=[rows]
    )
    if code != pytest.ExitCode.OK:
        raise SystemExit(int(code))
    return rows


def check(rows: Rows) -> int:
    """Tell which rows the page lacks, or has too many; our own values may differ in the last digit."""
    found = _table([row for _, row in rows.found])
    different = set(quantities(found)) ^ set(quantities(PAGE.read_text(encoding="utf-8")))
    lines = [
        f"docs/validation.md: expected the rows of tests/physics, differs in {row}"
        for row in sorted(different)
    ]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 1 if different else 0


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    if arguments[:1] != ["--check"]:
        PAGE.write_text(page(run_tests()), encoding="utf-8")
        return 0
    return check(rows_of(Path(arguments[1])) if arguments[1:] else run_tests())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
