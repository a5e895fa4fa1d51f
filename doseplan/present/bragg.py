"""Pictures of one beam: a Bragg curve, its energy spectra, a spread-out peak."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from doseplan.beam.species import species_of
from doseplan.present.beam_table import FIELDS_MM, SPOT_MM, axis_share, rbe_dose
from doseplan.present.style import entitle

CHARGES = {
    1: ("H", ":", "#e69f00"),
    2: ("He", "--", "#56b4e9"),
    3: ("Li", "-.", "#009e73"),
    4: ("Be", (0, (1, 1)), "#cc79a7"),
    5: ("B", (0, (5, 1)), "#d55e00"),
    6: ("C", "-", "#0072b2"),
}
FIELD_LINES = (":", "--", "-")
MODELS = (("NIRS", "-", "#d55e00", "GyE (NIRS)"), ("LEM1", "-.", "#009e73", "Gy(RBE) (LEM I)"))


def bragg_curve(curve: xr.Dataset) -> Figure:
    """Draw a depth curve: dose by charge, fragments, LET, dose on both scales, small fields.

    Parameters
    ----------
    curve : Dataset of `depth_dose`
    """
    depth, idd, let_d = (curve[name].values for name in ("depth", "idd", "let_d"))
    tail = 40.0 / curve.attrs["density_g_cm3"]
    shown = depth <= min(depth[-1], curve.attrs["r80_mm"] + tail)
    figure = Figure(figsize=(8.4, 11.6), layout="constrained")
    dose, light, let, gye, axis = figure.subplots(5, 1, sharex=True, height_ratios=(3, 2, 2, 2, 2))
    dose.plot(depth[shown], idd[shown], color="black", lw=2, label="all")
    own = species_of(curve.attrs["ion"]).charge
    for charge in curve["charge"].values[::-1]:
        name, style, colour = CHARGES[int(charge)]
        part = curve["idd_by_charge"].sel(charge=charge).values[shown]
        for panel in (dose, light) if charge != own else (dose,):
            panel.plot(depth[shown], part, ls=style, color=colour, label=name)
    beside = idd - curve["idd_by_component"].sel(component="primary").values
    light.plot(depth[shown], beside[shown], color="black", lw=1, label="all secondary")
    let.plot(depth[shown], let_d[shown], color="#009e73")
    absorbed = idd / idd[0]
    for scale, style, colour, label in MODELS:
        gye.plot(depth[shown], rbe_dose(curve, absorbed, scale)[shown], ls=style, color=colour, label=label)
    gye.plot(depth[shown], absorbed[shown], "--", color="#0072b2", label="absorbed dose [Gy]")
    in_front = shown & (depth <= curve.attrs["r80_mm"] + 0.25 * tail)
    for side, style in zip(FIELDS_MM, FIELD_LINES, strict=True):
        share = 100.0 * axis_share(curve, side)[in_front]
        axis.plot(depth[in_front], share, ls=style, color="#0072b2", label=f"{side:g} mm")
    dose.set_ylabel("depth dose\n[MeV cm$^2$/g per ion]")
    light.set_ylabel("fragments\n[MeV cm$^2$/g per ion]")
    let.set_ylabel("LETd in water\n[keV/um]")
    gye.set_ylabel("1 Gy at the entrance,\none fraction [Gy, Gy(RBE)]")
    axis.set_ylabel(f"axis of a square field,\nspots {SPOT_MM:g} mm [% of wide]")
    axis.set_xlabel(f"depth in {curve.attrs['material']} [mm]")
    for panel in (dose, light, let, gye, axis):
        panel.grid(alpha=0.3)
        panel.axvline(curve.attrs["r80_mm"], color="black", lw=0.8, ls=":")
    for panel in (dose, light, let, gye):
        panel.set_ylim(bottom=0.0)
    dose.legend(loc="upper left", ncols=2)
    light.legend(loc="upper left", ncols=6, fontsize=8)
    gye.legend(loc="upper left", fontsize=8)
    axis.legend(loc="lower left", fontsize=8, ncols=3)
    dose.set_xlim(0.0, float(np.max(depth[shown])))
    title = f"{curve.attrs['ion']} {curve.attrs['energy_mev_u']:g} MeV/u in {curve.attrs['material']}"
    entitle(figure, f"{title}, R80 {curve.attrs['r80_mm']:.1f} mm")
    return figure


def spectra_figure(spectra: xr.Dataset) -> Figure:
    """Draw the energy spectra of all elements at every depth, a panel each.

    Parameters
    ----------
    spectra : Dataset of `energy_spectra`
    """
    count = spectra.sizes["depth"]
    figure = Figure(figsize=(8.4, 1.4 + 2.4 * count), layout="constrained")
    panels = np.atleast_1d(figure.subplots(count, 1, sharex=True))
    names = [str(name) for name in spectra["species"].values]
    charges = np.array([species_of(name.split()[0]).charge for name in names])
    for panel, depth in zip(panels, spectra["depth"].values, strict=True):
        here = spectra["spectrum"].sel(depth=depth).values
        for charge in sorted(set(charges.tolist()), reverse=True):
            total = here[charges == charge].sum(axis=0)
            if total.max() > 0.0:
                _, style, colour = CHARGES[charge]
                drawn = np.where(total > 1e-9, total, np.nan)
                panel.plot(spectra["energy_bin"], drawn, ls=style, color=colour, label=CHARGES[charge][0])
        panel.set_yscale("log")
        panel.set_ylim(bottom=1e-7)
        panel.set_ylabel("ions per primary\n[1/(MeV/u)]")
        panel.set_title(f"{depth:.1f} mm", fontsize=9, loc="left")
        panel.grid(alpha=0.3)
    panels[0].legend(ncols=6, fontsize=8, loc="upper right")
    panels[-1].set_xlabel("energy [MeV/u]")
    panels[-1].set_xlim(left=0.0)
    title = f"{spectra.attrs['ion']} {spectra.attrs['energy_mev_u']:g} MeV/u in {spectra.attrs['material']}"
    entitle(figure, f"Energy spectra of {title}")
    return figure


def spread_out_figure(peak: xr.Dataset) -> Figure:
    """Draw a spread-out peak: doses, LET, weights.

    Parameters
    ----------
    peak : Dataset of `spread_out_peak`
    """
    attrs = peak.attrs
    figure = Figure(figsize=(8.4, 8.4), layout="constrained")
    dose, let, weight = figure.subplots(3, 1, height_ratios=(3, 2, 2))
    shown = peak.sel(depth=slice(0.0, attrs["r80_mm"] + 30.0))
    scale = peak["dose_rbe"].attrs["scale"]
    dose.plot(shown["depth"], shown["dose"], "--", color="#0072b2", label="absorbed dose [Gy]")
    label = f"RBE-weighted dose [Gy(RBE), {scale}]"
    dose.plot(shown["depth"], shown["dose_rbe"], color="#d55e00", label=label)
    let.plot(shown["depth"], shown["let_d"], color="#009e73")
    width = 0.6 * float(np.diff(peak["energy"]).min())
    weight.bar(peak["energy"], 1e3 * peak["weight"], width=width, color="#0072b2")
    for panel in (dose, let):
        panel.axvspan(attrs["proximal_mm"], attrs["distal_mm"], color="#999999", alpha=0.2, lw=0)
        panel.set_xlabel("depth in water [mm]")
        panel.set_xlim(0.0, float(shown["depth"][-1]))
        _tidy(panel)
    _tidy(weight)
    dose.legend(loc="lower left")
    dose.set_ylabel("dose of one fraction\n[Gy, Gy(RBE)]")
    let.set_ylabel("LETd in water\n[keV/um]")
    weight.set_ylabel("weight\n[1000 ions/mm$^2$]")
    weight.set_xlabel("energy [MeV/u]")
    what = "absorbed dose" if attrs["flat"] == "dose" else f"{scale} dose"
    title = (
        f"{attrs['ion']}: {what} flat within {attrs['flatness_percent']:.1f} % over {attrs['width_mm']:g} mm"
    )
    entitle(figure, title)
    return figure


def _tidy(panel: Axes) -> None:
    panel.grid(alpha=0.3)
    panel.set_ylim(bottom=0.0)
