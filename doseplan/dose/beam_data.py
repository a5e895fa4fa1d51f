"""Depth curves of carbon beams with their biology channels, and the library of all beam energies."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from doseplan import schema
from doseplan.beam import csda_range
from doseplan.beam.line import DEFAULT_MOMENTUM_SPREAD, BeamLine
from doseplan.beam.species import TRANSPORTED, species_of
from doseplan.beam.stopping import energy_at_range
from doseplan.beam.tables import Factor
from doseplan.beam.transport import transport, transport_tables
from doseplan.biology import mkm
from doseplan.constants import WATER_DENSITY
from doseplan.dose import beam_cache
from doseplan.messages import InputError, Progress, silent

Floats = NDArray[np.float64]

COMPONENTS = ("primary", "fragment")
"""Of the beam: carbon, light isotopes included because they fly with the primary ions; all lighter ions."""

LIBRARY_ENERGIES = (80.0, 430.0)
"""[MeV/u]"""

LIBRARY_SPACING_MM = 2.5
"""Ranges of neighbouring energies differ by this, to the nearest whole number of equal steps."""

LIBRARY_STEP_MM = 0.1
"""Step of the transport."""

LIBRARY_FRAGMENT_STEP_MM = 1.0
LIBRARY_KEEP = 2
"""Every second depth is stored: straight lines between them miss less than 0.5 % of the peak from 220 MeV/u
on; below, they clip the sharp rim that the filter's thinnest part makes (0.8 % at 150 MeV/u)."""

LIBRARY_TAIL_MM = 60.0
RIPPLE_FILTER_MM = 3.0
BATCH = 6

AIR_SIGMA_MM = ((40.0, 4.9), (200.0, 3.8))
"""Range [mm] and spot size [mm] at both ends of the line; matRad's generic carbon machine."""

Z_STAR_ENERGIES = (0.01, 1200.0)
"""[MeV/u] ends of the table of z*, the nearest value holds beyond."""

PHYSICS_ASSUMPTIONS = (
    "Beam: mean excitation energy of water 78 eV (ICRU 90), water of 0.998 g/cm3.",
    "Beam: below 8 MeV/u stopping after Lindhard and Scharff times 1.25, joined with Bethe's logarithm.",
    "Beam: numbers of fragments per reaction, their velocity losses, Goldhaber's width 90 MeV/c, widened by "
    "1.3 for hydrogen and 1.2 for helium; splits of secondary fragments into isotopes are assumed.",
    "Beam: charge-changing cross sections of the lower of two measured families (90 % of all reactions).",
    "Beam: target protons leave with 45 +- 15 % of the parent's energy per nucleon at 0.25 rad; slower "
    "target fragments, neutrons and gammas are left out (1 to 2 % of the plateau dose).",
    "Beam: scattering length of water 46.88 g/cm2 (Gottschalk's scattering power with pv/z).",
    "Beam: one Gaussian for all fragments lighter than carbon, of their dose-weighted lateral variance.",
)


