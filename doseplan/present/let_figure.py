"""LET of a run: how much of cord and target sees how much, and at which dose."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from doseplan.case import Case
from doseplan.case.limits import cord_limit
from doseplan.evaluation import dose_let_histogram, let_volume_histogram
from doseplan.present.style import (
    ARM_LINES,
    LEVEL_LINES,
    arm_title,
    dose_label,
    entitle,
    explain,
    level_handles,
    node,
)
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]

TITLES = {"cord": "spinal cord", "target": "target"}

LIMIT_WIDTH = 0.9
"""[pt] of the cord's limit, as on the dose-volume histograms."""

LET_STEP, DOSE_STEP = 4.0, 2.0
"""[keV/um], [Gy(RBE)] bins of the dose-LET histogram."""

SHARES = (0.001, 20.0)
"""[%] ends of the colours, on a logarithmic scale; beyond them the end's colour."""


def let_figure(tree: xr.DataTree, case: Case) -> Figure:
    """Draw LET-volume histograms of cord and target, and the dose-LET histogram of the cord in every arm."""
    arms = list(tree.children)
    figure = Figure(figsize=(max(13.0, 3.2 * len(arms) + 1.0), 8.8), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False)[:, 0]
    highest = max(float(_part(tree, arm, name)[1].max()) for arm in arms for name in TITLES)
    # to the edge of a bin beyond the highest LET, where every curve has come down to 0
    end = LET_STEP * (int(highest / LET_STEP) + 1)
    _draw_curves(dict(zip(TITLES, above.subplots(1, 2, sharey=True), strict=True)), tree, end)
    _draw_pairs(list(below.subplots(1, len(arms), sharey=True, squeeze=False)[0]), tree, case, end)
    arm_lines = [
        Line2D([], [], ls=style, color=colour, lw=1.8, label=arm_title(tree, arm))
        for arm, (style, colour) in ((arm, ARM_LINES[arm]) for arm in arms)
    ]
    handles = [*arm_lines, *level_handles(case, width=LIMIT_WIDTH)[2:]]
    explain(figure, handles)
    entitle(figure, f"{case.name}: LET")
    return figure


def _draw_curves(panels: dict[str, Axes], tree: xr.DataTree, end: float) -> None:
    """Draw what share of a structure has at least each LET, all arms in each panel."""
    levels = np.linspace(0.0, end, 200)
    for name, panel in panels.items():
        for arm in tree.children:
            _, let_d, volume = _part(tree, arm, name)
            style, colour = ARM_LINES[arm]
            panel.plot(
                levels, let_volume_histogram(let_d, volume, levels=levels), ls=style, color=colour, lw=1.8
            )
        panel.set(title=TITLES[name], xlabel="LETd in water [keV/um]", xlim=(0.0, end), ylim=(0.0, 102.0))
        panel.grid(alpha=0.3)
    panels["cord"].set_ylabel("volume with at least that LETd [%]")


def _draw_pairs(panels: list[Axes], tree: xr.DataTree, case: Case, end: float) -> None:
    """Draw what share of the cord gets which dose at which LET, with the cord's limit."""
    arms, limit = list(tree.children), cord_limit(case)
    highest = max(float(_part(tree, arm, "cord")[0].max()) for arm in arms)
    last = DOSE_STEP * (int(max(highest, limit or 0.0) / DOSE_STEP) + 2)
    dose_edges, let_edges = np.arange(0.0, last, DOSE_STEP), np.arange(0.0, end + LET_STEP / 2, LET_STEP)
    style, colour = LEVEL_LINES[2]
    for panel, arm in zip(panels, arms, strict=True):
        pairs = dose_let_histogram(*_part(tree, arm, "cord"), dose_edges=dose_edges, let_edges=let_edges)
        share = np.where(pairs["share"] > 0.0, pairs["share"], np.nan)
        mesh = panel.pcolormesh(
            dose_edges, let_edges, share.T, cmap="cividis", norm=LogNorm(*SHARES, clip=True)
        )
        if limit is not None:
            panel.axvline(limit, color=colour, lw=LIMIT_WIDTH, ls=style)
        panel.set_title(f"cord, {arm_title(tree, arm)}", fontsize=10)
        panel.set_xlabel(dose_label(case))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("LETd in water [keV/um]")
    # all panels have the same colours
    panels[0].figure.colorbar(mesh, ax=panels, label="cord volume in a bin [%]", extend="both")


def _part(tree: xr.DataTree, arm: str, name: str) -> tuple[Array, Array, Array]:
    """Give dose, LET and volume of one structure's samples that have volume."""
    samples = node(tree, arm, "samples")
    chosen = (samples["sample_structure"].values == STRUCTURES[name]) & (
        samples["sample_volume"].values > 0.0
    )
    names = ("sample_dose_rbe", "sample_let_d", "sample_volume")
    dose, let_d, volume = (samples[each].values[chosen] for each in names)
    return dose, let_d, volume
