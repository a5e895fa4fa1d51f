"""What is left when the patient lies elsewhere every day: a section of the report."""

from typing import Any

from doseplan.present.table import OF_COURSE, daily_rows, goal_name, heading


def daily_section(arms: dict[str, dict[str, Any]]) -> list[str]:
    """Set out what simulated courses give; empty without shifts from day to day."""
    if not all("daily" in arm for arm in arms.values()):
        return []
    found = {name: arm["daily"] for name, arm in arms.items()}
    first = next(iter(found.values()))
    said = (
        f"{first['courses']} simulated courses of the plan, which was not made for them: in every fraction "
        f"the patient lies elsewhere, normal with a standard deviation of {first['daily_mm']:g} mm along "
        f"each axis. A fraction takes any of {first['shifts']} shifts, the same for all arms; their mean "
        "is 0 and their covariance the stated one. The RBE step is that of each fraction alone, then "
        "fractions are added. Percentiles are values of a course; expected is what a course gives that takes "
        "all shifts alike. GyE. All is met where limits of organs and all goals are."
    )
    lines = [["", *(heading(name, arm) for name, arm in arms.items())], ["---"] * (len(arms) + 1)]
    lines += [[label, *cells] for label, cells in daily_rows(arms)]
    lines += [
        [f"{label}, expected", *(f"{each[key]['expected']:.2f}{unit}" for each in found.values())]
        for label, key, unit in OF_COURSE
    ]
    lines += [
        [
            f"courses that keep {goal_name(goal)}",
            *(f"{each['goals'][number]['kept_percent']:.0f} %" for each in found.values()),
        ]
        for number, goal in enumerate(first["goals"])
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    picture = "![Dose-volume histograms of courses with daily shifts](figures/daily.png)"
    return [f"## When every day is off a little\n\n{said}\n\n{table}\n\n{picture}"]
