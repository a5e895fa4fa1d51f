"""Table of sets of fields: what each achieves, and what is proven of it."""

from typing import Any

from rich.table import Table

from doseplan.present.table import NOT_CLINICAL

MOST_ROWS = 20
"""Sets that are listed; those below can do least."""


def field_table(content: dict[str, Any]) -> Table:
    """List sets of fields, the best first.

    Parameters
    ----------
    content
        `case`, and the numbers of a choice.
    """
    cut = content["separation_mm"]
    where = "without surgery" if cut is None else f"after {cut:g} mm of separation"
    tried = content["tried"]
    more = len(tried) - MOST_ROWS
    below = f"{more} more sets, with lower proven maxima, are in fields.json\n" if more > 0 else ""
    table = Table(
        title=f"{content['case']}, {where}: sets of {content['fields']} fields",
        caption=f"{below}{NOT_CLINICAL}",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("gantry angles\ndeg", no_wrap=True)
    for title in ("target D min\nGyE", "proven maximum\nGyE", "cord maximum\nGyE"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict")
    for number, each in enumerate(tried[:MOST_ROWS]):
        numbers = (each["achieved_gye"], each["upper_gye"], each["cord_maximum_gye"])
        cells = ["-" if value is None else f"{value:.2f}" for value in numbers]
        verdict = "best" if number == 0 and content["best"] is not None else each["status"]
        angles = " + ".join(f"{angle:g}" for angle in each["gantry_deg"])
        table.add_row(angles, *cells, f"{verdict}: {each['why']}" if each["why"] else verdict)
    return table
