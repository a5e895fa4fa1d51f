"""One page for a tumour board: what the arms give, where it is cold, and what is known from patients."""

from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.transforms import Bbox

from doseplan.case import Case
from doseplan.evaluation.staging import FRACTURES
from doseplan.exchange.files import whole_file
from doseplan.present.curves import PANELS, arm_handle, draw_histograms
from doseplan.present.margin_figure import draw_minimum
from doseplan.present.outcomes import OUTCOMES
from doseplan.present.robust_figure import draw_band
from doseplan.present.slices import coldest_point, cut, draw_slice, letters, slice_handles
from doseplan.present.staging_section import body_rows, compression, implant_lines, involved
from doseplan.present.style import arm_title, node
from doseplan.present.table import NOT_CLINICAL, daily_rows, goal_name, heading

PAGE_INCHES = (8.27, 11.69)
"""A4, upright."""

COLUMNS = 150
"""Letters of the small type that fit across the page."""

SHOWN_ARMS = 3

TOP, BOTTOM = 0.93, 0.015
"""[1] of the page's height: ends of what is below the title."""

GAP_INCHES = (0.12, 0.47, 0.85, 0.5)
"""Between the rows of the page, for titles and axis labels."""

SLICES_INCHES = 2.05
"""Height of the slices: three squares side by side."""

KNOWN_INCHES = 0.95
"""Height of what is known from patients."""

LINE_POINTS = 9.6
"""[pt] from line to line of the facts."""

ROW_INCHES = 0.155
"""Height of a row of the table."""

LABEL_SHARE = 0.34
"""[1] of the table's width that names what stands in a row."""

Fact = tuple[str, str]


def board_sheet(
    summary: dict[str, Any], tree: xr.DataTree, case: Case, *, sweep: xr.Dataset | None = None
) -> Figure:
    """Draw the page.

    Parameters
    ----------
    summary
        Of `evaluate`.
    tree
        The run.
    sweep
        Of the same case, if there is one: its curve joins the histograms.
    """
    figure = Figure(figsize=PAGE_INCHES)
    facts, table = _patient(summary), _rows(summary)
    rows = _page_rows(figure, _facts_inches(facts), ROW_INCHES * len(table))
    figure.text(0.04, 0.975, f"{case.name}: {_prescription(summary)}", fontsize=12, weight="bold", va="top")
    figure.text(0.04, 0.953, NOT_CLINICAL, fontsize=10, weight="bold", va="top", color="#a03000")
    _facts(figure.add_subplot(rows[0]), facts)
    _table(figure.add_subplot(rows[1]), table)
    arms = list(tree.children)[:SHOWN_ARMS]
    _slices(_across(figure, rows[2], len(arms), 0.3), tree, case, arms)
    figure.legend(
        handles=slice_handles(case),
        loc="upper center",
        bbox_to_anchor=(0.5, rows[2].get_position(figure).y0 - 0.032),
        ncols=6,
        fontsize=6.5,
        facecolor="#d8d8d8",
        framealpha=1.0,
    )
    panels = _across(figure, rows[3], len(PANELS) + (sweep is not None), 0.3)
    _histograms(panels, tree, case)
    if sweep is not None:
        _margin(panels[-1], sweep, case)
    _write(figure.add_subplot(rows[4]), [*OUTCOMES, _origin(summary)], size=6.5)
    return figure


def _page_rows(figure: Figure, facts: float, table: float) -> list[SubplotSpec]:
    """Divide the page: facts, table, slices, histograms, what is known; histograms take what is left.

    Parameters
    ----------
    facts, table : [in]
    """
    left = PAGE_INCHES[1] * (TOP - BOTTOM) - facts - table - SLICES_INCHES - sum(GAP_INCHES) - KNOWN_INCHES
    heights = (facts, table, SLICES_INCHES, left, KNOWN_INCHES)
    ratios = [each for pair in zip(heights, (*GAP_INCHES, 0.0), strict=True) for each in pair][:-1]
    grid = figure.add_gridspec(
        len(ratios), 1, height_ratios=ratios, left=0.08, right=0.96, top=TOP, bottom=BOTTOM, hspace=0.0
    )
    return [grid[number, 0] for number in range(0, len(ratios), 2)]


def save_sheet(figure: Figure, path: Path) -> Path:
    """Write the page as PDF without date, the same bytes every time, complete or not at all."""
    nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
    with whole_file(path) as part:
        figure.savefig(part, format="pdf", dpi=200, metadata=nothing)
    return path


