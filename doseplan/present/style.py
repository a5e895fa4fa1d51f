"""What all figures of a run share: how arms and dose levels look, and how they are named."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from doseplan.case import Case
from doseplan.case.limits import cord_limit
from doseplan.present.table import NOT_CLINICAL

ARM_LINES = {
    "none": (":", "#555555"),
    "decompressed": ("--", "#0072b2"),
    "separated": ("-", "#d55e00"),
    "separated_no_implant": ("-.", "#009e73"),
    "separated_titanium": ((0, (6, 1)), "#000000"),
    "separated_cobalt_chrome": ((0, (4, 1, 1, 1)), "#cc79a7"),
    "separated_cfr_peek": ((0, (2, 1)), "#56b4e9"),
}
"""Line style and colour of each arm; colours of Okabe and Ito, told apart by the colour-blind."""

TITLE_POINTS = 12.0
"""Size of the title of a figure; a bold letter is about two thirds as wide."""

LETTER_POINTS = 5.6
"""[pt] width of a letter of a legend, on average."""

LEGEND_LETTERS = 7
"""Letters that line and gap of an entry are as wide as."""

LEVEL_LINES = (("-", "#000000"), ("--", "#000000"), ("-.", "#c00000"))
"""Line style and colour of 90 %, 95 % and the cord's limit, on slices and on histograms."""


def node(tree: xr.DataTree, arm: str, stage: str) -> xr.Dataset:
    """Give one stage of one arm."""
    return xr.DataTree.to_dataset(tree.children[arm].children[stage])


def arm_title(tree: xr.DataTree, arm: str) -> str:
    """Name an arm with the separation that its phantom was built with."""
    separation = float(node(tree, arm, "anatomy").attrs["separation_mm"])
    return "no surgery" if np.isnan(separation) else f"{arm}, {separation:g} mm"


def dose_label(case: Case) -> str:
    """Label an axis of RBE-weighted dose with its scale."""
    return f"dose [GyE, {case.prescription.scale}, {case.prescription.fractions} fractions]"


def dose_levels(case: Case) -> tuple[tuple[str, float | None], ...]:
    """Name the levels that are drawn and give their RBE-weighted dose [Gy(RBE)]; None is not stated."""
    total = case.prescription.total_gy_rbe
    return ("90 %", 0.9 * total), ("95 %", 0.95 * total), ("cord limit", cord_limit(case))


def level_handles(case: Case, *, width: float = 1.3) -> list[Line2D]:
    """Explain the drawn levels in a legend."""
    return [
        Line2D([], [], color=colour, ls=style, lw=width, label=f"{name} ({level:.1f} GyE)")
        for (style, colour), (name, level) in zip(LEVEL_LINES, dose_levels(case), strict=True)
        if level is not None
    ]


def explain(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put the legend below a figure, in as many rows as its width asks for."""
    letters = max(len(str(handle.get_label())) for handle in handles) + LEGEND_LETTERS
    fits = max(1, int(figure.get_figwidth() * 72.0 / (letters * LETTER_POINTS)))
    down = -(-len(handles) // fits)
    columns = -(-len(handles) // down)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns, frameon=False)


def entitle(figure: Figure, text: str) -> None:
    """Put the title above a figure, with what it must not be used for, on lines of its own if narrow."""
    fits = int(figure.get_figwidth() * 72.0 / (0.66 * TITLE_POINTS))
    whole = f"{text}. {NOT_CLINICAL}"
    lines = [whole] if len(whole) <= fits else [*wrap(f"{text}.", fits), *wrap(NOT_CLINICAL, fits)]
    figure.suptitle("\n".join(lines), fontsize=TITLE_POINTS, weight="bold")
