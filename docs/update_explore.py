"""Compute the numbers of the teaching page anew: `python docs/update_explore.py [--work FOLDER]`.

Plans of the spine take most of the time. What is finished is kept in the folder (by default in the temporary
folder) under a digest of the engine's sources, and the same command goes on with it.
"""

import argparse
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import doseplan
from doseplan.cli.tell import progress, say
from doseplan.messages import Progress
from doseplan.present.explore import DATA_FILE
from doseplan.present.explore_data import (
    PEAK_DISTAL_MM,
    PEAK_WIDTH_MM,
    beams,
    formulas,
    peaks,
    slabs,
    spine,
)
from doseplan.study.teaching import PRESCRIPTIONS_GYE, SPOTS, spine_study

ROOT = Path(__file__).parent.parent
OUT = ROOT / "doseplan" / "present" / DATA_FILE
PLAN = ROOT / "tests" / "present" / "explore_plan.npz"


ENGINE = ("anatomy", "beam", "biology", "case", "data", "dose", "evaluation", "kernels", "planning")
"""Rooms that the numbers come from, with the two files that gather them."""
GATHERED = ("study/teaching.py", "present/explore_data.py")


def main(parent: Path) -> None:
    """Write the numbers of the page, and the plan that a test computes again."""
    work = parent / _engine_digest()
    with progress() as report:
        work.mkdir(parents=True, exist_ok=True)
        made = {"beams": beams, "peaks": peaks}
        numbers = {name: _kept(work / f"{name}.json", make, report) for name, make in made.items()}
        study = spine_study(work, progress=report)
    about = {
        "version": doseplan.__version__,
        "commit": _commit(),
        "digest": hashlib.sha256(study.attrs["case_toml"].encode()).hexdigest(),
        "assumptions": json.loads(study.attrs["assumptions"]),
        "formulas": formulas(),
        "slabs": slabs(),
        "peak_distal_mm": PEAK_DISTAL_MM,
        "peak_width_mm": PEAK_WIDTH_MM,
        "lesson_total_gye": PRESCRIPTIONS_GYE[0],
        "spine": spine(study),
    }
    OUT.write_text(json.dumps({**about, **numbers}, separators=(",", ":")) + "\n", encoding="utf-8")
    np.savez_compressed(PLAN, **{name: study[name].values for name in (*SPOTS, "weight")})
    say(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size / 1e6:.1f} MB")


def _kept(path: Path, make: Callable[..., Any], report: Progress) -> Any:
    """Read what an earlier start of this command has made, or make it."""
    if not path.is_file():
        path.write_text(json.dumps(make(progress=report)), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def _engine_digest() -> str:
    package = ROOT / "doseplan"
    found = [path for room in ENGINE for path in (package / room).iterdir() if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted([*found, *(package / name for name in GATHERED)]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _commit() -> str:
    """Name the commit of the sources; a mark says when they were changed since."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(tempfile.gettempdir()) / "doseplan-explore"
    parser.add_argument("--work", type=Path, default=default, help="Folder of finished plans.")
    main(parser.parse_args().work)