def _across(figure: Figure, row: SubplotSpec, count: int, space: float) -> list[Axes]:
    """Set panels side by side in a row of the page."""
    grid = row.subgridspec(1, count, wspace=space)
    return [figure.add_subplot(grid[0, number]) for number in range(count)]


def _prescription(summary: dict[str, Any]) -> str:
    return (
        f"{summary['prescription_gye']:g} GyE in {summary['fractions']} fractions ({summary['scale']} scale)"
    )


def _patient(summary: dict[str, Any]) -> list[Fact]:
    """Say level, zones, compression before and after, stability, and metal in the path."""
    staging = summary["staging"]
    sins = staging.get("sins")
    score = f"{sins['score']} ({sins['class']})" if sins else "not stated in the case"
    risk = (
        "" if not sins else ", HIGH RISK of fracture" if sins["fracture_flag"] else ", risk of fracture low"
    )
    stated = {"histology": staging.get("histology"), "Frankel": staging.get("frankel")}
    before = staging["arms"].get("none")
    compressed = compression(staging) or "not known"
    shown = dict(list(summary["arms"].items())[:SHOWN_ARMS])
    metal = implant_lines(shown)
    return [
        ("Tumour", involved(before) if before else "levels and WBB zones not known"),
        ("Compression", compressed),
        ("SINS", f"{score}{risk}. {FRACTURES[0].upper()}{FRACTURES[1:]}"),
        *[("Patient", ", ".join(f"{name} {said}" for name, said in stated.items() if said))][
            : any(stated.values())
        ],
        *zip(["Metal", *[""] * len(metal)], metal, strict=False),
    ]


def _facts(panel: Axes, facts: list[Fact]) -> None:
    """Write facts below each other, each with its name in bold before it."""
    panel.axis("off")
    down = 0.0
    place: dict[str, Any] = {"xycoords": panel.transAxes, "textcoords": "offset points", "va": "top"}
    for name, said in facts:
        lines = _broken(said)
        panel.annotate(name, (-0.05, 1.0), (0.0, -down), fontsize=7.0, weight="bold", **place)
        panel.annotate("\n".join(lines), (0.07, 1.0), (0.0, -down), fontsize=7.0, linespacing=1.3, **place)
        down += LINE_POINTS * len(lines) + 1.5


def _broken(said: str) -> list[str]:
    """Break a fact where the page ends."""
    return wrap(said, round(0.88 * COLUMNS))


def _facts_inches(facts: list[Fact]) -> float:
    return sum(LINE_POINTS * len(_broken(said)) + 1.5 for _, said in facts) / 72.0


def _rows(summary: dict[str, Any]) -> list[list[str]]:
    """List the table, names first: every headline on both scales, absorbed, its LETd; verdicts; bodies."""
    arms = dict(list(summary["arms"].items())[:SHOWN_ARMS])
    labels = f"{summary['scale']}, {summary['fractions']} fractions"
    names = [f"GyE, {labels} (LEM I, Gy, keV/um)", *(heading(name, arm) for name, arm in arms.items())]
    rows = [
        names,
        *_doses(arms, "cord", (("maximum", "max"), ("D0.03cc", "d0_03cc")), "cord"),
        *_doses(arms, "tumour", (("minimum", "dmin"), ("D98", "d98"), ("D95", "d95")), "target"),
    ]
    first = next(iter(arms.values()))["goals"]
    for number, goal in enumerate(first):
        cells = [arm["goals"][number] for arm in arms.values()]
        texts = [f"{cell['value']:.2f}  {'met' if cell['met'] else 'NOT MET'}" for cell in cells]
        rows.append([goal_name(goal), *texts])
    rows += [[label, *cells] for label, cells in daily_rows(arms)[-2:]]
    bodies = body_rows(arms)
    units = {"mean": " GyE (LEM I, Gy, keV/um)", "V60": " GyE (LEM I)"}
    return [*rows, *([row[0] + units.get(row[0].split()[-1], ""), *row[1:]] for row in bodies)]


