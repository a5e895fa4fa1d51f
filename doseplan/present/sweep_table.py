"""Tables of many plans of one case: a line for each point of a sweep, one for each margin."""

from typing import Any

import numpy as np
import xarray as xr
from rich.table import Table

from doseplan.present.table import NOT_CLINICAL

MARGIN_WIDTH = 80
"""Characters: titles are as wide as their table."""

COLUMNS = (
    ("target\nD min", "target_minimum", "GyE"),
    ("proven\nmaximum", "target_minimum_bound", "GyE"),
    ("target\nD98", "target_d98", "GyE"),
    ("target\nV95", "target_v95", "%"),
    ("strip\nD98", "strip_d98", "GyE"),
    ("cord\nmaximum", "cord_maximum", "GyE"),
    ("cord\nD0.03cc", "cord_d0_03cc", "GyE"),
    ("worst\nD min", "worst_target_minimum", "GyE"),
    ("worst\ncord", "worst_cord_maximum", "GyE"),
    ("daily\nkept", "daily_pass", "%"),
)


def sweep_table(sweep: xr.Dataset) -> Table:
    """List the points of a sweep, a section for each prescription of each variant."""
    proven = bool(np.isfinite(sweep["target_minimum_bound"].values).any())
    columns = [
        column for column in COLUMNS if column[1] in sweep and (proven or column[1] != "target_minimum_bound")
    ]
    labels = sweep["target_minimum"].attrs
    table = Table(
        title=f"{sweep.attrs['case']}, {labels['fractions']} fractions ({labels['scale']} scale)",
        caption=f"strip: target within the separation + 5 mm of the dura{_worst(sweep)}\n{NOT_CLINICAL}",
        title_justify="left",
        caption_justify="left",
    )
    varied = sweep.sizes["variant"] > 1
    for title in (*(["variant"] if varied else []), "GyE", "mm"):
        table.add_column(title, justify="right", no_wrap=True)
    for title, _, unit in columns:
        table.add_column(f"{title}\n{unit}", justify="right", no_wrap=True)
    table.add_column("limits", no_wrap=True)
    table.add_column("goals", no_wrap=True)
    count = sweep.sizes["separation"]
    for variant, total, separation in np.ndindex(sweep["target_minimum"].shape):
        point = sweep.isel(variant=variant, prescription=total, separation=separation)
        place = [f"{float(point[name]):g}" for name in ("prescription", "separation")]
        cells = [_number(point[name].item()) for _, name, _ in columns]
        name = [str(point["variant"].item())] if varied else []
        table.add_row(*name, *place, *cells, *_verdicts(point), end_section=separation == count - 1)
    return table


def margin_table(content: dict[str, Any]) -> Table:
    """Say for each prescription how many millimetres are enough, and below what they can't be.

    Parameters
    ----------
    content
        `case`, and `margins`: the numbers of each, and those of `against` it.
    """
    table = Table(
        title=f"{content['case']}: smallest separation that meets all goals",
        caption=NOT_CLINICAL,
        title_justify="left",
        caption_justify="left",
        show_header=False,
        min_width=MARGIN_WIDTH,
    )
    table.add_column()
    for each in content["margins"]:
        table.add_row(each["said"])
        for other in each.get("against", ()):
            table.add_row(other["said"])
    return table


def _worst(sweep: xr.Dataset) -> str:
    said = "\nworst: in any error scenario of the case" if "worst_cord_maximum" in sweep else ""
    if "daily_pass" in sweep:
        said += "\ndaily kept: part of the courses with a new shift every day that keep limits and goals"
    return said


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _verdicts(point: xr.Dataset) -> tuple[str, str]:
    missed = "impossible" if point["goal_impossible"].item() else "NOT met"
    return (
        "met" if point["limits_met"].item() else "NOT met",
        "met" if point["goals_met"].item() else missed,
    )
