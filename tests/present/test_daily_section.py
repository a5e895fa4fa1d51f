"""What table and report say of courses with a shift that is new every day."""

from doseplan.present.daily_section import daily_section
from doseplan.present.table import daily_rows

GOALS = [
    {"name": "cord maximum", "comparator": "<", "limit": 50.0, "unit": "Gy(RBE)", "hard": True},
    {"name": "target V95", "comparator": ">=", "limit": 95.0, "unit": "% of volume", "hard": False},
]


def _arm(separation_mm, kept):
    spread = {"p5": 51.25, "median": 53.5, "p95": 55.75, "expected": 53.0}
    return {
        "separation_mm": separation_mm,
        "daily": {
            "daily_mm": 1.5,
            "courses": 40,
            "shifts": 16,
            "target_dmin_gye": spread,
            "target_v95_percent": {**spread, "median": 96.5},
            "cord_max_gye": {**spread, "expected": 49.5},
            "goals": [{**goal, "kept_percent": kept + number} for number, goal in enumerate(GOALS)],
            "pass_percent": kept,
        },
    }


ARMS = {"none": _arm(None, 0.0), "separated": _arm(3.0, 75.0)}


def test_rows_spread_and_share() -> None:
    rows = dict(daily_rows(ARMS))
    assert rows["daily shifts: target minimum, median (5 to 95 %)"] == ["53.50 (51.25 to 55.75)"] * 2
    assert rows["daily shifts: target V95, median (5 to 95 %)"][0] == "96.50 % (51.25 to 55.75)"
    assert rows["daily shifts: courses in which all is met"] == ["0 %", "75 %"]


def test_section_says_what_was_drawn_and_each_limit() -> None:
    (text,) = daily_section(ARMS)
    assert "40 simulated courses" in text
    assert "standard deviation of 1.5 mm" in text
    assert "any of 16 shifts" in text
    assert "| cord maximum, expected | 49.50 | 49.50 |" in text
    assert "| courses that keep limit: cord maximum < 50 Gy(RBE) | 0 % | 75 % |" in text
    assert "| courses that keep goal: target V95 >= 95 % of volume | 1 % | 76 % |" in text
    assert "(figures/daily.png)" in text


def test_without_such_errors_nothing_is_said() -> None:
    assert daily_section({"none": {"separation_mm": None}}) == []
    assert daily_rows({"none": {"separation_mm": None}}) == []
