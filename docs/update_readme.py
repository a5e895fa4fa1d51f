"""Put picture and real output of a finished run into the README: `python docs/update_readme.py RUN`."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console

from doseplan.present import summary_table

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "t11_t12_mpnst.png"


def main(run: Path) -> None:
    """Replace what stands between the markers, and the picture."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    console = Console(width=118, file=io.StringIO(), record=True)
    console.print(summary_table(summary))
    lines = "\n".join(line.rstrip() for line in console.export_text().splitlines())
    readme = ROOT / "README.md"
    block = f"<!-- output -->\n```text\n{lines}\n```\n<!-- end of output -->"
    text = readme.read_text(encoding="utf-8")
    new, count = re.subn(r"<!-- output -->.*<!-- end of output -->", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit("README.md: expected the markers <!-- output --> and <!-- end of output --> once")
    readme.write_text(new, encoding="utf-8")
    shutil.copyfile(run / "figures" / "dose.png", PICTURE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
