"""Dose-volume histograms when the patient lies elsewhere, always or day by day, or ranges are wrong."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from doseplan.case import Case
from doseplan.evaluation import daily_bands, histogram_bands
from doseplan.present.curves import PANELS, draw_levels
from doseplan.present.style import ARM_LINES, arm_title, dose_label, entitle, explain, level_handles, node


def robust_figure(tree: xr.DataTree, case: Case) -> Figure:
    """Draw for each arm the dose-volume histogram as planned and the band of all error scenarios.

    The arms' samples carry `scenario_dose_rbe`.
    """
    bands = {arm: arm_bands(tree, arm) for arm in tree.children}
    title = f"{case.name}: dose-volume histograms in errors of setup and range"
    return _band_figure(tree, case, bands, said="lowest to highest of all errors", title=title)


def daily_figure(tree: xr.DataTree, case: Case) -> Figure:
    """Draw for each arm the dose-volume histogram as planned and the band of courses with daily shifts.

    The arms' samples carry `daily_dose_rbe`.
    """
    bands = {
        arm: daily_bands(case, node(tree, arm, "samples"), separation_mm=_separation(tree, arm))
        for arm in tree.children
    }
    size = 0.0 if case.robustness is None else case.robustness.daily_mm
    title = f"{case.name}: dose-volume histograms of courses with a new shift every day ({size:g} mm)"
    return _band_figure(tree, case, bands, said="5th to 95th percentile of courses", title=title)


def _band_figure(
    tree: xr.DataTree, case: Case, bands: dict[str, xr.Dataset], *, said: str, title: str
) -> Figure:
    """Draw bands around histograms, a row for each arm and a panel for each structure."""
    figure = Figure(figsize=(13.0, 3.1 * len(bands) + 1.2), layout="constrained")
    axes = figure.subplots(len(bands), len(PANELS), sharex=True, sharey=True, squeeze=False)
    for row, (arm, found) in zip(axes, bands.items(), strict=True):
        _, colour = ARM_LINES[arm]
        for panel, (structure, name) in zip(row, PANELS.items(), strict=True):
            panel.set_title(f"{name}: {arm_title(tree, arm)}", fontsize=10)
            panel.grid(alpha=0.3)
            draw_levels(panel, case, of_cord=structure == "cord")
            if structure in found["structure"]:
                own = found.sel(structure=structure)
                low, middle, high = own["dvh"].values
                panel.fill_between(own["dvh_dose"], low, high, color=colour, alpha=0.3, lw=0.0)
                panel.plot(own["dvh_dose"], middle, color=colour, lw=1.6)
        row[0].set_ylabel("volume [%]")
    total = case.prescription.total_gy_rbe
    axes[0, 0].set(xlim=(0.0, 1.25 * total), ylim=(0.0, 102.0))
    for panel in axes[-1]:
        panel.set_xlabel(dose_label(case))
    handles = [
        Line2D([], [], color="#333333", lw=1.6, label="as planned"),
        Patch(color="#333333", alpha=0.3, lw=0.0, label=said),
        *level_handles(case, width=0.9),
    ]
    explain(figure, handles)
    entitle(figure, title)
    return figure


def draw_band(axes: dict[str, Axes], tree: xr.DataTree, arm: str) -> Patch:
    """Draw the bands of one arm on panels of histograms; give what explains them in a legend."""
    bands = arm_bands(tree, arm)
    colour = ARM_LINES[arm][1]
    look: dict[str, Any] = {
        "facecolor": (*to_rgb(colour), 0.25),
        "edgecolor": colour,
        "hatch": "////",
        "lw": 0.5,
    }
    for structure, panel in axes.items():
        if structure in bands["structure"]:
            low, _, high = bands.sel(structure=structure)["dvh"].values
            panel.fill_between(bands["dvh_dose"], low, high, zorder=0.5, **look)
    return Patch(**look, label=f"{arm} in all errors")


def arm_bands(tree: xr.DataTree, arm: str) -> xr.Dataset:
    """Compute the bands of the histograms of one arm."""
    return histogram_bands(node(tree, arm, "samples"), separation_mm=_separation(tree, arm))


def _separation(tree: xr.DataTree, arm: str) -> float | None:
    separation = float(node(tree, arm, "anatomy").attrs["separation_mm"])
    return None if np.isnan(separation) else separation
