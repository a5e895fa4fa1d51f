"""Tables of the margin by each definition of the cord's dose, for the terminal and as Markdown."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from doseplan.present.table import NOT_CLINICAL

Row = dict[str, Any]

STRUCTURE_NAMES = {"cord": "cord", "dura": "inside of the dura", "prv": "PRV of the cord"}
METRIC_NAMES = {"max": "maximum", "d0_03cc": "D0.03cc", "d1cc": "D1cc"}

SAID = (
    "Read off from plans that were made for the limits of the case: each separation is enough by that "
    "definition, as a plan shows; a plan made for the definition might do with less. Target goals are those "
    "of the case, as planned. The limit on LEM I is another dose than the same number of GyE.",
    "(no proof): it is not proven that less is impossible. Proofs speak of the maximum of the cord on the "
    "scale of the case, which carries over to the maximum of what holds the cord, and to nothing else.",
)


def definitions_tables(rows: Sequence[Row]) -> list[Table]:
    """Make a table for each case, prescription and choice of others: definitions down, scales across."""
    tables = []
    for title, names, lines in _parts(rows):
        table = Table(title=title, title_justify="left", caption_justify="left")
        for number, name in enumerate(names):
            table.add_column(name, justify="right" if number else "left")
        for line in lines:
            table.add_row(*line)
        tables.append(table)
    tables[-1].caption = "\n".join([*SAID, NOT_CLINICAL])
    return tables


def definitions_markdown(rows: Sequence[Row]) -> str:
    """Write the tables as Markdown."""
    parts = [f"# Which definition of the cord's dose?\n\n**{NOT_CLINICAL}**", "\n\n".join(SAID)]
    for title, names, lines in _parts(rows):
        cells = [names, ["---"] * len(names), *lines]
        parts.append(f"## {title}")
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in cells))
    return "\n\n".join(parts) + "\n"


def _parts(rows: Sequence[Row]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Divide rows into tables: title, names of columns, lines."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        others = "".join(f", {key} = {value:g}" for key, value in row["values"].items())
        title = f"{row['case']}: {row['total_gye']:g} GyE in {row['fractions']} fractions{others}"
        groups.setdefault(title, []).append(row)
    found = []
    for title, group in groups.items():
        scales = {row["scale"]: row["limit_gy_rbe"] for row in group}
        names = ["cord below", *(f"{limit:g} Gy(RBE), {scale}" for scale, limit in scales.items())]
        lines: dict[str, list[str]] = {}
        for row in group:
            label = f"{STRUCTURE_NAMES[row['structure']]}, {METRIC_NAMES[row['metric']]}"
            lines.setdefault(label, [label]).append(_cell(row))
        found.append((title, names, list(lines.values())))
    return found


def _cell(row: Row) -> str:
    """Say the margin, what is proven below it, and whether nothing is."""
    if row["margin_mm"] is None:
        said = f"none of these plans, up to {row['separations_mm'][-1]:g} mm"
    elif row["proof"] == "least":
        return f"{row['margin_mm']:g} mm, the least planned"
    else:
        said = f"{row['margin_mm']:g} mm"
    if row["impossible_mm"] is None:
        return f"{said} (no proof)"
    return f"{said}; impossible at {row['impossible_mm']:g} mm"
