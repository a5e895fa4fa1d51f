"""Tables for the terminal: the three arms of a case side by side, and one Bragg curve."""

from typing import Any

import numpy as np
import xarray as xr
from rich.table import Table

from doseplan.biology import nirs_dose

ARMS = ("none", "decompressed", "separated")
NOT_CLINICAL = "Not for clinical use: research and education only."

METRICS = (
    ("D min", "dmin", "GyE"),
    ("D98", "d98", "GyE"),
    ("D95", "d95", "GyE"),
    ("D50", "d50", "GyE"),
    ("D2", "d2", "GyE"),
)
VOLUMES = (("V95", "v95_percent"), ("V90", "v90_percent"))
CORD = (
    ("maximum", "max"),
    ("D0.03cc", "d0_03cc"),
    ("D0.1cc", "d0_1cc"),
    ("D1cc", "d1cc"),
)


def summary_table(summary: dict[str, Any]) -> Table:
    """Set the arms side by side: GyE, with LEM I, absorbed dose and LET beside each, and every verdict."""
    arms = {name: summary["arms"][name] for name in ARMS if name in summary["arms"]}
    title = (
        f"{summary['case']}: {summary['prescription_gye']:g} GyE in {summary['fractions']} fractions "
        f"({summary['scale']} scale)"
    )
    table = Table(title=title, caption=caption(summary), title_justify="left", caption_justify="left")
    table.add_column("GyE (LEM I Gy(RBE), Gy, keV/um)")
    for name, arm in arms.items():
        table.add_column(heading(name, arm), justify="right")
    for label, cells, last in rows(arms):
        table.add_row(label, *cells, end_section=last)
    return table


def heading(name: str, arm: dict[str, Any]) -> str:
    """Name an arm with its separation."""
    separation = arm["separation_mm"]
    return name if separation is None else f"{name} ({separation:g} mm)"


def rows(arms: dict[str, dict[str, Any]], *, goals: bool = True) -> list[tuple[str, list[str], bool]]:
    """List label, one text for each arm, and whether a section ends, for terminal and report alike."""
    found = [(f"cord {label}", [_four(arm["cord"], key) for arm in arms.values()]) for label, key in CORD]
    sections = [found]
    for part, title in (("tumour", "target"), ("strip", "strip")):
        volume = (f"{title} volume", [_number(arm[part], "volume_cm3", "cm3", arm) for arm in arms.values()])
        doses = [
            (f"{title} {label}", [_four(arm[part], key) for arm in arms.values()])
            for label, key, _ in METRICS
        ]
        shares = [
            (f"{title} {label}", [_number(arm[part], key, "%", arm) for arm in arms.values()])
            for label, key in VOLUMES
        ]
        sections.append([volume, *doses, *shares])
    if goals:
        sections.append(_goal_rows(arms))
    return [
        (label, cells, row == len(section) - 1)
        for section in sections
        for row, (label, cells) in enumerate(section)
    ]


