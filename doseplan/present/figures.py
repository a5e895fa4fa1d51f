"""Figures of a run: dose over CT, dose-volume histograms, dose along the beam axes. No state, no pyplot."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from doseplan.case import Case
from doseplan.evaluation import dose_volume_histogram
from doseplan.present.table import NOT_CLINICAL
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]

HALF_WIDTH_MM = 70.0
"""[mm] half the side of the part of a slice that is shown."""

INK = {"cord": "#ffffff", "dura": "#8ecbff", "target": "#ff66cc"}
LINES = {"cord": "-", "dura": ":", "target": "--"}
ISODOSES = (("90 %", "#000000", "-"), ("95 %", "#000000", "--"), ("limit", "#d00000", "-."))
ARM_LINES = {"none": (":", "#555555"), "decompressed": ("--", "#0072b2"), "separated": ("-", "#d55e00")}
TITLES = {"none": "no surgery", "decompressed": "decompressed, 0 mm", "separated": "separated"}


def save_figures(tree: xr.DataTree, case: Case, folder: Path) -> list[Path]:
    """Draw all figures of a run as PNG files, the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "dose.png": dose_slices(tree, case),
        "dvh.png": dose_volume_figure(tree, case),
        "depth_dose.png": axis_depth_dose(tree, case),
    }
    return [save_figure(figure, folder / name) for name, figure in drawn.items()]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG without date or version, complete or not at all."""
    part = path.with_name(f".{path.name}.part")
    figure.savefig(part, format="png", dpi=130, metadata={"Software": None})
    part.replace(path)
    return path


def dose_slices(tree: xr.DataTree, case: Case) -> Figure:
    """Draw GyE over CT, axial above and sagittal below, through the coldest target point without surgery.

    The axial view is seen from the feet: the patient's left is on the right.
    """
    arms = list(tree.children)
    x, y, z = _coldest_point(_node(tree, arms[0], "samples"))
    centre = 0.5 * (np.array([x, y, z]) + _node(tree, arms[0], "spots")["isocentre"].values)
    top = 1.1 * case.prescription.total_gy_rbe
    figure = Figure(figsize=(4.6 * len(arms) + 1.1, 9.6), layout="constrained")
    axes = np.atleast_2d(figure.subplots(2, len(arms)))
    shown: Any = None
    for column, arm in enumerate(arms):
        axial, sagittal = axes[0, column], axes[1, column]
        shown = _draw_slice(axial, _slice(tree, arm, "z", z), case, top, (centre[0], centre[1]))
        _draw_slice(sagittal, _slice(tree, arm, "x", x), case, top, (centre[1], centre[2]))
        axial.set_title(f"{TITLES[arm]}\naxial, z = {z:.0f} mm")
        sagittal.set_title(f"sagittal, x = {x:.0f} mm")
        _letters(axial, "R", "L", "P", "A")
        _letters(sagittal, "A", "P", "F", "H")
        axial.set(xlabel="x [mm]", ylabel="y [mm]")
        sagittal.set(xlabel="y [mm]", ylabel="z [mm]")
    bar = figure.colorbar(shown, ax=axes, shrink=0.7, pad=0.01)
    bar.set_label(
        f"RBE-weighted dose [GyE, {case.prescription.scale}, {case.prescription.fractions} fractions]"
    )
    figure.legend(handles=_handles(case), loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(f"{case.name}: {case.prescription.total_gy_rbe:g} GyE. {NOT_CLINICAL}", fontsize=10)
    return figure


def dose_volume_figure(tree: xr.DataTree, case: Case) -> Figure:
    """Draw the dose-volume histograms of cord, target and strip, one panel each, all arms in each."""
    figure = Figure(figsize=(13.0, 4.6), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    total, limit = case.prescription.total_gy_rbe, _cord_limit(case)
    for arm in tree.children:
        samples = _node(tree, arm, "samples")
        separation = float(_node(tree, arm, "anatomy").attrs["separation_mm"])
        curves = dose_volume_histogram(
            samples, samples, separation_mm=None if np.isnan(separation) else separation
        )
        style, colour = ARM_LINES[arm]
        for panel, structure in zip(axes, ("cord", "target", "strip"), strict=True):
            if structure in curves["structure"]:
                levels = curves["dvh"].sel(structure=structure)
                panel.plot(curves["dvh_dose"], levels, style, color=colour, lw=1.8, label=TITLES[arm])
    titles = ("spinal cord", "target", "strip of target beside the dura")
    for panel, title in zip(axes, titles, strict=True):
        panel.set(title=title, xlabel=_dose_label(case), xlim=(0.0, 1.15 * total), ylim=(0.0, 102.0))
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("volume [%]")
    if limit is not None:
        _mark(axes[0], limit, f"limit {limit:g} GyE")
    for panel in axes[1:]:
        _mark(panel, 0.9 * total, "90 %")
        _mark(panel, 0.95 * total, "95 %", low=0.14)
    axes[0].legend(loc="upper right")
    figure.suptitle(f"{case.name}. {NOT_CLINICAL}", fontsize=10)
    return figure


def axis_depth_dose(tree: xr.DataTree, case: Case) -> Figure:
    """Draw dose and LET of the last arm along each beam axis through the isocentre."""
    arm = list(tree.children)[-1]
    spots = _node(tree, arm, "spots")
    count = spots.sizes["field"]
    figure = Figure(figsize=(4.6 * count + 0.6, 7.0), layout="constrained")
    axes = figure.subplots(2, count, sharex="col", sharey="row", squeeze=False)
    fields = xr.merge(
        [_node(tree, arm, "dose"), _node(tree, arm, "anatomy")[["cord", "target", "tissue"]]],
        combine_attrs="override",
        compat="override",
        join="override",
    )
    for field in range(count):
        along, line = _axis_line(fields, spots, field)
        upper, lower = axes[0, field], axes[1, field]
        upper.plot(along, line["dose_rbe"], "-", color="#d55e00", label="GyE")
        upper.plot(along, line["dose"], "--", color="#0072b2", label="absorbed dose [Gy]")
        lower.plot(along, line["let_d"], "-", color="#009e73", label="LETd")
        for panel in (upper, lower):
            panel.fill_between(
                along,
                0,
                1,
                where=line["target"] > 0.5,
                alpha=0.18,
                color="#cc79a7",
                lw=0,
                transform=panel.get_xaxis_transform(),
                label="target",
            )
            panel.fill_between(
                along,
                0,
                1,
                where=line["cord"] > 0.5,
                alpha=0.45,
                color="#999999",
                lw=0,
                hatch="//",
                transform=panel.get_xaxis_transform(),
                label="cord",
            )
            panel.grid(alpha=0.3)
            panel.set_ylim(bottom=0.0)
        lower.set_xlabel("depth from the skin [mm]")
        gantry, couch = float(spots["gantry"][field]), float(spots["couch"][field])
        upper.set_title(f"along field {field}: gantry {gantry:g}, couch {couch:g} deg", fontsize=10)
    axes[0, 0].set_ylabel("dose of all fields [Gy or GyE]")
    axes[1, 0].set_ylabel("LETd [keV/um]")
    axes[0, 0].legend(loc="best", fontsize=8)
    figure.suptitle(
        f"{case.name}, {TITLES[arm]}: total dose along the beam axes. {NOT_CLINICAL}", fontsize=10
    )
    return figure


def _node(tree: xr.DataTree, arm: str, stage: str) -> xr.Dataset:
    return xr.DataTree.to_dataset(tree.children[arm].children[stage])


def _slice(tree: xr.DataTree, arm: str, axis: str, position: float) -> xr.Dataset:
    names = ["hu", "distance_cord", "distance_dura", "distance_target"]
    anatomy = _node(tree, arm, "anatomy")[names].sel({axis: position}, method="nearest")
    dose = _node(tree, arm, "dose")[["dose_rbe"]].sel({axis: position}, method="nearest")
    return anatomy.assign(dose_rbe=dose["dose_rbe"])


def _draw_slice(panel: Axes, part: xr.Dataset, case: Case, top: float, centre: tuple[float, float]) -> Any:
    vertical, horizontal = part["hu"].dims
    across, up = part[horizontal].values, part[vertical].values
    panel.pcolormesh(
        across, up, part["hu"].values, cmap="gray", vmin=-250, vmax=600, shading="nearest", rasterized=True
    )
    dose = part["dose_rbe"].values
    seen = np.ma.masked_less(dose, 0.05 * case.prescription.total_gy_rbe)
    shown = panel.pcolormesh(
        across, up, seen, cmap="viridis", vmin=0.0, vmax=top, alpha=0.55, shading="nearest", rasterized=True
    )
    for (_, colour, style), level in zip(ISODOSES, _levels(case), strict=True):
        if level is not None and dose.min() < level < dose.max():
            panel.contour(across, up, dose, [level], colors=colour, linestyles=style, linewidths=1.3)
    for name, colour in INK.items():
        away = part[f"distance_{name}"].values
        if away.min() < 0.0 < away.max():
            panel.contour(across, up, away, [0.0], colors=colour, linestyles=LINES[name], linewidths=1.5)
    panel.set_aspect("equal")
    panel.set_xlim(centre[0] - HALF_WIDTH_MM, centre[0] + HALF_WIDTH_MM)
    low = max(centre[1] - HALF_WIDTH_MM, float(up.min()))
    high = min(centre[1] + HALF_WIDTH_MM, float(up.max()))
    panel.set_ylim((high, low) if vertical == "y" else (low, high))
    panel.set_facecolor("black")
    return shown


def _letters(panel: Axes, left: str, right: str, bottom: str, top: str) -> None:
    places = ((0.03, 0.5, left), (0.97, 0.5, right), (0.5, 0.03, bottom), (0.5, 0.97, top))
    for across, up, letter in places:
        panel.text(
            across,
            up,
            letter,
            transform=panel.transAxes,
            color="yellow",
            weight="bold",
            ha="center",
            va="center",
        )


def _handles(case: Case) -> list[Line2D]:
    names = [f"90 % ({_text(_levels(case)[0])})", f"95 % ({_text(_levels(case)[1])})"]
    names.append(f"cord limit ({_text(_levels(case)[2])})")
    isodoses = [
        Line2D([], [], color=colour, ls=style, label=name)
        for (_, colour, style), name in zip(ISODOSES, names, strict=True)
    ]
    # white lines need a darker twin on the white ground of a legend
    inks = {"cord": "#888888", "dura": "#2b83c4", "target": "#ff66cc"}
    return isodoses + [
        Line2D([], [], color=inks[name], ls=LINES[name], label=f"{name} contour") for name in INK
    ]


def _text(level: float | None) -> str:
    return "none" if level is None else f"{level:.1f} GyE"


def _levels(case: Case) -> tuple[float | None, ...]:
    total = case.prescription.total_gy_rbe
    return 0.9 * total, 0.95 * total, _cord_limit(case)


def _cord_limit(case: Case) -> float | None:
    """Tightest maximum of the cord [Gy(RBE)]."""
    total = case.prescription.total_gy_rbe
    stated = [
        limit.max_gy_rbe if limit.max_gy_rbe is not None else 0.01 * (limit.max_percent or 0.0) * total
        for limit in case.constraint
        if limit.structure == "cord"
    ]
    return min(stated, default=None)


def _coldest_point(samples: xr.Dataset) -> tuple[float, float, float]:
    target = np.flatnonzero(samples["sample_structure"].values == STRUCTURES["target"])
    coldest = target[np.argmin(samples["sample_dose_rbe"].values[target])]
    x, y, z = samples["sample_position"].values[coldest]
    return float(x), float(y), float(z)


def _axis_line(fields: xr.Dataset, spots: xr.Dataset, field: int) -> tuple[Array, xr.Dataset]:
    """Interpolate along a beam axis from where it enters the body to where it leaves it."""
    start, direction = spots["isocentre"].values, spots["direction"].values[field]
    steps = np.arange(-300.0, 300.0, 0.5)
    points = {
        name: xr.DataArray(start[axis] + steps * direction[axis], dims="step")
        for axis, name in enumerate(("x", "y", "z"))
    }
    inside = np.logical_and.reduce(
        [(points[name] >= fields[name].min()) & (points[name] <= fields[name].max()) for name in points]
    )
    kept = {name: values[inside] for name, values in points.items()}
    tissue = fields["tissue"].sel(kept, method="nearest").values
    body = np.flatnonzero(tissue != 0)
    line = fields.drop_vars("tissue").interp(kept, method="linear").isel(step=slice(body[0], body[-1] + 1))
    return steps[inside][body[0] : body[-1] + 1] - steps[inside][body[0]], line


def _dose_label(case: Case) -> str:
    return f"dose [GyE, {case.prescription.scale}, {case.prescription.fractions} fractions]"


def _mark(panel: Axes, level: float, text: str, low: float = 0.05) -> None:
    panel.axvline(level, color="black", lw=0.9, ls="-.")
    panel.text(level, low, f"{text} ", transform=panel.get_xaxis_transform(), ha="right", fontsize=8)
