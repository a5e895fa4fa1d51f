"""One page for a tumour board: what the arms give, where it is cold, and what is known from patients."""

from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from doseplan.case import Case
from doseplan.evaluation.cord_model import OBSERVED
from doseplan.exchange.files import whole_file
from doseplan.present.curves import PANELS, arm_handle, draw_histograms
from doseplan.present.slices import coldest_point, cut, draw_slice, letters, slice_handles
from doseplan.present.staging_section import implant_section, staging_lines
from doseplan.present.style import arm_title, node
from doseplan.present.table import NOT_CLINICAL, goal_name, heading

PAGE_INCHES = (8.27, 11.69)
"""A4, upright."""

OUTCOMES = (
    "Carbon ions after separation surgery: 7 of 8 controlled where it was the first treatment, 0 of 3 after "
    "a recurrence (Matsumoto 2019, n = 11, median follow-up 25 months); with 8 patients the true rate may "
    "lie anywhere from 47 to 99.7 % (95 %).",
    f"Spinal cord after carbon ions to the spine: {OBSERVED}.",
    "GyE of the NIRS scale is not photon gray. No number on this page predicts what happens to a patient.",
)

COLUMNS = 150
"""Letters of the small type that fit across the page."""

SHOWN_ARMS = 3


def board_sheet(summary: dict[str, Any], tree: xr.DataTree, case: Case) -> Figure:
    """Draw the page.

    Parameters
    ----------
    summary
        Of `evaluate`.
    tree
        The run.
    """
    figure = Figure(figsize=PAGE_INCHES)
    rows = figure.add_gridspec(
        5,
        1,
        height_ratios=(1.2, 2.4, 3.4, 2.5, 1.3),
        left=0.08,
        right=0.96,
        top=0.93,
        bottom=0.02,
        hspace=0.32,
    )
    figure.text(0.04, 0.975, f"{case.name}: {_prescription(summary)}", fontsize=12, weight="bold", va="top")
    figure.text(0.04, 0.953, NOT_CLINICAL, fontsize=10, weight="bold", va="top", color="#a03000")
    _write(figure.add_subplot(rows[0]), _patient(summary), size=7.0)
    _table(figure.add_subplot(rows[1]), summary)
    arms = list(tree.children)[:SHOWN_ARMS]
    _slices(_across(figure, rows[2], len(arms), 0.3), tree, case, arms)
    figure.legend(
        handles=slice_handles(case),
        loc="upper center",
        bbox_to_anchor=(0.5, rows[2].get_position(figure).y0 - 0.012),
        ncols=6,
        fontsize=6.5,
        facecolor="#d8d8d8",
        framealpha=1.0,
    )
    panels = _across(figure, rows[3], len(PANELS), 0.25)
    _histograms(figure, panels, tree, case)
    _write(figure.add_subplot(rows[4]), [*OUTCOMES, _origin(summary)], size=6.5)
    return figure


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


def _patient(summary: dict[str, Any]) -> list[str]:
    """Say level, zones, compression before and after, stability, and metal in the path."""
    lines = staging_lines(summary["staging"]).splitlines()
    metal = [
        line for part in implant_section(summary["arms"]) for line in part.splitlines() if line[:2] == "- "
    ]
    return [line.removeprefix("- ") for line in (*lines, *metal) if line.strip()]


def _table(panel: Axes, summary: dict[str, Any]) -> None:
    """Set the arms side by side: the dose of every headline on both scales, absorbed and its LETd."""
    arms = dict(list(summary["arms"].items())[:SHOWN_ARMS])
    rows = [
        *_doses(arms, "cord", (("maximum", "max"), ("D0.03cc", "d0_03cc")), "cord"),
        *_doses(arms, "tumour", (("minimum", "dmin"), ("D98", "d98"), ("D95", "d95")), "target"),
    ]
    first = next(iter(arms.values()))["goals"]
    for number, goal in enumerate(first):
        cells = [arm["goals"][number] for arm in arms.values()]
        texts = [f"{cell['value']:.2f}  {'met' if cell['met'] else 'NOT MET'}" for cell in cells]
        rows.append([goal_name(goal), *texts])
    panel.axis("off")
    names = ["GyE (LEM I Gy(RBE), Gy, keV/um)", *(heading(name, arm) for name, arm in arms.items())]
    table = panel.table(
        cellText=rows,
        colLabels=names,
        loc="upper center",
        cellLoc="center",
        colWidths=[0.34, *[0.22] * len(arms)],
    )
    table.auto_set_font_size(False)
    table.set_fontsize(6.8)
    table.scale(1.0, 1.02)
    for (row, column), cell in table.get_celld().items():
        cell.set_linewidth(0.4)
        if row == 0 or "NOT MET" in cell.get_text().get_text():
            cell.get_text().set_fontweight("bold")
        if column == 0:
            cell.get_text().set_horizontalalignment("left")


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


def _histograms(figure: Figure, panels: list[Axes], tree: xr.DataTree, case: Case) -> None:
    draw_histograms(dict(zip(PANELS, panels, strict=True)), tree, case)
    for panel in panels:
        panel.tick_params(labelsize=6)
        panel.title.set_fontsize(8)
        panel.xaxis.label.set_fontsize(7)
        for text in panel.texts:
            text.set_fontsize(6)
    panels[0].set_ylabel("volume [%]", fontsize=7)
    panels[0].legend(handles=[arm_handle(tree, arm) for arm in tree.children], fontsize=6, loc="lower left")


def _origin(summary: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    return (
        f"All {len(summary['assumptions'])} assumptions are in the report of the run. {versions}. "
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
