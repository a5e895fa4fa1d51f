"""Tables of a population: percentiles of the margin with their ends, and what drives it."""

from typing import Any

from rich.table import Table

from doseplan.present.sweep_table import MARGIN_WIDTH
from doseplan.present.table import NOT_CLINICAL

ERRORS = {"nominal": "as planned", "robust": "with errors"}


def population_tables(content: dict[str, Any]) -> list[Table]:
    """Say how many millimetres which part of the anatomies needs, and by what it is driven.

    Parameters
    ----------
    content
        As `doseplan.study.population_numbers` gives it.
    """
    return [
        _percentiles(content),
        *(_ranking(name, rows) for name, rows in content["ranking"].items() if rows),
    ]


def _percentiles(content: dict[str, Any]) -> Table:
    low, high = content["range_mm"]
    refused = len(content["refused"])
    table = Table(
        title=f"{content['case']}, {content['judged']} anatomies: smallest separation that meets all goals",
        caption=f"{refused} of {content['anatomies']} drawn anatomies refused; intervals are exact, of order "
        f"statistics and shares\n{NOT_CLINICAL}",
        title_justify="left",
        caption_justify="left",
        min_width=MARGIN_WIDTH,
    )
    table.add_column("of the anatomies", justify="right", no_wrap=True)
    for name in content["margins"]:
        table.add_column(f"{ERRORS[name]}\nneed no more than", justify="right", no_wrap=True)
        table.add_column("95 % interval", justify="right", no_wrap=True)
    margins = list(content["margins"].values())
    for rows in zip(*(each["percentiles"] for each in margins), strict=True):
        cells = [
            cell
            for row in rows
            for cell in (
                _mm(row["margin_mm"], high),
                f"{_mm(row['low_mm'], high)} to {_mm(row['high_mm'], high)}",
            )
        ]
        table.add_row(f"{rows[0]['percent']:g} %", *cells)
    table.add_section()
    cells = []
    for margin in margins:
        none = margin["none_in_range"]
        cells += [
            f"{100.0 * none['share']:.0f} %",
            f"{100.0 * none['low']:.0f} to {100.0 * none['high']:.0f} %",
        ]
    table.add_row(f"none from {low:g} to {high:g} mm", *cells)
    return table


def _ranking(outcome: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(
        title=f"what drives the {outcome}",
        caption="share: part of the variance of ranks that one number alone explains",
        title_justify="left",
        caption_justify="left",
        min_width=MARGIN_WIDTH,
    )
    table.add_column("drawn number", no_wrap=True)
    for title in ("rank correlation", "95 % interval", "share", "told from chance"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["driver"],
            f"{row['rank_correlation']:+.2f}",
            f"{row['low']:+.2f} to {row['high']:+.2f}",
            f"{row['share']:.2f}",
            "yes" if row["told_from_chance"] else "no",
        )
    return table


def _mm(value: float | None, high: float) -> str:
    return f"> {high:g} mm" if value is None else f"{value:g} mm"
