"""The voxel model in pictures and numbers: axial with WBB zones, sagittal and coronal with levels."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rich.table import Table

from doseplan.anatomy.staging import canal_middle
from doseplan.anatomy.zones import SECTOR_DEG, ZONES
from doseplan.case import Case
from doseplan.case.tissues import TISSUES
from doseplan.present.slices import HALF_WIDTH_MM, HALO
from doseplan.present.style import entitle
from doseplan.present.table import NOT_CLINICAL

TINTS = {
    "tumour": ("tumour", "#d55e00", "//"),
    "sclerotic_tumour": ("sclerotic tumour", "#8c3b00", "\\\\"),
    "cavity": ("cavity", "#56b4e9", ".."),
    "replacement": ("replaced en bloc", "#9467bd", "xx"),
    "csf": ("fluid", "#0072b2", ""),
    "cauda_equina": ("cauda equina", "#cc79a7", "||"),
    "cord": ("cord", "#f0e442", "--"),
    "aorta": ("aorta", "#b22222", "oo"),
    "kidney": ("kidney", "#7f5539", "O"),
    "cement": ("cement", "#009e73", "++"),
    "implant": ("implant", "#ff00ff", "**"),
}
"""What is tinted over the CT: name, colour and hatch of each tissue."""

HATCH = "#00000080"
"""Colour of the hatches: they tell tissues apart where hues do not."""

OUTLINES = {"dura": (":", "#7fd4ff"), "target": ("--", "#ff66cc")}
ZONE_RADIUS_MM = 46.0
SEEN_FROM_FEET = "seen from the feet: the patient's left is on the right"

Array = NDArray[np.float64]
Place = tuple[float, float, float]


def phantom_views(phantoms: dict[str, xr.Dataset], case: Case, *, place: Place | None = None) -> Figure:
    """Draw every arm: axial with WBB zones, sagittal and coronal with levels.

    Parameters
    ----------
    phantoms : by arm, Datasets of `build_phantom`
    place : (x, y, z) [mm]
        Where the slices lie; if not given at the height of the target's middle, and near the cord.
    """
    first = next(iter(phantoms.values()))
    x, y, z = place if place is not None else _near_cord(first)
    figure = Figure(figsize=(15.0, 4.9 * len(phantoms) + 1.0), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.15, hspace=0.04)  # type: ignore[union-attr,call-arg]
    panels = figure.subplots(len(phantoms), 3, squeeze=False)
    shown: set[str] = set()
    for row, (arm, phantom) in zip(panels, phantoms.items(), strict=True):
        axial, sagittal, coronal = row
        middle = _canal_at(phantom, z)
        shown |= _draw(axial, phantom, "z", z, centre=middle)
        shown |= _draw(sagittal, phantom, "x", x, centre=(middle[1], z))
        shown |= _draw(coronal, phantom, "y", y, centre=(middle[0], z))
        _zones(axial, middle)
        for panel in (sagittal, coronal):
            _levels(panel, phantom)
        axial.set_title(f"{arm}: axial, z = {round(z)} mm ({_level_at(phantom, z)})\n{SEEN_FROM_FEET}")
        sagittal.set_title(f"{arm}: sagittal, x = {round(x)} mm")
        coronal.set_title(f"{arm}: coronal, y = {round(y)} mm, seen from the front")
    handles: list[Any] = [
        Patch(facecolor=colour, edgecolor=HATCH, hatch=2 * hatch, lw=0.0, label=name)
        for key, (name, colour, hatch) in TINTS.items()
        if key in shown
    ]
    handles += [
        Line2D([], [], ls=style, color=colour, path_effects=HALO, label=f"{name} contour")
        for name, (style, colour) in OUTLINES.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 9), frameon=False)
    entitle(figure, case.name)
    return figure


def middle_of(phantom: xr.Dataset) -> Place:
    """Find the centroid (x, y, z) [mm] of the unoperated target, where slices show most."""
    volume = phantom["spot_target"].values.astype(np.float64)
    found = []
    for name in "xyz":
        others = tuple(axis for axis in range(3) if "zyx"[axis] != name)
        found.append(float(volume.sum(axis=others) @ phantom[name].values / volume.sum()))
    return found[0], found[1], found[2]


def _near_cord(phantom: xr.Dataset) -> Place:
    """Move the target's middle into the spinal canal, so that every view shows what the limit protects."""
    x, _, z = middle_of(phantom)
    canal_x, canal_y = _canal_at(phantom, z)
    return float(np.clip(x, canal_x - 4.0, canal_x + 4.0)), canal_y, z


def _canal_at(phantom: xr.Dataset, z: float) -> tuple[float, float]:
    """Find x and y of the middle of the canal at a height [mm]."""
    x, y = canal_middle(phantom.sel(z=[z], method="nearest"))
    return float(x[0]), float(y[0])


