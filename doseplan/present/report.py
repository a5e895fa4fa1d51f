"""The report of a run as Markdown."""

from collections.abc import Iterable
from itertools import pairwise
from math import isnan
from typing import Any

import xarray as xr

from doseplan.case import Case
from doseplan.evaluation import scenario_name
from doseplan.evaluation.cord_model import (
    NOT_VALIDATED,
    OBSERVED,
    RADIOSURGERY_EQD2_GY,
    radiosurgery_share,
    schultheiss,
)
from doseplan.present.daily_section import daily_section
from doseplan.present.outcomes import OUTCOMES
from doseplan.present.staging_section import body_section, compression, implant_section, staging_lines
from doseplan.present.table import (
    NOT_CLINICAL,
    bound_lines,
    goal_name,
    heading,
    improvements,
    robust_rows,
    rows,
)

FIRST_FIGURES = (
    ("dose.png", "GyE over CT through the coldest point of the target without surgery"),
    ("dvh.png", "Dose-volume histograms of cord, target and strip"),
)
FIGURES = (
    ("phantom.png", "Voxel model before and after surgery, with WBB zones and levels"),
    ("depth_dose.png", "Dose, LET and water-equivalent depth along the axis of each field"),
    ("let.png", "LET-volume histograms, and which dose of the cord comes with which LET"),
)

SCALES = (
    "GyE of the NIRS scale; in brackets the same plan on the scale of LEM I (alpha/beta 2 Gy) [Gy(RBE)], "
    "absorbed dose [Gy], dose-averaged LET [keV/um]. No factor leads from one scale to the other: each is "
    "computed from the particles at the sample."
)


