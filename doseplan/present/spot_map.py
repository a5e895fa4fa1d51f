"""Where the ions go: the spots of every field as the beam sees them, and how many ions each energy has."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from doseplan.case import Case
from doseplan.present.style import arm_title, entitle, node

LARGEST = 60.0
"""[points^2] area of the marker of the place with most ions."""

SHARES = (1.0, 0.25, 0.05)
"""Parts of the most ions whose markers are explained."""

INK = "#0072b2"


def spot_maps(tree: xr.DataTree, case: Case, *, arm: str | None = None) -> Figure:
    """Draw the spots of one arm, a column for each field: places across the beam, and ions by energy.

    Parameters
    ----------
    arm
        The last one if not named.
    """
    arm = list(tree.children)[-1] if arm is None else arm
    spots = node(tree, arm, "spots")
    count = spots.sizes["field"]
    figure = Figure(figsize=(max(3.9 * count, 7.2), 6.6), layout="constrained")
    panels = figure.subplots(2, count, squeeze=False, height_ratios=(3, 2), sharey="row")
    most = max(float(_places(spots, field)[2].max(initial=0.0)) for field in range(count))
    for field, (upper, lower) in enumerate(panels.T):
        _draw_places(upper, spots, field, most)
        _draw_energies(lower, spots, field)
        upper.set_title(f"field {field + 1}: gantry {float(spots['gantry'][field]):g} deg", fontsize=10)
    panels[0, 0].set_ylabel("v [mm]")
    panels[1, 0].set_ylabel("ions of an energy [1e6]")
    handles = [
        Line2D([], [], ls="", marker="o", color=INK, ms=float(np.sqrt(share * LARGEST)), label=label)
        for share in SHARES
        for label in [f"{share * most:.3g} million ions"]
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    entitle(figure, f"{case.name}, {arm_title(tree, arm)}: spots")
    return figure


def _places(spots: xr.Dataset, field: int) -> tuple[NDArray[np.float64], ...]:
    """Add up the ions of all energies at each place: u, v [mm] and ions [1e6]."""
    mine = spots["field_index"].values == field
    places = np.round(np.stack([spots[name].values[mine] for name in ("spot_u", "spot_v")]), 3)
    found, which = np.unique(places, axis=1, return_inverse=True)
    return found[0], found[1], _summed(which, spots["weight"].values[mine], found.shape[1])


def _summed(which: NDArray[np.intp], weight: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.bincount(which.ravel(), weight, minlength=count).astype(np.float64)


def _draw_places(panel: Axes, spots: xr.Dataset, field: int, most: float) -> None:
    u, v, ions = _places(spots, field)
    used = ions > 0.0
    panel.plot(u, v, ls="", marker=".", ms=1.0, color="#999999", zorder=0.9)
    panel.scatter(u[used], v[used], s=LARGEST * ions[used] / max(most, 1e-30), color=INK, lw=0.0)
    panel.set(xlabel="u [mm]", aspect="equal")
    panel.set_axisbelow(True)
    panel.grid(alpha=0.3)


def _draw_energies(panel: Axes, spots: xr.Dataset, field: int) -> None:
    mine = spots["field_index"].values == field
    energy, which = np.unique(spots["spot_energy"].values[mine], return_inverse=True)
    ions = _summed(which, spots["weight"].values[mine], energy.size)
    width = 0.7 * float(np.diff(energy).min()) if energy.size > 1 else 1.0
    panel.bar(energy, ions, width=width, color=INK)
    panel.set(xlabel="energy [MeV/u]")
    panel.set_axisbelow(True)
    panel.grid(alpha=0.3)
