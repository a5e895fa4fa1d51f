"""Put pictures and real output into the README: `python docs/update_readme.py RUN POINTS`.

RUN is the folder of a finished run; POINTS, of `doseplan margin`, may be left out.
"""

import io
import json
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from doseplan.present import margin_table, summary_table

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "t11_t12_mpnst.png"


def main(run: Path, points: Path | None = None) -> None:
    """Replace what stands between the markers, and the pictures."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    put("output", summary_table(summary))
    shutil.copyfile(run / "figures" / "dose.png", PICTURE)
    if points is not None:
        put_margins(points)


def put_margins(points: Path) -> None:
    """Replace the table of margins."""
    put("margins", margin_table(json.loads((points / "margin.json").read_text(encoding="utf-8"))))


def put(name: str, table: Table) -> None:
    """Print a table between the markers of a name."""
    console = Console(width=118, file=io.StringIO(), record=True)
    console.print(table)
    lines = "\n".join(line.rstrip() for line in console.export_text().splitlines())
    block = f"<!-- {name} -->\n```text\n{lines}\n```\n<!-- end of {name} -->"
    text = README.read_text(encoding="utf-8")
    new, count = re.subn(f"<!-- {name} -->.*<!-- end of {name} -->", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"README.md: expected the markers <!-- {name} --> and <!-- end of {name} --> once")
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
