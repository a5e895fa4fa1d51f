"""What each millimetre of separation brings: coverage of the target, and dose of the cord."""

from collections.abc import Iterable

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from doseplan.present.style import entitle

Array = NDArray[np.float64]

ACROSS_MOST = 4
"""Panels beside each other."""

WHOLE_STEPS = (1, 2, 5, 10)
"""Millimetres between ticks, or a power of ten of it."""

LINES = (
    ("-", "o", "#d55e00"),
    ("--", "s", "#0072b2"),
    ("-.", "^", "#009e73"),
    (":", "D", "#000000"),
    ((0, (6, 1)), "v", "#cc79a7"),
    ((0, (4, 1, 1, 1)), "P", "#56b4e9"),
)
"""Line, marker and colour of each prescription; colours of Okabe and Ito, told apart by the colour-blind."""

DOSES = {"target_minimum": "target minimum (above), V95 of the target (below)"}
VOLUMES = {"target_v95": "V95 of the target", "strip_v95": "V95 of the target near the dura"}

GOAL = {"color": "black", "ls": (0, (1, 1)), "lw": 1.2}
BOUND = {"color": "#555555", "ls": "-.", "marker": "v", "ms": 5.0, "lw": 1.2}
FEASIBLE = {"color": "#009e73", "alpha": 0.16, "lw": 0.0}
IMPOSSIBLE = {"facecolor": "none", "edgecolor": "#999999", "hatch": "////", "lw": 0.0}


