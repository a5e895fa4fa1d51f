"""Curves of a run: dose-volume histograms, and dose along the beam axes."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from doseplan.case import Case
from doseplan.evaluation import dose_volume_histogram
from doseplan.present.style import (
    ARM_LINES,
    LEVEL_LINES,
    arm_title,
    dose_label,
    dose_levels,
    entitle,
    explain,
    level_handles,
    node,
)

Array = NDArray[np.float64]

PANELS = {"cord": "spinal cord", "target": "target", "strip": "strip of target beside the dura"}
STEP_MM = 0.5
"""[mm] between points of a beam axis."""


def dose_volume_figure(tree: xr.DataTree, case: Case) -> Figure:
    """Draw the dose-volume histograms of cord, target and strip, one panel each, all arms in each."""
    figure = Figure(figsize=(13.0, 5.0), layout="constrained")
    axes = dict(zip(PANELS, figure.subplots(1, len(PANELS), sharey=True), strict=True))
    draw_histograms(axes, tree, case)
    axes["cord"].set_ylabel("volume [%]")
    arms = [arm_handle(tree, arm) for arm in tree.children]
    handles = [*arms, *level_handles(case, width=0.9)]
    explain(figure, handles)
    entitle(figure, case.name)
    return figure


def draw_histograms(axes: dict[str, Axes], tree: xr.DataTree, case: Case) -> None:
    """Draw the dose-volume histograms of all arms, each structure in its panel."""
    for arm in tree.children:
        samples = node(tree, arm, "samples")
        separation = float(node(tree, arm, "anatomy").attrs["separation_mm"])
        curves = dose_volume_histogram(
            samples, samples, separation_mm=None if np.isnan(separation) else separation
        )
        style, colour = ARM_LINES[arm]
        for structure, panel in axes.items():
            if structure in curves["structure"]:
                volume = curves["dvh"].sel(structure=structure)
                panel.plot(
                    curves["dvh_dose"], volume, ls=style, color=colour, lw=1.8, label=arm_title(tree, arm)
                )
    for structure, panel in axes.items():
        total = case.prescription.total_gy_rbe
        panel.set(
            title=PANELS[structure], xlabel=dose_label(case), xlim=(0.0, 1.15 * total), ylim=(0.0, 102.0)
        )
        panel.grid(alpha=0.3)
        draw_levels(panel, case, of_cord=structure == "cord")


def axis_depth_dose(tree: xr.DataTree, case: Case) -> Figure:
    """Draw dose, LET and water-equivalent depth of the last arm along every beam axis."""
    arm = list(tree.children)[-1]
    spots = node(tree, arm, "spots")
    volume = _volume(tree, arm)
    count = spots.sizes["field"]
    figure = Figure(figsize=(max(4.6 * count, 7.0) + 0.6, 9.2), layout="constrained")
    axes = figure.subplots(3, count, sharex="col", sharey="row", squeeze=False, height_ratios=(3, 2, 2))
    for field in range(count):
        gantry, couch, roll = (float(spots[name][field]) for name in ("gantry", "couch", "roll"))
        _draw_axis(axes[:, field], *_axis_line(volume, spots, field))
        rolled = f", roll {roll:g}" if roll != 0.0 else ""
        title = f"along field {field + 1}: gantry {gantry:g}, couch {couch:g}{rolled} deg"
        axes[0, field].set_title(title, fontsize=10)
        axes[2, field].set_xlabel("depth from the skin [mm]")
    for panel, label in zip(
        axes[:, 0],
        ("dose of all fields\n[Gy or GyE]", "LETd [keV/um]", "water-equivalent\ndepth [mm]"),
        strict=True,
    ):
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0.0)  # after the last curve of the row: it ends autoscaling
    found = [panel.get_legend_handles_labels() for panel in axes[0]]
    named = {
        label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=len(named), frameon=False)
    entitle(figure, f"{case.name}, {arm_title(tree, arm)}: total dose along the beam axes")
    return figure


def arm_handle(tree: xr.DataTree, arm: str) -> Line2D:
    """Explain the line of an arm in a legend."""
    style, colour = ARM_LINES[arm]
    return Line2D([], [], ls=style, color=colour, lw=1.8, label=arm_title(tree, arm))


def draw_levels(panel: Axes, case: Case, *, of_cord: bool) -> None:
    """Mark the limit on the cord's panel, and 90 % and 95 % on the others."""
    for number, ((style, colour), (_, level)) in enumerate(zip(LEVEL_LINES, dose_levels(case), strict=True)):
        if level is not None and of_cord == (number == 2):
            panel.axvline(level, color=colour, lw=0.9, ls=style)


def _volume(tree: xr.DataTree, arm: str) -> xr.Dataset:
    """Put what is drawn along an axis on one grid."""
    anatomy = node(tree, arm, "anatomy")[["rsp", "cord", "target", "tissue"]]
    dose = node(tree, arm, "dose")[["dose", "dose_rbe", "let_d"]]
    return anatomy.assign({name: (value.dims, value.values) for name, value in dose.data_vars.items()})


def _axis_line(volume: xr.Dataset, spots: xr.Dataset, field: int) -> tuple[Array, xr.Dataset]:
    """Interpolate along a beam axis from where it enters the body to where it leaves it."""
    start, direction = spots["isocentre"].values, spots["direction"].values[field]
    longest = sum(float(volume[name].max() - volume[name].min()) for name in "xyz")
    steps = np.arange(-longest, longest, STEP_MM)
    points = {name: start[axis] + steps * direction[axis] for axis, name in enumerate("xyz")}
    inside = np.logical_and.reduce(
        [(at >= float(volume[name].min())) & (at <= float(volume[name].max())) for name, at in points.items()]
    )
    kept = {name: xr.DataArray(at[inside], dims="step") for name, at in points.items()}
    body = np.flatnonzero(volume["tissue"].sel(kept, method="nearest").values != 0)
    within = slice(body[0], body[-1] + 1)
    line = volume.drop_vars("tissue").interp(kept, method="linear").isel(step=within)
    along = steps[inside][within]
    return along - along[0], line


def _draw_axis(panels: NDArray[np.object_], along: Array, line: xr.Dataset) -> None:
    upper, middle, lower = panels
    upper.plot(along, line["dose_rbe"], "-", color="#d55e00", label="GyE")
    upper.plot(along, line["dose"], "--", color="#0072b2", label="absorbed dose [Gy]")
    middle.plot(along, line["let_d"], "-", color="#009e73")
    lower.plot(along, np.cumsum(line["rsp"].values) * STEP_MM, "-", color="black")
    for panel in panels:
        _shade(panel, along, line["target"].values, "target", alpha=0.18, color="#cc79a7")
        _shade(panel, along, line["cord"].values, "cord", alpha=0.45, color="#999999", hatch="//")
        panel.grid(alpha=0.3)


def _shade(panel: Axes, along: Array, share: Array, name: str, **look: float | str) -> None:
    """Shade where the axis runs through a structure, if it does."""
    if (share > 0.5).any():
        ground = panel.get_xaxis_transform()
        panel.fill_between(along, 0, 1, where=share > 0.5, lw=0, transform=ground, label=name, **look)  # type: ignore[arg-type]