def report_markdown(
    summary: dict[str, Any], tree: xr.DataTree, case: Case, *, sweep: xr.Dataset | None = None
) -> str:
    """Write the report: verdicts, metrics, geometry, coldest volumes, assumptions, versions.

    Parameters
    ----------
    summary
        Of `evaluate`.
    tree
        The run, for what its stages say about themselves.
    sweep
        Of the same case, if there is one.
    """
    arms = summary["arms"]
    parts = [
        f"# {case.name}\n\n**{NOT_CLINICAL}**",
        _prescription(summary),
        "## Verdicts\n\n" + _verdicts(arms),
        "## What separation brings\n\n" + _bullets([*improvements(summary), *_falls(arms, tree, case)]),
        *_figures(FIRST_FIGURES),
        *_proof(arms),
        *_margin(sweep),
        *_robust(arms, case),
        *daily_section(arms),
        f"## Doses\n\n{SCALES}\n\n{_doses(arms)}",
        "## Cord: photon models (not validated for this scale)\n\n" + _cord(arms, int(summary["fractions"])),
        "## Where it is cold\n\n" + _bullets(_coldest(arms)),
        "## Geometry\n\n" + _geometry(arms, tree),
        "## Staging\n\n" + _staging(summary["staging"]),
        *body_section(arms),
        *implant_section(arms),
        "## Plan\n\n" + _bullets(_plans(tree)),
        *_figures(FIGURES),
        f"## What is known from patients\n\n{_bullets(OUTCOMES)}",
        f"## Assumptions\n\n{_bullets(summary['assumptions'])}",
        f"## Versions\n\n{_bullets([f'{name} {value}' for name, value in summary['versions'].items()])}",
        f"Digest of case and version: `{summary['digest']}`\n\n**{NOT_CLINICAL}**",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(figures: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"## {title}\n\n![{title}](figures/{name})" for name, title in figures]


def _prescription(summary: dict[str, Any]) -> str:
    return (
        f"{summary['prescription_gye']:g} GyE in {summary['fractions']} fractions, {summary['scale']} scale "
        f"({summary['rbe_model']}). GyE on this scale is not photon gray. Three arms: no surgery; "
        "decompression alone (0 mm); separation surgery."
    )


def _verdicts(arms: dict[str, Any]) -> str:
    names = list(arms)
    lines = [
        _row("limit or goal", "scale", *(heading(name, arms[name]) for name in names)),
        _rule(len(names) + 2),
    ]
    for number, goal in enumerate(arms[names[0]]["goals"]):
        cells = [arms[name]["goals"][number] for name in names]
        texts = [f"{cell['value']:.2f} {'met' if cell['met'] else '**not met**'}" for cell in cells]
        lines.append(_row(goal_name(goal), f"{goal['scale']}, {goal['fractions']} fractions", *texts))
    said = [
        f"{name}: {'all limits held' if arm['limits_met'] else 'A HARD LIMIT IS BROKEN'}, "
        f"{'all goals met' if arm['goals_met'] else 'not every goal met'}"
        for name, arm in arms.items()
    ]
    return "\n".join(lines) + "\n\n" + _bullets(said)


def _proof(arms: dict[str, Any]) -> list[str]:
    """Set out what no plan can beat, and where the proof gets its strength; nothing without a proof."""
    lines = bound_lines(arms)
    if not lines:
        return []
    figures = [f"![Proof, {name}](figures/proof_{name}.png)" for name, arm in arms.items() if "bound" in arm]
    return ["\n\n".join(["## The best that any plan can do", _bullets(lines), *figures])]


def _margin(sweep: xr.Dataset | None) -> list[str]:
    """Show what each millimetre brings; nothing without a sweep."""
    if sweep is None:
        return []
    said, pictures = [], []
    for number in range(sweep.sizes["variant"]):
        own = sweep.isel(variant=number)
        name = f"{own['variant'].item()}: " if own["variant"].item() else ""
        said += [f"{name}{_least(own.isel(prescription=row))}" for row in range(sweep.sizes["prescription"])]
        pictures += [
            f"![{title}](figures/{file}_{number + 1}.png)"
            for file, title in (
                ("margin", "Coverage against separation"),
                ("cord", "Cord against separation"),
            )
        ]
    return ["\n\n".join(["## How many millimetres", _bullets(said), *pictures])]


def _least(point: xr.Dataset) -> str:
    """Say from which separation on the plans of one prescription meet everything, and what is impossible."""
    separation, met = point["separation"].values, (point["goals_met"] & point["limits_met"]).values
    ruled_out = separation[point["goal_impossible"].values]
    enough = f"all goals met from {separation[met].min():g} mm on" if met.any() else "no plan meets all goals"
    proven = f"; proven impossible up to {ruled_out.max():g} mm" if ruled_out.size else ""
    return f"{float(point['prescription']):g} GyE: {enough}, of {separation.size} separations planned{proven}"


def _staging(staging: dict[str, Any]) -> str:
    changed = compression(staging)
    return (f"**{changed}.**\n\n" if changed else "") + staging_lines(staging)


def _robust(arms: dict[str, Any], case: Case) -> list[str]:
    """Set out what is left when the patient lies elsewhere or ranges are wrong; nothing without errors."""
    if case.robustness is None or not all("robust" in arm for arm in arms.values()):
        return []
    found, stated = {name: arm["robust"] for name, arm in arms.items()}, case.robustness
    first = next(iter(found.values()))
    planned = "planned for" if stated.plan else "not planned for"
    said = (
        f"{first['systematic']} errors of the whole course, {planned}: the patient lies "
        f"{stated.setup_mm:g} mm off along one axis, all ranges are {stated.range_percent:g} % off"
        f"{', and both at once' if stated.combined else ''}; {stated.random} random draws of both. Limits of "
        "the target hold as planned; the others are judged in each error."
    )
    head = [_row("", *(heading(name, arm) for name, arm in arms.items())), _rule(len(arms) + 1)]
    worst = "\n".join([*head, *(_row(label, *cells) for label, cells in robust_rows(arms))])
    rows_of = {name: each["each"] for name, each in found.items()}
    lines = [
        _row(scenario_name(row), *(_extremes(each[number]) for each in rows_of.values()))
        for number, row in enumerate(first["each"])
    ]
    table = "\n".join([_row("cord maximum / target minimum [GyE]", *found), _rule(len(found) + 1), *lines])
    picture = "![Dose-volume histograms in all errors](figures/robust.png)"
    return ["\n\n".join(["## When something is off", said, worst, table, picture])]


def _extremes(row: dict[str, Any]) -> str:
    return f"{row['cord_max_gye']:.2f} / {row['target_dmin_gye']:.2f}"


def _doses(arms: dict[str, Any]) -> str:
    lines = [_row("", *(heading(name, arm) for name, arm in arms.items())), _rule(len(arms) + 1)]
    return "\n".join([*lines, *(_row(label, *cells) for label, cells, _ in rows(arms, goals=False))])


def _cord(arms: dict[str, Any], fractions: int) -> str:
    """Say what photon models would make of the cord's maximum, each time with the warning."""
    lines = []
    for name, arm in arms.items():
        cord = arm["cord"]
        for label, dose in (("GyE (NIRS)", cord["max_gye"]), ("Gy(RBE) (LEM I)", cord["max_lem1_gy_rbe"])):
            risk = schultheiss(dose, fractions=fractions)
            share = radiosurgery_share(dose, fractions=fractions)
            lines.append(
                f"{name}: maximum {dose:.1f} {label} read as photon dose: {risk}; {100.0 * share:.0f} % of "
                f"the EQD2(2) of {RADIOSURGERY_EQD2_GY:g} Gy that limits of radiosurgery have in common"
            )
    said = (
        f"These numbers are not predictions: {NOT_VALIDATED}. In the rat's cord the RBE at high LET is well "
        "above what LEM I says (docs/validation.md), so the LETd beside the dose matters. Seen in patients "
        f"after carbon ions to the spine: {OBSERVED}."
    )
    return f"{said}\n\n{_bullets(lines)}"


def _falls(arms: dict[str, Any], tree: xr.DataTree, case: Case) -> list[str]:
    """Explain what is lower after more surgery: the target minimum or V95."""
    lines = []
    for before, after in pairwise(arms):
        minimum, coverage = (
            arms[before]["tumour"][key] - arms[after]["tumour"][key] for key in ("dmin_gye", "v95_percent")
        )
        if minimum > 0.0:
            lines.append(
                f"the target minimum falls by {minimum:.2f} GyE from {before} to {after}: "
                + _cause(minimum, tree, before, after, case)
            )
        if coverage > 0.0:
            lines.append(
                f"V95 falls by {coverage:.1f} % from {before} to {after}: planning puts the minimum first, "
                "and the target is another one after surgery, so V95 need not rise with separation"
            )
    return lines


def _cause(fall: float, tree: xr.DataTree, before: str, after: str, case: Case) -> str:
    """Say whether a lower minimum is more than the optimiser can tell, and what surgery changed."""
    tolerance = float(tree[f"{after}/spots"].attrs["tolerance_gye"])
    if fall <= tolerance:
        return f"less than the optimiser's tolerance of {tolerance:.2f} GyE, so not a real difference"
    gaps = [float(tree[f"{arm}/anatomy"].attrs["gap_target_cord_mm"]) for arm in (before, after)]
    return (
        f"more than the optimiser's tolerance of {tolerance:.2f} GyE; what differs is the cavity, "
        f"filled with {case.surgery.cavity_material}, the shape of the sac (both change the depth in "
        f"water behind them), and the gap between target and cord, {gaps[1]:.2f} instead of {gaps[0]:.2f} mm"
    )


def _coldest(arms: dict[str, Any]) -> list[str]:
    lines = []
    for name, arm in arms.items():
        for part, title in (("tumour", "target"), ("strip", "strip")):
            if arm[part] is None:
                lines.append(f"{name}: no strip: {arm['strip_reason']}")
                continue
            cold = arm[part]["coldest_cm3"]
            lines.append(
                f"{name}: coldest {cold['volume_cm3']:.2f} cm3 of the {title}: "
                f"mean {cold['mean_gye']:.1f} GyE "
                f"({cold['mean_lem1_gy_rbe']:.1f} Gy(RBE) LEM I, {cold['mean_absorbed_gy']:.1f} Gy, "
                f"{cold['mean_let_d_kev_um']:.0f} keV/um), around x "
                f"{cold['x_mm']:.0f}, y {cold['y_mm']:.0f}, z {cold['z_mm']:.0f} mm, on average "
                f"{cold['mean_dura_distance_mm']:.1f} mm from the dura"
            )
    return lines


def _geometry(arms: dict[str, Any], tree: xr.DataTree) -> str:
    phantoms = {name: tree[f"{name}/anatomy"].attrs for name in arms}
    lines = [_row("", *(heading(name, arm) for name, arm in arms.items())), _rule(len(arms) + 1)]
    for key, label, unit in (
        ("gtv_before_cm3", "gross tumour before surgery", "cm3"),
        ("gtv_cm3", "gross tumour left", "cm3"),
        ("resected_cm3", "resected", "cm3"),
        ("target_cm3", "target", "cm3"),
        ("sac_cm3", "thecal sac", "cm3"),
        ("cord_cm3", "cord in the grid", "cm3"),
        ("gap_tumour_dura_mm", "gap tumour to dura", "mm"),
        ("gap_tumour_sac_mm", "gap tumour to thecal sac", "mm"),
        ("gap_tumour_cord_mm", "gap tumour to cord", "mm"),
        ("gap_target_cord_mm", "gap target to cord", "mm"),
        ("gap_target_prv_mm", "gap target to PRV of the cord", "mm"),
    ):
        cells = [float(attrs[key]) for attrs in phantoms.values()]
        texts = ["none left" if isnan(cell) else f"{cell:.2f}" for cell in cells]
        lines.append(_row(f"{label} [{unit}]", *texts))
    reading = next(reversed(list(phantoms.values())))["target_reading"]
    structure = next(iter(phantoms.values()))["neural_structure"]
    return "\n".join(lines) + f"\n\nTarget after surgery: {reading}. Called cord here: {structure}."


def _plans(tree: xr.DataTree) -> list[str]:
    lines = []
    for name in tree.children:
        spots = tree[f"{name}/spots"].to_dataset()
        attrs = spots.attrs
        used = int((spots["weight"] > 0.0).sum())
        lines.append(
            f"{name}: {used} of {spots.sizes['spot']} spots in {spots.sizes['field']} fields, "
            f"{float(spots['weight'].sum()):.0f} million ions; "
            f"target minimum {attrs['target_minimum_gye']:.2f} GyE "
            f"with an optimiser tolerance of {attrs['tolerance_gye']:.2f} GyE; all weights scaled by "
            f"{attrs['scale_down']:.4f} in the end to hold every limit exactly"
        )
    return lines


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns
