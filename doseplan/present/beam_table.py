"""Numbers and tables of one beam: a Bragg curve, what moves it, a spread-out peak."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.table import Table

from doseplan.biology.models import rbe_model
from doseplan.dose.channels import Channels, linear_and_root
from doseplan.dose.components import central_axis_share
from doseplan.present.table import NOT_CLINICAL

FIELDS_MM = (20.0, 40.0, 100.0)
SPOT_MM = 4.0
"""[mm] size of the spots that make up these fields, one sigma."""


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
        "material": curve.attrs["material"],
        "i_value_ev": curve.attrs["i_value_ev"],
        "energy_mev_u": curve.attrs["energy_mev_u"],
        "csda_mm": curve.attrs["csda_mm"],
        "r80_mm": curve.attrs["r80_mm"],
        "peak_depth_mm": curve.attrs["peak_depth_mm"],
        "peak_to_entrance": float(idd[peak] / idd[0]),
        "entrance_let_d_kev_um": float(let_d[0]),
        "peak_let_d_kev_um": float(let_d[peak]),
        "entrance_rbe_at_1_gy": _rbe(curve, 0, "NIRS"),
        "peak_rbe_at_1_gy": _rbe(curve, peak, "NIRS"),
        "entrance_lem1_rbe_at_1_gy": _rbe(curve, 0, "LEM1"),
        "peak_lem1_rbe_at_1_gy": _rbe(curve, peak, "LEM1"),
        "tail_20_mm_percent_of_peak": float(100.0 * np.interp(depth[peak] + 20.0, depth, idd) / idd[peak]),
        "axis_percent_of_wide_field": {
            f"{side:g} mm": float(100.0 * axis_share(curve, side)[peak]) for side in FIELDS_MM
        },
        "peak_share_by_charge": {
            str(charge): float(share) for charge, share in zip(curve["charge"].values, shares, strict=True)
        },
        "assumptions": list(curve.attrs["assumptions"]),
    }


def bragg_table(curve: xr.Dataset) -> Table:
    """Show the numbers of a depth curve and the curve at ten depths."""
    numbers = bragg_numbers(curve)
    title = f"{numbers['ion']} {numbers['energy_mev_u']:g} MeV/u in {numbers['material']}"
    said = (
        f"R80 {numbers['r80_mm']:.2f} mm, csda range {numbers['csda_mm']:.2f} mm, "
        f"peak at {numbers['peak_depth_mm']:.2f} mm, peak to entrance {numbers['peak_to_entrance']:.2f}\n"
        "RBE of 1 Gy in one fraction; on the axis of a square field at the peak, part of a wide field: "
        + ", ".join(f"{side} {part:.1f} %" for side, part in numbers["axis_percent_of_wide_field"].items())
    )
    table = Table(
        title=title, caption=f"{said}\n{NOT_CLINICAL}", title_justify="left", caption_justify="left"
    )
    names = ("depth mm", "dose / entrance", "LETd keV/um", "z* Gy", "RBE NIRS", "RBE LEM I", "fragments %")
    for name in names:
        table.add_column(name, justify="right")
    idd, depth = curve["idd"].values, curve["depth"].values
    peak = int(np.argmax(idd))
    wanted = [*np.linspace(0.0, depth[peak], 8)[:-1], depth[peak], depth[peak] + 2.0, depth[peak] + 20.0]
    for where in np.searchsorted(depth, np.minimum(wanted, depth[-1])):
        primary = curve["idd_by_component"].sel(component="primary").values[where]
        values = (idd[where] / idd[0], curve["let_d"].values[where], curve["z_star_mean"].values[where])
        rbe = [_rbe(curve, int(where), scale) for scale in ("NIRS", "LEM1")]
        texts = [f"{value:.2f}" for value in (*values, *rbe)]
        table.add_row(f"{depth[where]:.1f}", *texts, f"{100.0 * (1.0 - primary / idd[where]):.0f}")
    return table


def rbe_dose(curve: xr.Dataset, dose: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Compute the RBE-weighted dose of one fraction along a curve from absorbed dose [Gy] on a scale."""
    idd = np.maximum(curve["idd"].values, 1e-300)
    per_dose = {name: curve[name].values / idd for name in ("idd_z_star", "idd_let")}
    lem = [curve[name].values / idd * dose for name in ("idd_lem_linear", "idd_lem_root")]
    channels = Channels(dose, per_dose["idd_z_star"] * dose, per_dose["idd_let"] * dose, *lem)
    return rbe_model(scale).dose(*linear_and_root(scale, channels), fractions=1)


