"""Write the stored ratios from three runs or more: `python -m benchmarks.baseline RUN.json ...`."""

import json
import sys
from pathlib import Path

from .judge import baseline_of

BASELINE = Path(__file__).parent / "baseline.json"


def main(paths: list[str]) -> None:
    """Take at least three runs, so that noise can be told from change."""
    if len(paths) < 3:
        raise SystemExit(f"baseline: expected at least 3 runs, got {len(paths)}")
    runs = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    BASELINE.write_text(json.dumps(baseline_of(runs), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