def _goal_rows(arms: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    first = next(iter(arms.values()))["goals"]
    return [
        (goal_name(goal), [_verdict(arm["goals"][number]) for arm in arms.values()])
        for number, goal in enumerate(first)
    ]


def goal_name(goal: dict[str, Any]) -> str:
    """Name a limit or goal with its bound."""
    kind = "limit" if goal["hard"] else "goal"
    return f"{kind}: {goal['name']} {goal['comparator']} {goal['limit']:g} {goal['unit']}"


def improvements(summary: dict[str, Any]) -> list[str]:
    """Say what separation brings against both other arms, and name a fall as one."""
    arms = summary["arms"]
    lines = []
    for other in ("none", "decompressed"):
        if other not in arms or "separated" not in arms:
            continue
        changes = [
            f"{label} {arms['separated'][part][key] - arms[other][part][key]:+.1f} {unit}"
            for label, part, key, unit in (
                ("target minimum", "tumour", "dmin_gye", "GyE"),
                ("target D98", "tumour", "d98_gye", "GyE"),
                ("target V95", "tumour", "v95_percent", "%"),
            )
        ]
        strips = [arms["separated"]["strip"], arms[other]["strip"]]
        if all(strips):
            changes.append(f"strip D98 {strips[0]['d98_gye'] - strips[1]['d98_gye']:+.1f} GyE")
        lines.append(f"separated against {other}: " + ", ".join(changes))
    return lines


def caption(summary: dict[str, Any]) -> str:
    """Say under the table what separation brings, and what this is not."""
    strip = (
        "in brackets: the same plan on the scale of LEM I (alpha/beta 2 Gy), absorbed dose, LETd\n"
        "strip: target within the separation + 5 mm of the dura"
    )
    return "\n".join([*improvements(summary), strip, NOT_CLINICAL])


def bragg_numbers(curve: xr.Dataset) -> dict[str, Any]:
    """Gather the numbers of a depth curve: range, peak, entrance, LET, shares by charge.

    Parameters
    ----------
    curve : Dataset of `depth_dose`
    """
    idd, depth, let_d = (curve[name].values for name in ("idd", "depth", "let_d"))
    peak = int(np.argmax(idd))
    shares = curve["idd_by_charge"].values[:, peak] / idd[peak]
    return {
        "ion": curve.attrs["ion"],
        "energy_mev_u": curve.attrs["energy_mev_u"],
        "csda_mm": curve.attrs["csda_mm"],
        "r80_mm": curve.attrs["r80_mm"],
        "peak_depth_mm": curve.attrs["peak_depth_mm"],
        "peak_to_entrance": float(idd[peak] / idd[0]),
        "entrance_let_d_kev_um": float(let_d[0]),
        "peak_let_d_kev_um": float(let_d[peak]),
        "entrance_rbe_at_1_gy": float(_rbe(curve, 0)),
        "peak_rbe_at_1_gy": float(_rbe(curve, peak)),
        "tail_20_mm_percent_of_peak": float(100.0 * np.interp(depth[peak] + 20.0, depth, idd) / idd[peak]),
        "peak_share_by_charge": {
            str(charge): float(share) for charge, share in zip(curve["charge"].values, shares, strict=True)
        },
        "assumptions": list(curve.attrs["assumptions"]),
    }


def bragg_table(curve: xr.Dataset) -> Table:
    """Show the numbers of a depth curve and the curve at ten depths."""
    numbers = bragg_numbers(curve)
    title = f"{numbers['ion']} {numbers['energy_mev_u']:g} MeV/u in water"
    said = (
        f"R80 {numbers['r80_mm']:.2f} mm, csda range {numbers['csda_mm']:.2f} mm, "
        f"peak at {numbers['peak_depth_mm']:.2f} mm, peak to entrance {numbers['peak_to_entrance']:.2f}"
    )
    table = Table(
        title=title, caption=f"{said}\n{NOT_CLINICAL}", title_justify="left", caption_justify="left"
    )
    names = ("depth mm", "dose / entrance", "LETd keV/um", "z* Gy", "RBE at 1 Gy", "dose by Z < 6 %")
    for name in names:
        table.add_column(name, justify="right")
    idd, depth = curve["idd"].values, curve["depth"].values
    peak = int(np.argmax(idd))
    wanted = [*np.linspace(0.0, depth[peak], 8)[:-1], depth[peak], depth[peak] + 2.0, depth[peak] + 20.0]
    for where in np.searchsorted(depth, np.minimum(wanted, depth[-1])):
        light = 100.0 * curve["idd_by_charge"].sel(charge=slice(1, 5)).values[:, where].sum() / idd[where]
        values = (idd[where] / idd[0], curve["let_d"].values[where], curve["z_star_mean"].values[where])
        texts = [f"{value:.2f}" for value in (*values, _rbe(curve, int(where)))]
        table.add_row(f"{depth[where]:.1f}", *texts, f"{light:.0f}")
    return table


def _rbe(curve: xr.Dataset, where: int) -> float:
    """RBE of the NIRS scale for 1 Gy in one fraction at a depth of the curve."""
    return float(nirs_dose(1.0, curve["z_star_mean"].values[where], fractions=1))


def _four(part: dict[str, Any] | None, key: str) -> str:
    if part is None:
        return "-"
    lem1, absorbed, let_d = (part[f"{key}_{end}"] for end in ("lem1_gy_rbe", "absorbed_gy", "let_d_kev_um"))
    return f"{part[f'{key}_gye']:.2f} ({lem1:.1f}, {absorbed:.1f}, {let_d:.0f})"


def _number(part: dict[str, Any] | None, key: str, unit: str, arm: dict[str, Any]) -> str:
    if part is None:
        return f"none: {arm['strip_reason']}" if key == "volume_cm3" else "-"
    return f"{part[key]:.1f} {unit}"


def _verdict(goal: dict[str, Any]) -> str:
    return f"{goal['value']:.2f} {'met' if goal['met'] else 'NOT met'}"
