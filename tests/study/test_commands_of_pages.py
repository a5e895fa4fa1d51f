"""Studies as the pages say them, on made-up rooms: each command ends well, whatever its numbers."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from doseplan.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
STUDIES = re.compile(r"^(?:\S*/)?doseplan ((?:margin|sweep|population) .*)$", re.MULTILINE)
ELSEWHERE = ("--scheduler", "--local-workers", "--table")
"""Other machines, other processes, and a file of the reader's own have tests elsewhere."""

TWELVE = """
anatomy = { levels = "T11-T12" }
prescription = { total_gy_rbe = 57.6, fractions = 12 }
surgery = { separation_mm = 3.0 }
tumour = { side = "right" }
"""

COMMANDS = {found for page in PAGES for found in STUDIES.findall(page.read_text(encoding="utf-8"))}
FEWER = re.compile(r"--anatomies \d+")
"""Two anatomies instead: any more go the same way."""

HERE = sorted(
    {FEWER.sub("--anatomies 2", each) for each in COMMANDS if not any(option in each for option in ELSEWHERE)}
)


def test_pages_name_studies() -> None:
    assert {each.split()[0] for each in HERE} == {"margin", "sweep", "population"}


@pytest.mark.parametrize("command", HERE)
def test_a_study_of_a_page_ends_well(command: str, rooms, monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # the case that a page tells its reader to write
    (tmp_path / "twelve.toml").write_text(TWELVE, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["doseplan", *shlex.split(command)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed, said = capsys.readouterr()
    # 3: high prescriptions have no margin in range in these rooms
    assert ended.value.code in (0, 3), said
    assert "Not for clinical use" in printed
    assert rooms.planned
