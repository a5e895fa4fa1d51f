"""LET of a run: how much of cord and target sees how much, and at which dose."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from doseplan.case import Case
from doseplan.evaluation import dose_let_histogram, let_volume_histogram
from doseplan.present.style import ARM_LINES, arm_title, dose_label, entitle, node
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]

LET_STEP, DOSE_STEP = 4.0, 2.0
"""[keV/um], [Gy(RBE)] bins of the dose-LET histogram."""

SHARES = (0.001, 20.0)
"""[%] ends of the colours, on a logarithmic scale; beyond them the end's colour."""


def let_figure(tree: xr.DataTree, case: Case) -> Figure:
    """Draw LET-volume histograms of cord and target, and the dose-LET histogram of the cord in every arm."""
    arms = list(tree.children)
    figure = Figure(figsize=(13.0, 8.4), layout="constrained")
    count = len(arms)
    grid = figure.add_gridspec(2, 2 * count)
    panels = [figure.add_subplot(grid[0, part * count : (part + 1) * count]) for part in range(2)]
    highest = max(_part(tree, arm, name)[1].max() for arm in arms for name in ("cord", "target"))
    levels = np.linspace(0.0, highest, 200)
    for panel, name in zip(panels, ("cord", "target"), strict=True):
        for arm in arms:
            _, let_d, volume = _part(tree, arm, name)
            style, colour = ARM_LINES[arm]
            share = let_volume_histogram(let_d, volume, levels=levels)
            panel.plot(levels, share, ls=style, color=colour, lw=1.8, label=arm_title(tree, arm))
        title = "spinal cord" if name == "cord" else name
        panel.set(title=title, xlabel="LETd in water [keV/um]", xlim=(0.0, highest), ylim=(0.0, 102.0))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("volume with at least that LETd [%]")
    panels[1].legend(loc="upper right")
    below = [figure.add_subplot(grid[1, 2 * arm : 2 * arm + 2]) for arm in range(count)]
    _draw_pairs(below, tree, case, highest)
    entitle(figure, f"{case.name}: LET")
    return figure


def _draw_pairs(panels: list[Axes], tree: xr.DataTree, case: Case, highest: float) -> None:
    """Draw what share of the cord gets which dose at which LET."""
    arms = list(tree.children)
    dose_edges = np.arange(0.0, max(_part(tree, arm, "cord")[0].max() for arm in arms) + DOSE_STEP, DOSE_STEP)
    let_edges = np.arange(0.0, highest + LET_STEP, LET_STEP)
    for panel, arm in zip(panels, arms, strict=True):
        pairs = dose_let_histogram(*_part(tree, arm, "cord"), dose_edges=dose_edges, let_edges=let_edges)
        share = np.where(pairs["share"] > 0.0, pairs["share"], np.nan)
        mesh = panel.pcolormesh(
            dose_edges, let_edges, share.T, cmap="cividis", norm=LogNorm(*SHARES, clip=True)
        )
        figure = panel.get_figure()
        assert figure is not None, "a panel is part of a figure"
        figure.colorbar(mesh, ax=panel, label="cord volume [%]")
        panel.set(title=f"cord, {arm_title(tree, arm)}", xlabel=dose_label(case))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("LETd in water [keV/um]")


def _part(tree: xr.DataTree, arm: str, name: str) -> tuple[Array, Array, Array]:
    """Give dose, LET and volume of one structure's samples that have volume."""
    samples = node(tree, arm, "samples")
    chosen = (samples["sample_structure"].values == STRUCTURES[name]) & (
        samples["sample_volume"].values > 0.0
    )
    names = ("sample_dose_rbe", "sample_let_d", "sample_volume")
    dose, let_d, volume = (samples[each].values[chosen] for each in names)
    return dose, let_d, volume