def depth_dose(
    energy: float,
    *,
    ion: str = "12C",
    step_mm: float = 0.1,
    momentum_spread: float = DEFAULT_MOMENTUM_SPREAD,
    ripple_filter_mm: float = 0.0,
) -> xr.Dataset:
    """Compute the depth curves of one beam in water.

    Parameters
    ----------
    energy : float [MeV/u]
        50 to 430.
    ion : str
        Only "12C".
    step_mm : float [mm]
    momentum_spread : float
        One sigma of dp/p.
    ripple_filter_mm : float [mm]
        Water-equivalent thickness of the ripple filter, uniform from 0; 0 is the pristine beam.

    Returns
    -------
    Dataset
        Over depth [mm]: `idd` [MeV cm2/g per primary]; `idd_by_charge`, `fluence_by_charge` [ions per
        primary] (charge, depth); `let_d` [keV/um], `idd_let`, `idd_z_star`, `z_star_mean` [Gy]; over
        component, depth: `idd_by_component`, `lateral_sigma` [mm]. Attrs `r80_mm`, `peak_depth_mm`,
        `csda_mm`, `assumptions`.

    Raises
    ------
    InputError
        Another ion, or a number outside its range.
    """
    if ion != "12C":
        raise InputError(f"ion: expected 12C, got {ion!r}")
    curves = transport(
        energy,
        responses={"idd_z_star": z_star_factor},
        step_mm=step_mm,
        line=BeamLine(momentum_spread=momentum_spread, ripple_filter_mm=ripple_filter_mm),
    ).isel(energy=0)
    total = curves[["idd", "idd_let", "idd_z_star"]].sum("species")
    charge = xr.DataArray([species_of(name).charge for name in TRANSPORTED], dims="species", name="charge")
    by_charge = curves[["idd", "fluence"]].groupby(charge).sum()
    components = component_curves(curves.expand_dims("energy")).isel(energy=0)
    idd = total["idd"].values
    depth = curves["depth"].values
    named = {
        "idd": _curve(idd, "MeV cm2/g", "depth dose per primary"),
        "idd_by_charge": _curve(
            by_charge["idd"].transpose("charge", "depth").values, "MeV cm2/g", "by charge"
        ),
        "fluence_by_charge": _curve(
            by_charge["fluence"].transpose("charge", "depth").values, "1", "ions per primary, by charge"
        ),
        "let_d": _curve(_mean(total["idd_let"].values, idd), "keV/um", "dose-averaged LET in water"),
        "idd_let": _curve(total["idd_let"].values, "keV/um MeV cm2/g", "depth dose times LET"),
        "idd_z_star": _curve(total["idd_z_star"].values, "Gy MeV cm2/g", "depth dose times z*"),
        "z_star_mean": _curve(_mean(total["idd_z_star"].values, idd), "Gy", "dose-averaged z*"),
        "idd_by_component": _component_curve(components["idd"], "MeV cm2/g", "depth dose by component"),
        "lateral_sigma": _component_curve(components["lateral_sigma"], "mm", "spread gained in water"),
    }
    result = xr.Dataset(
        named,
        coords={
            "depth": schema.variable("depth", depth),
            "charge": by_charge["charge"].values,
            "component": list(COMPONENTS),
        },
    )
    result.attrs = {
        "energy_mev_u": float(energy),
        "ion": ion,
        "r80_mm": distal_depth(depth, idd, 0.8),
        "peak_depth_mm": peak_depth(depth, idd),
        "csda_mm": float(curves["csda"]),
        "assumptions": [*PHYSICS_ASSUMPTIONS, *_beam_assumptions(momentum_spread, ripple_filter_mm)],
    }
    return result


def beam_library(*, progress: Progress = silent, cache: bool = True) -> xr.Dataset:
    """Compute, or load, the depth curves of all energies of the machine.

    Parameters
    ----------
    progress : callable
        Told what is done.
    cache : bool
        Load from and store in the user's cache folder, under a key of all that goes into the library.

    Returns
    -------
    Dataset
        `idd`, `idd_z_star`, `idd_let`, `lateral_sigma` over energy, component, depth; `air_sigma`, `r80` over
        energy, as declared in the schema; `component` is primary and fragment. Attrs `assumptions`.
    """
    if not cache:
        return _build_library(progress)
    key = beam_cache.key_of(_library_inputs())
    found = beam_cache.load(key)
    if found is not None:
        return schema.check(found, "idd", "idd_z_star", "idd_let", "lateral_sigma", "air_sigma", "r80")
    library = _build_library(progress)
    beam_cache.store(key, library)
    return library


def library_energies() -> Floats:
    """List the energies [MeV/u] of the library: equal steps of range."""
    ends = csda_range("12C", np.array(LIBRARY_ENERGIES))
    count = round(float(ends[1] - ends[0]) / (LIBRARY_SPACING_MM * WATER_DENSITY / 10.0))
    ranges = np.linspace(ends[0], ends[1], count + 1)
    return energy_at_range("12C", ranges)


