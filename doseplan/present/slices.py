"""Dose over CT: an axial and a sagittal slice of each arm."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from doseplan.case import Case
from doseplan.present.style import (
    LEVEL_LINES,
    arm_title,
    dose_label,
    dose_levels,
    entitle,
    explain,
    level_handles,
    node,
)
from doseplan.schema import STRUCTURES

HALF_WIDTH_MM = 70.0
"""[mm] half the side of the part of a slice that is shown."""

SHOWN_FROM = 0.05
"""[prescription] lower doses are left clear, so that the CT is seen."""

CONTOURS = {"cord": ("-", "#ffffff"), "dura": (":", "#7fd4ff"), "target": ("--", "#ff66cc")}
HALO: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=3.0, foreground="black")]
"""A dark rim, so that light lines and letters are seen on bone and high dose too."""


def dose_slices(tree: xr.DataTree, case: Case) -> Figure:
    """Draw GyE over CT, axial above and sagittal below, through the coldest target point without surgery.

    The axial view is seen from the feet: the patient's left is on the right.
    """
    arms = list(tree.children)
    x, y, z = coldest_point(node(tree, arms[0], "samples"))
    centre = 0.5 * (np.array([x, y, z]) + node(tree, arms[0], "spots")["isocentre"].values)
    heights = _heights(node(tree, arms[0], "anatomy"))
    figure = Figure(figsize=(4.6 * len(arms) + 1.1, 4.4 * sum(heights) + 2.0), layout="constrained")
    axes = figure.subplots(2, len(arms), squeeze=False, height_ratios=heights)
    shown: Any = None
    for column, arm in enumerate(arms):
        axial, sagittal = axes[0, column], axes[1, column]
        shown = draw_slice(axial, cut(tree, arm, "z", z), case, (centre[0], centre[1]))
        draw_slice(sagittal, cut(tree, arm, "x", x), case, (centre[1], centre[2]))
        axial.set(title=f"{arm_title(tree, arm)}\naxial, z = {z:.0f} mm", xlabel="x [mm]", ylabel="y [mm]")
        sagittal.set(title=f"sagittal, x = {x:.0f} mm", xlabel="y [mm]", ylabel="z [mm]")
        letters(axial, "R", "L", "P", "A")
        letters(sagittal, "A", "P", "F", "H")
    _mark(axes[0, 0], x, y)
    _mark(axes[1, 0], y, z)
    bar = figure.colorbar(shown, ax=axes, shrink=0.7, pad=0.01)
    bar.set_label(f"RBE-weighted {dose_label(case)}")
    explain(figure, [*slice_handles(case), _cross(f"coldest target point, {arm_title(tree, arms[0])}")])
    entitle(figure, f"{case.name}: {case.prescription.total_gy_rbe:g} GyE")
    return figure


def coldest_point(samples: xr.Dataset) -> tuple[float, float, float]:
    """Find the target sample that gets least (x, y, z) [mm]."""
    target = np.flatnonzero(samples["sample_structure"].values == STRUCTURES["target"])
    coldest = target[np.argmin(samples["sample_dose_rbe"].values[target])]
    x, y, z = samples["sample_position"].values[coldest]
    return float(x), float(y), float(z)


def cut(tree: xr.DataTree, arm: str, axis: str, position: float) -> xr.Dataset:
    """Cut CT, distances and dose of an arm at a position [mm] of an axis."""
    names = ["hu", *(f"distance_{name}" for name in CONTOURS)]
    anatomy = node(tree, arm, "anatomy")[names].sel({axis: position}, method="nearest")
    dose = node(tree, arm, "dose")[["dose_rbe"]].sel({axis: position}, method="nearest")
    return anatomy.assign(dose_rbe=dose["dose_rbe"])


def draw_slice(panel: Axes, part: xr.Dataset, case: Case, centre: tuple[float, float]) -> Any:
    """Draw CT, dose, isodoses and contours; give what the colour bar belongs to."""
    vertical, horizontal = (str(name) for name in part["hu"].dims)
    across, up, dose = (part[name].values for name in (horizontal, vertical, "dose_rbe"))
    total = case.prescription.total_gy_rbe
    flat: dict[str, Any] = {"shading": "nearest", "rasterized": True}
    panel.pcolormesh(across, up, part["hu"].values, cmap="gray", vmin=-250, vmax=600, **flat)
    seen = np.ma.masked_less(dose, SHOWN_FROM * total)
    shown = panel.pcolormesh(across, up, seen, cmap="viridis", vmin=0.0, vmax=1.1 * total, alpha=0.55, **flat)
    for (style, colour), (_, level) in zip(LEVEL_LINES, dose_levels(case), strict=True):
        if level is not None and dose.min() < level < dose.max():
            panel.contour(across, up, dose, [level], colors=colour, linestyles=style, linewidths=1.1)
    for name, (style, colour) in CONTOURS.items():
        away = part[f"distance_{name}"].values
        if away.min() < 0.0 < away.max():
            edge = panel.contour(across, up, away, [0.0], colors=colour, linestyles=style, linewidths=1.6)
            edge.set_path_effects(HALO)
    _frame(panel, centre, across=across, up=up, downwards=vertical == "y")
    return shown


def _heights(anatomy: xr.Dataset) -> tuple[float, float]:
    """Give the heights of axial and sagittal views as parts of a full one."""
    axial, sagittal = (min(float(np.ptp(anatomy[axis].values)) / (2.0 * HALF_WIDTH_MM), 1.0) for axis in "yz")
    return axial, sagittal


def _frame(panel: Axes, centre: tuple[float, float], *, across: Any, up: Any, downwards: bool) -> None:
    """Show as large a part as the grid has, centred where it can be; y grows downwards: anterior is above."""
    ends = []
    for middle, axis in zip(centre, (across, up), strict=True):
        first, last = float(axis.min()), float(axis.max())
        low = min(max(middle - HALF_WIDTH_MM, first), max(last - 2.0 * HALF_WIDTH_MM, first))
        ends.append((low, min(low + 2.0 * HALF_WIDTH_MM, last)))
    panel.set_aspect("equal")
    panel.set_xlim(*ends[0])
    panel.set_ylim(*(reversed(ends[1]) if downwards else ends[1]))


def letters(panel: Axes, left: str, right: str, bottom: str, top: str) -> None:
    """Write at the edges where they point to."""
    places = ((0.04, 0.5, left), (0.96, 0.5, right), (0.5, 0.05, bottom), (0.5, 0.95, top))
    for across, up, letter in places:
        text = panel.text(
            across,
            up,
            letter,
            transform=panel.transAxes,
            color="yellow",
            weight="bold",
            ha="center",
            va="center",
        )
        text.set_path_effects(HALO)


def _mark(panel: Axes, across: float, up: float) -> None:
    cross = _cross("")
    cross.set_data([across], [up])
    panel.add_line(cross)


def _cross(label: str) -> Line2D:
    return Line2D([], [], ls="none", marker="x", ms=7, mew=1.5, color="white", path_effects=HALO, label=label)


def slice_handles(case: Case) -> list[Line2D]:
    """Explain levels and contours in a legend."""
    contours = [Line2D([], [], color=colour, ls=style, lw=1.6) for style, colour in CONTOURS.values()]
    for line, name in zip(contours, CONTOURS, strict=True):
        line.set(label=f"{name} contour", path_effects=HALO)
    return [*level_handles(case), *contours]
