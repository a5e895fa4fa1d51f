"""Where a proof gets its strength: the samples whose multipliers hold the target minimum down."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from doseplan.schema import STRUCTURES

FEWEST = 0.002
"""[1] share below which a sample is not drawn."""

WIDEST = 400.0
"""[points^2] area of a marker for all multipliers of its kind."""

VIEWS = ((0, 1, "x, left [mm]", "y, posterior [mm]"), (2, 1, "z, head [mm]", "y, posterior [mm]"))


def proof_figure(arm: str, held: list[dict[str, Any]], samples: xr.Dataset, upper_gye: float) -> Figure:
    """Draw the samples of target and limits that the proof rests on, axial and sagittal.

    Parameters
    ----------
    held
        Of `planning.stored.holding`.
    upper_gye
        Proven maximum of the target minimum [Gy(RBE)].
    """
    figure = Figure(figsize=(10.0, 4.6), layout="constrained")
    figure.suptitle(
        f"{arm}: no plan gives the coldest part more than {upper_gye:.2f} GyE; "
        "size of a marker: its part of the proof",
        fontsize="medium",
    )
    position, structure = samples["sample_position"].values, samples["sample_structure"].values
    shown = [each for each in held if each["share"] >= FEWEST]
    for panel, (across, up, label, other) in zip(figure.subplots(1, 2), VIEWS, strict=True):
        for name, colour in (("target", "0.85"), ("cord", "0.65")):
            points = position[structure == STRUCTURES[name]][::7]
            panel.scatter(points[:, across], points[:, up], s=1.0, color=colour, label=name, rasterized=True)
        for kind, colour, said in (
            ("level", "tab:blue", "target, has to reach the level"),
            ("limit", "tab:red", "at its limit"),
        ):
            mine = [each for each in shown if each["kind"] == kind]
            where = np.array([each["position_mm"] for each in mine]).reshape(-1, 3)
            size = WIDEST * np.array([each["share"] for each in mine])
            panel.scatter(
                where[:, across], where[:, up], s=size, color=colour, alpha=0.7, label=said, linewidths=0.0
            )
        panel.set(xlabel=label, ylabel=other, aspect="equal")
        panel.invert_yaxis()
    figure.axes[0].legend(loc="best", fontsize="x-small", markerscale=1.0)
    return figure
