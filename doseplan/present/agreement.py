"""Pencil beam and Monte Carlo side by side, for the terminal and for a report."""

from typing import Any

from rich.table import Table

from doseplan.present.table import NOT_CLINICAL

HEADINGS = ("arm", "structure", "GyE", "pencil beam", "Monte Carlo", "limit")


def agreement_table(summary: dict[str, Any]) -> Table:
    """Lay out the comparison of all arms."""
    table = Table(title=_title(summary), caption=NOT_CLINICAL, title_justify="left", caption_justify="left")
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number < 3 else "right")
    for row in _rows(summary):
        table.add_row(*row)
    return table


def agreement_markdown(summary: dict[str, Any], *, level: int = 1) -> str:
    """Write the comparison of all arms as Markdown, under a heading of a level."""
    lines = [f"{'#' * level} {_title(summary)}", "", NOT_CLINICAL, ""]
    lines += [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(summary)]
    said = dict.fromkeys(line for arm in summary["arms"].values() for line in arm["assumptions"])
    return "\n".join([*lines, "", *(f"- {line}" for line in said)]) + "\n"


def _title(summary: dict[str, Any]) -> str:
    histories = next(iter(summary["arms"].values()))["histories"]
    return f"{summary['case']}: pencil beam and Monte Carlo ({histories:,} histories for each arm)"


def _rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, arm in summary["arms"].items():
        found += [(name, *_row(row)) for row in arm["rows"]]
        high, gamma = arm["voxels"], arm["gamma"]
        criteria = f"gamma {arm['gamma_percent']:g} % of the prescription/{arm['gamma_mm']:g} mm"
        found += [
            (name, "grid", f"{criteria}, absorbed dose", "", f"{gamma['dose']:.1f} %", ""),
            (name, "grid", f"{criteria}, GyE", "", f"{gamma['dose_rbe']:.1f} %", ""),
            (name, "high dose", "mean uncertainty, GyE", "", _percent(high, "uncertainty_percent"), ""),
            (name, "high dose", "mean ratio to pencil beam, absorbed dose", "1", _ratio(high["dose"]), ""),
            (name, "high dose", "mean ratio to pencil beam, GyE", "1", _ratio(high["dose_rbe"]), ""),
        ]
    return found


def _percent(high: dict[str, Any], key: str) -> str:
    return f"{high['dose_rbe'][key]:.2f} % (dose {high['dose'][key]:.2f} %)"


def _ratio(voxels: dict[str, float]) -> str:
    return f"{voxels['mean_ratio']:.4f} (spread {voxels['ratio_spread']:.3f})"


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    sigma = row["uncertainty_gye"]
    other = f"{row['monte_carlo_gye']:.2f}" + ("" if sigma is None else f" +- {sigma:.2f}")
    pencil, limit = f"{row['pencil_beam_gye']:.2f}", ""
    if row["limit_gye"] is not None:
        limit = f"{row['limit_gye']:g}"
        pencil += " met" if row["met"] else " NOT met"
        other += " met" if row["met_monte_carlo"] else f" NOT met{_beyond(row)}"
    return row["structure"], row["quantity"], pencil, other, limit


def _beyond(row: dict[str, Any]) -> str:
    """Say how many standard deviations a limit is broken by."""
    if not row["uncertainty_gye"]:
        return ""
    return f" (by {(row['monte_carlo_gye'] - row['limit_gye']) / row['uncertainty_gye']:.1f} sigma)"