def _table(panel: Axes, rows: list[list[str]]) -> None:
    """Set the arms side by side across the page."""
    panel.axis("off")
    columns = len(rows[0]) - 1
    table = panel.table(
        cellText=rows,
        bbox=Bbox.from_bounds(-0.055, 0.0, 1.055, 1.0),
        cellLoc="center",
        colWidths=[LABEL_SHARE, *[(1.0 - LABEL_SHARE) / columns] * columns],
    )
    table.auto_set_font_size(False)
    table.set_fontsize(6.8)
    for (row, column), cell in table.get_celld().items():
        cell.set_linewidth(0.4)
        if row == 0:
            cell.set_facecolor("#eceff2")
        if row == 0 or "NOT MET" in cell.get_text().get_text():
            cell.get_text().set_fontweight("bold")
        if column == 0:
            cell.get_text().set_horizontalalignment("left")
            cell.PAD = 0.03


def _doses(
    arms: dict[str, Any], part: str, shown: tuple[tuple[str, str], ...], title: str
) -> list[list[str]]:
    return [[f"{title} {label}", *(_four(arm[part], key) for arm in arms.values())] for label, key in shown]


def _four(part: dict[str, Any], key: str) -> str:
    lem1, absorbed, let_d = (part[f"{key}_{end}"] for end in ("lem1_gy_rbe", "absorbed_gy", "let_d_kev_um"))
    return f"{part[f'{key}_gye']:.2f} ({lem1:.1f}, {absorbed:.1f}, {let_d:.0f})"


def _slices(panels: list[Axes], tree: xr.DataTree, case: Case, arms: list[str]) -> None:
    """Draw the axial slice through the coldest point of each arm's own target."""
    for panel, arm in zip(panels, arms, strict=True):
        x, y, z = coldest_point(node(tree, arm, "samples"))
        middle = 0.5 * (np.array([x, y, z]) + node(tree, arm, "spots")["isocentre"].values)
        draw_slice(panel, cut(tree, arm, "z", z), case, (middle[0], middle[1]))
        panel.plot([x], [y], marker="x", ms=5, mew=1.2, color="white")
        panel.set_title(f"{arm_title(tree, arm)}\nthrough its coldest point x, z = {z:.0f} mm", fontsize=7.5)
        panel.set_xlabel("x [mm]", fontsize=7)
        panel.tick_params(labelsize=6)
        letters(panel, "R", "L", "P", "A")
    panels[0].set_ylabel("y [mm]", fontsize=7)


def _histograms(panels: list[Axes], tree: xr.DataTree, case: Case) -> None:
    """Draw the histograms, with the band of all errors around the last arm if the run has errors."""
    drawn = dict(zip(PANELS, panels, strict=False))
    draw_histograms(drawn, tree, case)
    handles: list[Artist] = [arm_handle(tree, arm) for arm in tree.children]
    last = list(tree.children)[:SHOWN_ARMS][-1]
    if "scenario_dose_rbe" in node(tree, last, "samples"):
        handles.append(draw_band(drawn, tree, last))
    for panel in drawn.values():
        panel.tick_params(labelsize=6)
        panel.title.set_fontsize(8 if len(panels) == len(PANELS) else 7)
        panel.xaxis.label.set_fontsize(7)
        for text in panel.texts:
            text.set_fontsize(6)
    panels[0].set_ylabel("volume [%]", fontsize=7)
    panels[0].legend(handles=handles, fontsize=5.5, loc="upper right", handlelength=2.6)


def _margin(panel: Axes, sweep: xr.Dataset, case: Case) -> None:
    """Draw the target minimum against separation, below what is proven, at the case's prescription."""
    total = case.prescription.total_gy_rbe
    own = sweep.isel(variant=0).sel(prescription=total, method="nearest")
    draw_minimum(panel, own)
    panel.set_title(f"target minimum, {float(own['prescription']):g} GyE", fontsize=7)
    panel.set_xlabel("separation [mm]", fontsize=7)
    panel.set_ylabel("dose [GyE]", fontsize=7)
    panel.tick_params(labelsize=6)
    panel.legend(fontsize=5.5, loc="lower right")


def _origin(summary: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    others = "The other arms and all" if len(summary["arms"]) > SHOWN_ARMS else "All"
    return (
        f"{others} {len(summary['assumptions'])} assumptions are in the report of the run. {versions}. "
        f"Digest of case and version {str(summary['digest'])[:16]}. {NOT_CLINICAL}"
    )


def _write(panel: Axes, lines: list[str], *, size: float) -> None:
    """Write lines of text down a panel, broken where the page ends."""
    panel.axis("off")
    broken = [
        part for line in lines for part in wrap(line, round(COLUMNS * 7.0 / size), subsequent_indent="   ")
    ]
    panel.text(
        -0.05, 1.0, "\n".join(broken), transform=panel.transAxes, fontsize=size, va="top", linespacing=1.35
    )
