"""Where a proof gets its strength: the samples whose multipliers hold the target minimum down."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from doseplan.present.style import entitle
from doseplan.schema import STRUCTURES

FEWEST = 0.002
"""[1] share below which a sample is not drawn."""

WIDEST = 400.0
"""[points^2] area of a marker for all multipliers of its kind."""

GROUND = (("target", "0.85"), ("cord", "0.6"))
"""Samples of the structures, in grey."""

KINDS = (
    ("level", "o", "#0072b2", "target, has to reach the level; size: its part of the proof"),
    ("limit", "D", "#d55e00", "at its limit; size likewise"),
)
"""Marker and colour of the samples that the proof rests on; colours of Okabe and Ito."""

VIEWS = ((0, 1, "x, left [mm]", "y, posterior [mm]"), (2, 1, "z, head [mm]", "y, posterior [mm]"))


def proof_figure(
    arm: str, held: list[dict[str, Any]], samples: xr.Dataset, upper_gye: float, *, scenarios: int = 1
) -> Figure:
    """Draw the samples of target and limits that the proof rests on, axial and sagittal.

    Parameters
    ----------
    held
        Of `planning.stored.holding`.
    upper_gye
        Proven maximum of the target minimum [Gy(RBE)].
    scenarios
        In which the coldest part is looked for, the nominal one included.
    """
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    when = "" if scenarios == 1 else f" in each of {scenarios} scenarios"
    entitle(figure, f"{arm}: no plan gives the coldest part more than {upper_gye:.2f} GyE{when}")
    position, structure = samples["sample_position"].values, samples["sample_structure"].values
    shown = [each for each in held if each["share"] >= FEWEST]
    for panel, (across, up, label, other) in zip(figure.subplots(1, 2), VIEWS, strict=True):
        for name, colour in GROUND:
            points = position[structure == STRUCTURES[name]][::7]
            panel.scatter(points[:, across], points[:, up], s=1.0, color=colour, rasterized=True)
        for kind, marker, colour, _ in KINDS:
            mine = [each for each in shown if each["kind"] == kind]
            where = np.array([each["position_mm"] for each in mine]).reshape(-1, 3)
            size = WIDEST * np.array([each["share"] for each in mine])
            panel.scatter(
                where[:, across],
                where[:, up],
                s=size,
                color=colour,
                marker=marker,
                alpha=0.75,
                ec="black",
                lw=0.5,
            )
        panel.set(xlabel=label, ylabel=other, aspect="equal")
        panel.invert_yaxis()
    points = [Line2D([], [], ls="", marker=".", color=colour, label=name) for name, colour in GROUND]
    kinds = [
        Line2D([], [], ls="", marker=marker, color=colour, mec="black", mew=0.5, ms=8, label=said)
        for _, marker, colour, said in KINDS
    ]
    figure.legend(handles=[*points, *kinds], loc="outside lower center", ncols=4, frameon=False)
    return figure