def z_star_factor(species: str, energy: Floats) -> Floats:
    """Look up z* [Gy] of the modified MKM for HSG cells; isotopes of one element share it."""
    low, high = Z_STAR_ENERGIES
    table = _z_star_table(species_of(species).charge)
    return np.asarray(np.exp(table(np.log(np.clip(energy, low, high)))))


def component_curves(curves: xr.Dataset) -> xr.Dataset:
    """Add up the species of each component, and compute the lateral spread of each.

    Parameters
    ----------
    curves : Dataset
        From `transport`, over energy, species, depth.

    Returns
    -------
    Dataset
        `idd`, `idd_let`, `idd_z_star` and `lateral_sigma` [mm] over energy, component, depth. The variance
        is the dose-weighted mean of the species; where a component has no dose its last spread holds.
    """
    groups = [
        [name for name in TRANSPORTED if (species_of(name).charge == 6) == carbon] for carbon in (True, False)
    ]
    parts = []
    for names in groups:
        chosen = curves.sel(species=names)
        summed = chosen[["idd", "idd_let", "idd_z_star"]].sum("species")
        weighted = (chosen["idd"] * chosen["lateral_variance"]).sum("species").values
        sigma = np.sqrt(_held_ratio(weighted, summed["idd"].values))
        parts.append(summed.assign(lateral_sigma=(("energy", "depth"), sigma)))
    joined = xr.concat(parts, dim=xr.Variable("component", list(COMPONENTS)))
    return joined.transpose("energy", "component", "depth")


def distal_depth(depth: Floats, curve: Floats, part: float) -> float:
    """Find the depth behind the peak where the curve falls to a part of it."""
    peak = int(np.argmax(curve))
    level = part * curve[peak]
    behind = peak + int(np.argmax(curve[peak:] < level))
    return float(np.interp(-level, -curve[behind - 1 : behind + 1], depth[behind - 1 : behind + 1]))


def peak_depth(depth: Floats, curve: Floats) -> float:
    """Find the depth of the peak: the top of a parabola through the highest three points."""
    peak = int(np.clip(np.argmax(curve), 1, curve.size - 2))
    left, middle, right = curve[peak - 1 : peak + 2]
    bend = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
    return float(depth[peak] + shift * (depth[1] - depth[0]))


def air_sigma(range_mm: Floats) -> Floats:
    """Assume the spot size [mm] in air at the isocentre from the range [mm]: linear, held beyond its ends."""
    (low, wide), (high, narrow) = AIR_SIGMA_MM
    return np.interp(range_mm, [low, high], [wide, narrow])


def _library_inputs() -> dict[str, object]:
    return {
        "energies": LIBRARY_ENERGIES,
        "spacing_mm": LIBRARY_SPACING_MM,
        "step_mm": LIBRARY_STEP_MM,
        "fragment_step_mm": LIBRARY_FRAGMENT_STEP_MM,
        "keep": LIBRARY_KEEP,
        "tail_mm": LIBRARY_TAIL_MM,
        "ripple_filter_mm": RIPPLE_FILTER_MM,
        "momentum_spread": DEFAULT_MOMENTUM_SPREAD,
        "air_sigma_mm": AIR_SIGMA_MM,
    }