def margin_curve(sweep: xr.Dataset) -> Figure:
    """Draw coverage against separation, two panels for each prescription.

    Above the target minimum that was achieved stands the one that no plan can beat, where it is proven, with
    what lies above it hatched. Separations at which the plan meets all limits and goals are shaded.

    Parameters
    ----------
    sweep
        One variant of a sweep.
    """
    count = sweep.sizes["prescription"]
    across = min(count, ACROSS_MOST)
    down = -(-count // across)
    figure = Figure(figsize=(3.5 * max(across, 2) + 0.8, 5.8 * down + 1.1), layout="constrained")
    panels = figure.subplots(2 * down, across, squeeze=False, sharex=True)
    lowest = [_floor(sweep, names) for names in ((*DOSES, "target_minimum_goal"), VOLUMES)]
    for number in range(down * across):
        row, column = divmod(number, across)
        upper, lower = panels[2 * row, column], panels[2 * row + 1, column]
        if number >= count:
            upper.set_axis_off()
            lower.set_axis_off()
            continue
        point = sweep.isel(prescription=number)
        total = float(point["prescription"])
        _draw(upper, point, DOSES)
        _draw(lower, point, VOLUMES)
        upper.set(title=f"{total:g} GyE prescribed", ylim=(lowest[0], 1.03 * total))
        _draw_goal_and_bound(upper, point)
        lower.set(ylim=(lowest[1], 101.5), xlabel="separation [mm]")
        if column == 0:
            upper.set_ylabel(f"dose {_scale(sweep)}")
            lower.set_ylabel("volume that gets 95 %\nof the prescription [%]")
    columns = 3 if across > 2 else 2
    figure.legend(handles=_handles(sweep), loc="outside lower center", ncols=columns, frameon=False)
    entitle(figure, _title(sweep, "coverage"))
    return figure


def cord_curve(sweep: xr.Dataset) -> Figure:
    """Draw maximum and near maximum of the cord against separation, a line for each prescription.

    Parameters
    ----------
    sweep
        One variant of a sweep.
    """
    figure = Figure(figsize=(9.4, 5.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, (name, title) in zip(
        panels, (("cord_maximum", "maximum"), ("cord_d0_03cc", "hottest 0.03 cm3 (D0.03cc)")), strict=True
    ):
        for number, total in enumerate(sweep["prescription"].values):
            style, marker, colour = LINES[number % len(LINES)]
            panel.plot(
                sweep["separation"].values,
                sweep[name].isel(prescription=number).values,
                ls=style,
                marker=marker,
                color=colour,
                ms=4.5,
                lw=1.5,
                label=f"{total:g} GyE prescribed",
            )
        limits = sweep["cord_limit"].values
        for limit in np.unique(limits[np.isfinite(limits)]):
            panel.axhline(limit, **GOAL, label=f"the cord's limit, {limit:g} GyE")
        panel.set(title=title, xlabel="separation [mm]")
        panel.xaxis.set_major_locator(MaxNLocator(6, steps=WHOLE_STEPS))
        panel.margins(y=0.08)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"dose {_scale(sweep)}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(handles), 3), frameon=False)
    entitle(figure, _title(sweep, "dose of the cord"))
    return figure


def draw_minimum(panel: Axes, point: xr.Dataset) -> None:
    """Draw the target minimum of one prescription against separation, with its goal and proven maximum."""
    style, marker, colour = LINES[0]
    separation = point["separation"].values
    for low, high in _spans(separation, point["goals_met"].values & point["limits_met"].values):
        panel.axvspan(low, high, **FEASIBLE)  # type: ignore[arg-type]
    panel.plot(
        separation,
        point["target_minimum"].values,
        ls=style,
        marker=marker,
        color=colour,
        ms=3.5,
        lw=1.3,
        label="planned",
    )
    panel.xaxis.set_major_locator(MaxNLocator(6, steps=WHOLE_STEPS))
    panel.grid(alpha=0.3)
    lowest = min(float(np.nanmin(point[name].values)) for name in ("target_minimum", "target_minimum_goal"))
    panel.set_ylim(max(0.0, 5.0 * np.floor((lowest - 1.0) / 5.0)), 1.03 * float(point["prescription"]))
    _draw_goal_and_bound(panel, point)
    for line, said in zip(panel.lines[1:], ("goal", "proven maximum"), strict=True):
        line.set_label(said if np.isfinite(line.get_ydata()).any() else "_")


def _draw(panel: Axes, point: xr.Dataset, names: dict[str, str]) -> None:
    """Draw curves over the separations at which limits and goals are met."""
    separation = point["separation"].values
    for low, high in _spans(separation, point["goals_met"].values & point["limits_met"].values):
        panel.axvspan(low, high, **FEASIBLE)  # type: ignore[arg-type]
    for (style, marker, colour), name in zip(LINES, names, strict=False):
        panel.plot(separation, point[name].values, ls=style, marker=marker, color=colour, ms=4.5, lw=1.5)
    panel.xaxis.set_major_locator(MaxNLocator(6, steps=WHOLE_STEPS))
    panel.grid(alpha=0.3)


def _draw_goal_and_bound(panel: Axes, point: xr.Dataset) -> None:
    separation, bound = point["separation"].values, point["target_minimum_bound"].values
    panel.plot(separation, point["target_minimum_goal"].values, **GOAL)  # type: ignore[arg-type]
    proven = np.isfinite(bound)
    top = panel.get_ylim()[1]
    panel.plot(separation[proven], bound[proven], **BOUND)  # type: ignore[arg-type]
    panel.fill_between(separation, bound, top, where=proven & (bound < top), **IMPOSSIBLE)  # type: ignore[arg-type]
    panel.set_ylim(top=top)


def _spans(separation: Array, met: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Give the ranges of separations nearest to those that are met, neighbours joined."""
    middle = 0.5 * (separation[1:] + separation[:-1])
    edges = np.concatenate([separation[:1] - 0.25, middle, separation[-1:] + 0.25])
    spans: list[tuple[float, float]] = []
    for number in np.flatnonzero(met):
        low, high = float(edges[number]), float(edges[number + 1])
        if spans and spans[-1][1] == low:
            low = spans.pop()[0]
        spans.append((low, high))
    return spans


def _floor(sweep: xr.Dataset, names: Iterable[str]) -> float:
    """Find a round number below all curves."""
    values = np.concatenate([sweep[name].values.ravel() for name in names])
    least = float(np.nanmin(values))
    return max(0.0, 5.0 * float(np.floor((least - 1.0) / 5.0)))


def _handles(sweep: xr.Dataset) -> list[Artist]:
    """Explain what is drawn; what is not there is not explained."""
    handles: list[Artist] = [
        Line2D([], [], ls=style, marker=marker, color=colour, ms=4.5, lw=1.5, label=said)
        for (style, marker, colour), said in zip(LINES, (*DOSES.values(), VOLUMES["strip_v95"]), strict=False)
    ]
    if np.isfinite(sweep["target_minimum_goal"].values).any():
        handles.append(Line2D([], [], **GOAL, label="goal for the target minimum"))  # type: ignore[arg-type]
    if np.isfinite(sweep["target_minimum_bound"].values).any():
        handles.append(Line2D([], [], **BOUND, label="proven maximum of the target minimum"))  # type: ignore[arg-type]
        handles.append(Patch(**IMPOSSIBLE, label="proven impossible for the target minimum"))  # type: ignore[arg-type]
    if (sweep["goals_met"].values & sweep["limits_met"].values).any():
        handles.append(Patch(**FEASIBLE, label="all limits and goals met"))  # type: ignore[arg-type]
    return handles


def _scale(sweep: xr.Dataset) -> str:
    labels = sweep["target_minimum"].attrs
    return f"[GyE, {labels['scale']}, {labels['fractions']} fractions]"


def _title(sweep: xr.Dataset, what: str) -> str:
    variant = str(sweep["variant"].item())
    return f"{sweep.attrs['case']}{f', {variant}' if variant else ''}: {what} against separation"
