"""What docs/populations.md says is what docs/populations.json and the bundled table hold."""

import json
import math
import re

import update_populations as script
from scipy.stats import t

from doseplan.case import parse_population, read_population


def test_the_page_is_that_of_the_stored_record() -> None:
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    text = script.page(record)
    assert script.PAGE.read_text(encoding="utf-8") == text
    assert record
    for each in record.values():
        assert not each["commit"].endswith("+"), "made with files that were not committed"
        assert all(one["cpu_s"] > 0.0 for one in each["anatomies"])
        assert any(one["plans"] > 0 for one in each["anatomies"])
    for number in read_population().number:
        assert f"| {number.name} |" in text


def test_the_table_that_the_page_shows_is_one() -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", script.OWN, re.MULTILINE | re.DOTALL)
    assert parse_population(shown).names == ("level", "roll")


def test_the_cost_is_that_of_the_mean_anatomy() -> None:
    anatomies = [{"cpu_s": 36.0, "plans": 3}, {"cpu_s": 72.0, "plans": 6}]
    row = script._cost("made up", {"range_mm": [0.0, 4.0, 1.0], "peak_gib": 1.0, "anatomies": anatomies})
    # 54 s each are 15 h for a thousand; the standard error of two is 18 s, twice that 10 h
    assert row == "| made up | 0 to 4 by 1 | 2 | 4.5 | 12 | 54 | 15 ± 10 | 1.00 |"


def test_the_least_correlation_is_that_of_the_test() -> None:
    assert script._least(100, 1) < script._least(100, 10) < script._least(50, 10)
    # Student's t of this correlation is as likely as the corrected level: two tests of ten drivers
    found = script._least(40, 10)
    value = found * math.sqrt(38.0 / (1.0 - found**2))
    assert abs(2.0 * t.sf(value, 38) - 0.05 / 20) < 1e-12