def _build_library(progress: Progress) -> xr.Dataset:
    """Transport all energies, some at a time."""
    energies = library_energies()
    responses: Mapping[str, Factor] = {"idd_z_star": z_star_factor}
    progress("beam library: tables of cross sections and z*", 0.0)
    tables = transport_tables(
        highest_energy=float(energies[-1]),
        responses=responses,
        step_mm=LIBRARY_STEP_MM,
        fragment_step_mm=LIBRARY_FRAGMENT_STEP_MM,
    )
    deepest = float(csda_range("12C", energies[-1])) / WATER_DENSITY * 10.0 + LIBRARY_TAIL_MM
    parts, depths = [], []
    for first in range(0, energies.size, BATCH):
        progress("beam library: transport", first / energies.size)
        curves = transport(
            energies[first : first + BATCH],
            responses=responses,
            step_mm=LIBRARY_STEP_MM,
            fragment_step_mm=LIBRARY_FRAGMENT_STEP_MM,
            depth_mm=deepest,
            line=BeamLine(ripple_filter_mm=RIPPLE_FILTER_MM),
            tables=tables,
        )
        total = curves["idd"].sum("species").values
        depths += [distal_depth(curves["depth"].values, each, 0.8) for each in total]
        parts.append(component_curves(curves.isel(depth=slice(None, None, LIBRARY_KEEP))))
    progress("beam library: done", 1.0)
    return _declared(xr.concat(parts, dim="energy"), np.array(depths))


def _declared(curves: xr.Dataset, r80: Floats) -> xr.Dataset:
    """Name everything as the schema does."""
    names = ("idd", "idd_z_star", "idd_let", "lateral_sigma")
    library = xr.Dataset(
        {name: schema.variable(name, curves[name].values) for name in names}
        | {"air_sigma": schema.variable("air_sigma", air_sigma(r80)), "r80": schema.variable("r80", r80)},
        coords={
            "energy": schema.variable("energy", curves["energy"].values),
            "depth": schema.variable("depth", curves["depth"].values),
            "component": list(COMPONENTS),
        },
    )
    library.attrs["assumptions"] = [
        *PHYSICS_ASSUMPTIONS,
        *_beam_assumptions(DEFAULT_MOMENTUM_SPREAD, RIPPLE_FILTER_MM),
        "Beam: spot size in air 4.9 mm (sigma) at a range of 40 mm to 3.8 mm at 200 mm, linear, held beyond; "
        "after matRad's generic carbon machine.",
    ]
    return schema.check(library, *names, "air_sigma", "r80")


def _beam_assumptions(momentum_spread: float, ripple_filter_mm: float) -> list[str]:
    lines = [f"Beam: momentum spread {100.0 * momentum_spread:g} % (one sigma)."]
    if ripple_filter_mm:
        lines.append(
            f"Beam: ripple filter, every water-equivalent thickness from 0 to {ripple_filter_mm:g} mm "
            "equally likely; its own scattering and reactions are left out."
        )
    return lines


@lru_cache(maxsize=8)
def _z_star_table(charge: int) -> CubicSpline:
    """Tabulate ln z* over ln energy; 40 points per decade."""
    name = {1: "1H", 2: "4He", 3: "7Li", 4: "9Be", 5: "11B", 6: "12C"}[charge]
    low, high = Z_STAR_ENERGIES
    energy = np.geomspace(low, high, round(40 * np.log10(high / low)) + 1)
    return CubicSpline(np.log(energy), np.log(mkm.z_star(name, energy)))


def _held_ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide along the last axis; where there is next to nothing to divide by, hold the last value."""
    enough = bottom > 1e-12 * bottom.max(axis=-1, keepdims=True)
    ratio = np.divide(top, bottom, out=np.zeros_like(top), where=enough)
    index = np.where(enough, np.arange(top.shape[-1]), 0)
    return np.take_along_axis(ratio, np.maximum.accumulate(index, axis=-1), axis=-1)


def _mean(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0.0)


def _curve(values: Floats, units: str, meaning: str) -> xr.Variable:
    dims = ("depth",) if values.ndim == 1 else ("charge", "depth")
    return xr.Variable(dims, values, {"units": units, "long_name": meaning})


def _component_curve(values: xr.DataArray, units: str, meaning: str) -> xr.Variable:
    return xr.Variable(("component", "depth"), values.values, {"units": units, "long_name": meaning})
