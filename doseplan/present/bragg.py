"""The picture of one Bragg curve."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from doseplan.biology import nirs_dose
from doseplan.present.table import NOT_CLINICAL

CHARGES = {
    1: ("H", ":", "#e69f00"),
    2: ("He", "--", "#56b4e9"),
    3: ("Li", "-.", "#009e73"),
    4: ("Be", (0, (1, 1)), "#cc79a7"),
    5: ("B", (0, (5, 1)), "#d55e00"),
    6: ("C", "-", "#0072b2"),
}


def bragg_curve(curve: xr.Dataset) -> Figure:
    """Draw a depth curve: dose by charge, LET, and the dose in GyE for 1 Gy at the entrance.

    Parameters
    ----------
    curve : Dataset of `depth_dose`
    """
    depth, idd, let_d = (curve[name].values for name in ("depth", "idd", "let_d"))
    shown = depth <= min(depth[-1], curve.attrs["r80_mm"] + 40.0)
    figure = Figure(figsize=(8.4, 10.0), layout="constrained")
    dose, light, let, gye = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 2, 2))
    dose.plot(depth[shown], idd[shown], color="black", lw=2, label="all")
    for charge in curve["charge"].values[::-1]:
        name, style, colour = CHARGES[int(charge)]
        part = curve["idd_by_charge"].sel(charge=charge).values[shown]
        for panel in (dose, light) if charge < 6 else (dose,):
            panel.plot(depth[shown], part, ls=style, color=colour, label=name)
    let.plot(depth[shown], let_d[shown], color="#009e73")
    absorbed = idd[shown] / idd[0]
    weighted = nirs_dose(absorbed, absorbed * curve["z_star_mean"].values[shown], fractions=1)
    gye.plot(depth[shown], weighted, color="#d55e00", label="GyE (NIRS, 1 fraction)")
    gye.plot(depth[shown], absorbed, "--", color="#0072b2", label="absorbed dose [Gy]")
    dose.set_ylabel("depth dose\n[MeV cm$^2$/g per ion]")
    light.set_ylabel("fragments\n[MeV cm$^2$/g per ion]")
    let.set_ylabel("LETd [keV/um]")
    gye.set_ylabel("dose for 1 Gy at\nthe entrance [Gy, GyE]")
    gye.set_xlabel("depth in water [mm]")
    for panel in (dose, light, let, gye):
        panel.grid(alpha=0.3)
        panel.set_ylim(bottom=0.0)
        panel.axvline(curve.attrs["r80_mm"], color="black", lw=0.8, ls=":")
    dose.legend(loc="upper left", ncols=2)
    light.legend(loc="upper left", ncols=5, fontsize=8)
    gye.legend(loc="upper left")
    dose.set_xlim(0.0, float(np.max(depth[shown])))
    title = f"{curve.attrs['ion']} {curve.attrs['energy_mev_u']:g} MeV/u in water"
    figure.suptitle(f"{title}, R80 {curve.attrs['r80_mm']:.1f} mm\n{NOT_CLINICAL}", fontsize=11)
    return figure