def axis_share(curve: xr.Dataset, field_mm: float) -> NDArray[np.float64]:
    """Compute the dose on the axis of a square field as a part of that of a wide one, along a curve."""
    parts = curve["idd_by_component"].values, curve["lateral_sigma"].values
    return central_axis_share(*parts, field_mm=field_mm, air_sigma_mm=SPOT_MM)


def sensitivity_table(rows: list[dict[str, Any]]) -> Table:
    """Show how far range, peak, plateau and tail move."""
    table = Table(title="What moves with what is not known", title_justify="left", caption=NOT_CLINICAL)
    for name in ("quantity", "change", "R80 mm", "peak %", "plateau %", "tail %"):
        table.add_column(name, justify="left" if name in ("quantity", "change") else "right")
    for row in rows:
        numbers = [f"{row['r80_mm']:+.2f}"]
        changes = [row[f"{name}_percent"] for name in ("peak", "plateau", "tail")]
        numbers += ["-" if change is None else f"{change:+.2f}" for change in changes]
        table.add_row(row["quantity"], row["change"], *numbers)
    return table


def spread_out_numbers(peak: xr.Dataset) -> dict[str, Any]:
    """Gather the numbers of a spread-out peak: where and how flat it is, doses and LET at four places."""
    attrs = peak.attrs
    middle = 0.5 * (attrs["proximal_mm"] + attrs["distal_mm"])
    places = {"entrance": float(peak["depth"][0]), "proximal": attrs["proximal_mm"], "middle": middle}
    places["distal"] = attrs["distal_mm"]
    names = ("ion", "energy_mev_u", "flat", "flatness_percent", "proximal_mm", "distal_mm", "r80_mm", "level")
    return {
        **{name: attrs[name] for name in names},
        "scale": peak["dose_rbe"].attrs["scale"],
        "energies": int(peak.sizes["energy"]),
        "places": {place: _place(peak, depth) for place, depth in places.items()},
        "assumptions": list(attrs["assumptions"]),
    }


def spread_out_table(peak: xr.Dataset) -> Table:
    """Show a spread-out peak at four places."""
    numbers = spread_out_numbers(peak)
    unit = "Gy" if numbers["flat"] == "dose" else "Gy(RBE)"
    title = (
        f"{numbers['ion']}, {numbers['energies']} energies up to {numbers['energy_mev_u']:.1f} MeV/u, "
        f"{numbers['level']:g} {unit} from {numbers['proximal_mm']:.1f} to {numbers['distal_mm']:.1f} mm"
    )
    caption = f"flat within {numbers['flatness_percent']:.2f} % ({numbers['flat']})\n{NOT_CLINICAL}"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    names = ("place", "depth mm", "dose Gy", f"Gy(RBE) {numbers['scale']}", "RBE", "LETd keV/um", "z* Gy")
    for name in names:
        table.add_column(name, justify="left" if name == "place" else "right")
    for place, found in numbers["places"].items():
        texts = [
            f"{found[key]:.2f}" for key in ("dose_gy", "dose_gy_rbe", "rbe", "let_d_kev_um", "z_star_gy")
        ]
        table.add_row(place, f"{found['depth_mm']:.1f}", *texts)
    return table


def _place(peak: xr.Dataset, depth: float) -> dict[str, float]:
    at = {
        name: float(peak[name].interp(depth=depth)) for name in ("dose", "dose_rbe", "let_d", "z_star_mean")
    }
    return {
        "depth_mm": depth,
        "dose_gy": at["dose"],
        "dose_gy_rbe": at["dose_rbe"],
        "rbe": at["dose_rbe"] / at["dose"],
        "let_d_kev_um": at["let_d"],
        "z_star_gy": at["z_star_mean"],
    }


def _rbe(curve: xr.Dataset, where: int, scale: str) -> float:
    """RBE of 1 Gy in one fraction at a depth of the curve."""
    return float(rbe_dose(curve, np.ones(curve.sizes["depth"]), scale)[where])
