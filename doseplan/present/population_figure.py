"""How many anatomies need no more than so many millimetres, and which of their numbers drive it."""

from textwrap import wrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from doseplan.present.margin_figure import LINES, WHOLE_STEPS
from doseplan.present.style import entitle

TOLD, CHANCE = "#0072b2", "#bbbbbb"
"""Bars that are told from chance, and those that are not."""

TOLD_BELOW = 0.05
"""Probability by chance below which a driver is told from it."""

MOST_BARS = 12


def population_figure(found: xr.Dataset) -> Figure:
    """Draw the share of anatomies against millimetres, and the rank correlation of every drawn number.

    Parameters
    ----------
    found
        As `doseplan.study.sample_population` gives it.
    """
    outcomes = [str(name) for name in found["outcome"].values]
    bars = min(found.sizes["driver"], MOST_BARS)
    figure = Figure(figsize=(5.2 + 3.6 * len(outcomes), max(4.6, 2.2 + 0.3 * bars)), layout="constrained")
    ratios = [1.5, *([1.0] * len(outcomes))]
    panels = figure.subplots(1, 1 + len(outcomes), width_ratios=ratios)
    _draw_shares(panels[0], found)
    order = _order(found)[:MOST_BARS]
    for place, (panel, outcome) in enumerate(zip(panels[1:], outcomes, strict=True)):
        _draw_drivers(panel, found.sel(outcome=outcome), order, named=place == 0)
    judged = int((~found["refused"].values).sum())
    refused = found.sizes["anatomy"] - judged
    said = f"{found.attrs['case']}: {judged} anatomies of '{found.attrs['population']}'"
    entitle(figure, f"{said}{f', {refused} refused' if refused else ''}")
    return figure


def _draw_shares(panel: Axes, found: xr.Dataset) -> None:
    separation = found["separation"].values
    for (style, marker, colour), name in zip(LINES, found["errors"].values, strict=False):
        one = found.sel(errors=name)
        label = {"nominal": "as planned", "robust": "in every error scenario, too"}[str(name)]
        panel.fill_between(
            separation,
            one["margin_share_low"].values,
            one["margin_share_high"].values,
            step="post",
            color=colour,
            alpha=0.16,
            lw=0.0,
        )
        panel.step(
            separation,
            one["margin_share"].values,
            where="post",
            ls=style,
            marker=marker,
            ms=4.5,
            lw=1.5,
            color=colour,
            label=label,
        )
    panel.set(ylim=(0.0, 1.03), xlabel="separation [mm]", ylabel="anatomies that need no more than this")
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    panel.xaxis.set_major_locator(MaxNLocator(8, steps=WHOLE_STEPS))
    panel.set_title("share of anatomies (band: 95 %)", fontsize="medium")
    panel.legend(loc="best", frameon=False)
    panel.grid(alpha=0.3)


def _draw_drivers(panel: Axes, one: xr.Dataset, order: list[str], *, named: bool) -> None:
    outcome = str(one["outcome"].item())
    panel.set_title("\n".join(wrap(f"rank correlation with the {outcome}", 26)), fontsize="medium")
    panel.set(xlim=(-1.0, 1.0), ylim=(len(order) - 0.4, -0.6), xticks=(-0.5, 0.0, 0.5))
    panel.set_yticks(range(len(order)), order if named else [""] * len(order))
    panel.axvline(0.0, color="black", lw=0.8)
    panel.grid(axis="x", alpha=0.3)
    drivers = one.sel(driver=order)
    middle = drivers["rank_correlation"].values
    if np.isnan(middle).all():
        why = [line for line in one.attrs["not_ranked"] if line.startswith(f"{outcome}: ")]
        text = "\n".join(wrap(why[0].removeprefix(f"{outcome}: ") if why else "not ranked", 24))
        panel.text(0.0, (len(order) - 1) / 2, text, ha="center", va="center", bbox={"fc": "white", "lw": 0.0})
        return
    told = drivers["rank_chance"].values < TOLD_BELOW
    low, high = (drivers[f"rank_correlation_{end}"].values for end in ("low", "high"))
    ends = np.maximum(np.stack([middle - low, high - middle]), 0.0)
    hatches = ["" if each else "///" for each in told]
    panel.barh(
        range(len(order)),
        middle,
        color=[TOLD if each else CHANCE for each in told],
        hatch=hatches,
        edgecolor="white",
        height=0.7,
        lw=0.0,
    )
    panel.errorbar(
        middle, range(len(order)), xerr=ends, fmt="none", ecolor="black", elinewidth=1.0, capsize=2.5
    )
    panel.set_xlabel("grey, hatched: not told from chance" if not told.all() else "all told from chance")


def _order(found: xr.Dataset) -> list[str]:
    """Order drivers by the first outcome that is ranked, as drawn if none is."""
    for share in found["rank_share"].values:
        if not np.isnan(share).any():
            return [str(found["driver"].values[place]) for place in np.argsort(-share, kind="stable")]
    return [str(name) for name in found["driver"].values]