def _draw(panel: Axes, phantom: xr.Dataset, axis: str, at: float, *, centre: tuple[float, float]) -> set[str]:
    """Draw one slice: CT, tinted tissues, contours; give the tissues that are seen."""
    part = phantom[["hu", "tissue", *(f"distance_{name}" for name in OUTLINES)]].sel(
        {axis: at}, method="nearest"
    )
    vertical, horizontal = (str(name) for name in part["hu"].dims)
    across, up = part[horizontal].values, part[vertical].values
    grey = np.clip((part["hu"].values + 250.0) / 850.0, 0.0, 1.0)[..., None] * np.ones(3)
    tissue, seen = part["tissue"].values, set()
    for name, (_, colour, hatch) in TINTS.items():
        chosen = tissue == TISSUES.index(name)
        if chosen.any():
            seen.add(name)
            grey[chosen] = 0.45 * grey[chosen] + 0.55 * np.array(to_rgb(colour))
            _hatch(panel, across, up, chosen, hatch)
    half = 0.5 * float(phantom.attrs["voxel_mm"])
    extent = (across[0] - half, across[-1] + half, up[0] - half, up[-1] + half)
    panel.imshow(grey, origin="lower", extent=extent, interpolation="nearest", aspect="equal")
    for name, (style, colour) in OUTLINES.items():
        away = part[f"distance_{name}"].values
        if away.min() < 0.0 < away.max():
            edge = panel.contour(across, up, away, [0.0], colors=colour, linestyles=style, linewidths=1.4)
            edge.set_path_effects(HALO)
    _window(panel, across, up, centre, downwards=vertical == "y")
    panel.set(xlabel=f"{horizontal} [mm]", ylabel=f"{vertical} [mm]")
    sides = {"z": "RLPA", "x": "APFH", "y": "RLFH"}[axis]
    for (right, above), letter in zip(
        ((0.03, 0.5), (0.97, 0.5), (0.5, 0.03), (0.5, 0.97)), sides, strict=True
    ):
        panel.text(right, above, letter, transform=panel.transAxes, **_LETTER)
    return seen


def _hatch(panel: Axes, across: Array, up: Array, chosen: NDArray[np.bool_], hatch: str) -> None:
    """Hatch a tissue of a slice."""
    if hatch:
        drawn = panel.contourf(across, up, chosen.astype(float), [0.5, 1.5], colors="none", hatches=[hatch])
        drawn.set_edgecolor(HATCH)
        drawn.set_linewidth(0.0)


_LETTER: dict[str, Any] = {
    "color": "yellow",
    "weight": "bold",
    "ha": "center",
    "va": "center",
    "path_effects": HALO,
}


def _window(panel: Axes, across: Any, up: Any, centre: tuple[float, float], *, downwards: bool) -> None:
    """Show the part around a centre that the grid has; y grows downwards, so that the front is above."""
    ends = [
        (max(middle - HALF_WIDTH_MM, float(axis.min())), min(middle + HALF_WIDTH_MM, float(axis.max())))
        for middle, axis in zip(centre, (across, up), strict=True)
    ]
    panel.set_xlim(*ends[0])
    panel.set_ylim(*(reversed(ends[1]) if downwards else ends[1]))


def _zones(panel: Axes, middle_mm: tuple[float, float]) -> None:
    """Draw the twelve sectors and their numbers around the middle of the canal."""
    x, y = middle_mm
    for zone in range(1, ZONES + 1):
        edge, middle = np.radians([SECTOR_DEG * (zone - 1), SECTOR_DEG * (zone - 0.5)])
        ends = np.array([8.0, ZONE_RADIUS_MM])
        panel.plot(x + ends * np.sin(edge), y + ends * np.cos(edge), color="white", lw=0.6, alpha=0.7)
        panel.text(
            x + ZONE_RADIUS_MM * np.sin(middle),
            y + ZONE_RADIUS_MM * np.cos(middle),
            str(zone),
            color="white",
            ha="center",
            va="center",
            fontsize=9,
            path_effects=HALO,
            clip_on=True,
        )


def _levels(panel: Axes, phantom: xr.Dataset) -> None:
    """Name the levels at the left edge and draw lines between them."""
    if not phantom.attrs.get("own_shape_known", True):  # the levels of a CT have no names
        return
    z, number = phantom["z"].values, phantom["level_index"].values
    low, high = panel.get_ylim()
    for index, name in enumerate(str(phantom.attrs["levels"]).split()):
        own = z[(number == index) & (z > low) & (z < high)]
        if own.size:
            panel.axhline(own.min(), color="white", lw=0.5, alpha=0.5, ls=":")
            left, right = panel.get_xlim()
            across = left + 0.10 * (right - left)
            panel.text(across, own.mean(), name, color="white", ha="center", va="center", path_effects=HALO)


def _level_at(phantom: xr.Dataset, z: float) -> str:
    names = str(phantom.attrs["levels"]).split()
    return names[int(phantom["level_index"].sel(z=z, method="nearest"))]


def phantom_table(numbers: dict[str, Any]) -> Table:
    """Set volumes, gaps and staging of the arms side by side for the terminal."""
    arms = numbers["arms"]
    table = Table(title=numbers["case"], caption=f"WBB zones {SEEN_FROM_FEET}\n{NOT_CLINICAL}")
    table.add_column("")
    for name in arms:
        table.add_column(name, justify="right")
    first = next(iter(arms.values()))
    for part, unit in (("volumes_cm3", "cm3"), ("gaps_mm", "mm")):
        for key in first[part]:
            cells = [arm[part].get(key) for arm in arms.values()]
            texts = ["-" if cell is None else f"{cell:.2f}" for cell in cells]
            table.add_row(
                f"{key.replace('_', ' ')}, {unit}", *texts, end_section=key == list(first[part])[-1]
            )
    for key, title in (("escc", "ESCC grade"), ("zones", "WBB zones"), ("layers", "WBB layers")):
        cells = [arm["staging"][key] for arm in arms.values()]
        table.add_row(title, *(_joined(cell) for cell in cells))
    table.add_row(
        "en bloc would take it", *(_joined(list(arm["staging"]["en_bloc"])) for arm in arms.values())
    )
    return table


def _joined(cell: Any) -> str:
    if cell is None:
        return "not known"
    return cell if isinstance(cell, str) else ", ".join(map(str, cell)) or "none"
