"""One ion beam: depth curves with their biology channels, energy spectra, and how sure they are."""

from dataclasses import asdict

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from doseplan import schema
from doseplan.beam.line import DEFAULT_MOMENTUM_SPREAD, BeamLine
from doseplan.beam.medium import Medium, medium_of
from doseplan.beam.species import species_of
from doseplan.beam.stopping import energy_at_range, range_at
from doseplan.beam.transport import transport
from doseplan.dose.channels import RESPONSES
from doseplan.dose.components import COMPONENTS, component_curves
from doseplan.messages import Progress, silent

Floats = NDArray[np.float64]

CURVE_POINTS, SPECTRUM_POINTS = 121, 401
"""Points of the velocity spread of fragments in a curve and in a spectrum."""

PHYSICS_ASSUMPTIONS = (
    "Beam: below 8 MeV/u stopping after Lindhard and Scharff times 1.25, joined with Bethe's logarithm.",
    "Beam: numbers of fragments per reaction, the same in every material; their velocity losses, Goldhaber's "
    "width 90 MeV/c, widened across by 1.3 for hydrogen and 1.1 for He, Li and Be; deflection of the "
    "projectile 195 MeV/c at 100 MeV/u; splits of secondary fragments into isotopes are assumed.",
    "Beam: charge-changing cross sections of the lower of two measured families (90 % of all reactions).",
    "Beam: target protons leave with 45 +- 15 % of the parent's energy per nucleon at 0.25 rad; slower "
    "target fragments leave 6.5 % of a proton's energy (43 MeV a reaction of carbon) on the spot, with the "
    "LET and RBE of the ion that hit; neutrons and gammas are left out.",
    "Beam: Gottschalk's scattering power with pv/z.",
    "Beam: one Gaussian each for primary ions, heavy (Li to B) and light (H, He) fragments.",
)


def depth_dose(
    energy: float,
    *,
    ion: str = "12C",
    material: str | Medium = "water",
    i_value_ev: float | None = None,
    step_mm: float = 0.1,
    depth_mm: float | None = None,
    momentum_spread: float = DEFAULT_MOMENTUM_SPREAD,
    ripple_filter_mm: float = 0.0,
    nozzle_mm: float = 0.0,
    air_gap_mm: float = 0.0,
    cross_section_scale: float = 1.0,
) -> xr.Dataset:
    """Compute the depth curves of one beam.

    Parameters
    ----------
    energy : float [MeV/u]
        Where the beam enters the nozzle: 50 to 430, of ions up to helium to 250.
    ion : str
        "12C", "4He", "1H", or another ion up to carbon that the transport knows.
    material : str or Medium
        Name in data/materials.csv, or any composition.
    i_value_ev : float, optional [eV]
        Mean excitation energy in place of the material's own.
    step_mm : float [mm of water]
    depth_mm : float, optional [mm of the material]
        Last depth.
    momentum_spread : float
        One sigma of dp/p.
    ripple_filter_mm : float [mm of water]
        Thickness of the ripple filter, uniform from 0; 0 is the pristine beam.
    nozzle_mm, air_gap_mm : float [mm of water], [mm]
        What the beam crosses in front of the first depth; by default nothing.
    cross_section_scale : float
        Multiplies all reaction cross sections.

    Returns
    -------
    Dataset
        Over depth [mm]: `idd` [MeV cm2/g per primary]; `idd_by_charge`, `fluence_by_charge` [ions per
        primary] (charge, depth); `let_d` [keV/um, in water], `idd_let`, `idd_z_star`, `z_star_mean` [Gy] and
        the channels of LEM I, `idd_lem_linear`, `idd_lem_root`; over component, depth: `idd_by_component`,
        `lateral_sigma` [mm], `let_d_by_component`. Attrs `r80_mm`, `peak_depth_mm`, `csda_mm`, `assumptions`.

    Raises
    ------
    InputError
        An unknown ion or material, or a number outside its range.
    """
    medium = medium_of(material, i_value_ev)
    line = BeamLine(
        momentum_spread=momentum_spread,
        ripple_filter_mm=ripple_filter_mm,
        nozzle_mm=nozzle_mm,
        air_gap_mm=air_gap_mm,
    )
    curves = transport(
        energy,
        ion=ion,
        material=medium,
        line=line,
        responses=RESPONSES,
        step_mm=step_mm,
        depth_mm=depth_mm,
        cross_section_scale=cross_section_scale,
        spread_points=CURVE_POINTS,
    ).isel(energy=0)
    return named_curves(curves, ion, medium, line).assign_attrs(energy_mev_u=float(energy))


def named_curves(curves: xr.Dataset, ion: str, medium: Medium, line: BeamLine) -> xr.Dataset:
    """Sum the species of one beam and name everything, as `depth_dose` returns it."""
    names = ("idd", "idd_let", *RESPONSES)
    total = {name: curves[name].sum("species").values for name in names}
    charges = [species_of(str(name).split()[0]).charge for name in curves["species"].values]
    by_charge = curves[["idd", "fluence"]].groupby(xr.DataArray(charges, dims="species", name="charge")).sum()
    by_charge = by_charge.transpose("charge", "depth")
    components = component_curves(curves.expand_dims("energy"), ion, ("idd", "idd_let")).isel(energy=0)
    each = components["idd"].values
    depth = curves["depth"].values
    along, by_part, parted = ("depth",), ("charge", "depth"), ("component", "depth")
    named = {
        "idd": (along, total["idd"], "MeV cm2/g", "depth dose per primary"),
        "idd_by_charge": (by_part, by_charge["idd"].values, "MeV cm2/g", "depth dose by charge"),
        "fluence_by_charge": (by_part, by_charge["fluence"].values, "1", "ions per primary, by charge"),
        "let_d": (along, _mean(total["idd_let"], total["idd"]), "keV/um", "dose-averaged LET in water"),
        "idd_let": (along, total["idd_let"], "keV/um MeV cm2/g", "depth dose times LET"),
        "idd_z_star": (along, total["idd_z_star"], "Gy MeV cm2/g", "depth dose times z*"),
        "z_star_mean": (along, _mean(total["idd_z_star"], total["idd"]), "Gy", "dose-averaged z*"),
        "idd_lem_linear": (along, total["idd_lem_linear"], "MeV cm2/g/Gy", "depth dose times LEM I alpha"),
        "idd_lem_root": (along, total["idd_lem_root"], "MeV cm2/g/Gy", "depth dose times LEM I sqrt(beta)"),
        "idd_by_component": (parted, each, "MeV cm2/g", "depth dose by component"),
        "lateral_sigma": (parted, components["lateral_sigma"].values, "mm", "lateral spread gained"),
        "let_d_by_component": (
            parted,
            _mean(components["idd_let"].values, each),
            "keV/um",
            "dose-averaged LET in water by component",
        ),
    }
    coordinates = {
        "depth": schema.variable("depth", depth, **({} if medium.name == "water" else _in(medium))),
        "charge": by_charge["charge"].values,
        "component": list(COMPONENTS),
    }
    result = xr.Dataset(
        {
            name: xr.Variable(dims, values, {"units": units, "long_name": meaning})
            for name, (dims, values, units, meaning) in named.items()
        },
        coords=coordinates,
    )
    result.attrs = {
        "ion": ion,
        "material": medium.name,
        "density_g_cm3": medium.density,
        "i_value_ev": medium.i_value_ev,
        **asdict(line),
        "r80_mm": distal_depth(depth, total["idd"], 0.8),
        "peak_depth_mm": peak_depth(depth, total["idd"]),
        "csda_mm": float(curves["csda"]),
        "assumptions": [medium_line(medium), *PHYSICS_ASSUMPTIONS, *line_assumptions(line)],
    }
    return result


def energy_spectra(
    energy: float,
    depth_mm: ArrayLike,
    *,
    ion: str = "12C",
    material: str | Medium = "water",
    i_value_ev: float | None = None,
    line: BeamLine | None = None,
    energy_edges: ArrayLike | None = None,
) -> xr.Dataset:
    """Count the ions of one beam by species and energy at some depths.

    Parameters
    ----------
    energy, ion, material, i_value_ev, line
        As for `depth_dose` and `transport`.
    depth_mm : (depth,) [mm]
        Taken to the nearest step of the fragments, 0.5 mm of water.
    energy_edges : (bin + 1,), optional [MeV/u]
        Edges of the bins; by default every 2 MeV/u up to the fastest ion.

    Returns
    -------
    Dataset
        `spectrum` (depth, species, energy_bin) [ions per primary per MeV/u]; `angle` (the same) [mrad],
        projected, one sigma, NaN where there are no ions and of the primary ions; `fluence` (depth, species);
        coordinates `energy_bin`, the middle of the bins, and `energy_edges`.

    Raises
    ------
    InputError
        As for `transport`; a depth behind the last one.
    """
    medium = medium_of(material, i_value_ev)
    curves = transport(
        energy, ion=ion, material=medium, line=line, spectra_mm=depth_mm, spread_points=SPECTRUM_POINTS
    ).isel(energy=0)
    names = [str(name) for name in curves["species"].values]
    highest = max(
        _highest(curves["ions"].sel(species=name), name.split()[0], medium, "residual_range")
        for name in names[1:]
    )
    highest = max(highest, _highest(curves["primary_ions"], ion, medium, "primary_residual_range"))
    edges = np.arange(0.0, highest + 4.0, 2.0) if energy_edges is None else np.asarray(energy_edges, float)
    spectrum = np.zeros((curves.sizes["picture"], len(names), edges.size - 1))
    squares = np.zeros_like(spectrum)
    for index, name in enumerate(names):
        values = curves["primary_ions"] if index == 0 else curves["ions"].sel(species=name)
        cells = values[values.dims[-1]].values
        spectrum[:, index] = _binned(values.values, cells, name.split()[0], medium, edges)
        if index:
            weighted = values.values * curves["ion_angle_variance"].sel(species=name).values
            squares[:, index] = _binned(weighted, cells, name.split()[0], medium, edges)
    angle = np.full_like(spectrum, np.nan)
    np.divide(squares, spectrum, out=angle, where=(spectrum > 1e-12) & (squares > 0.0))
    dims = ("depth", "species", "energy_bin")
    units = {"units": "1/(MeV/u)", "long_name": "ions per primary"}
    meaning = {"units": "mrad", "long_name": "projected angle, one sigma"}
    return xr.Dataset(
        {
            "spectrum": xr.Variable(dims, spectrum / np.diff(edges), units),
            "angle": xr.Variable(dims, 1e3 * np.sqrt(angle), meaning),
            "fluence": xr.Variable(
                dims[:2], spectrum.sum(axis=2), {"units": "1", "long_name": "ions per primary"}
            ),
        },
        coords={
            "depth": schema.variable("depth", curves["picture_depth"].values),
            "species": names,
            "energy_bin": xr.Variable("energy_bin", 0.5 * (edges[1:] + edges[:-1]), {"units": "MeV/u"}),
            "energy_edges": xr.Variable("energy_edge", edges, {"units": "MeV/u"}),
        },
        attrs={"energy_mev_u": float(energy), "ion": ion, "material": medium.name},
    )


CHANGES: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("I-value", "+2 eV", {"i_value_ev": 2.0}),
    ("I-value", "-2 eV", {"i_value_ev": -2.0}),
    ("reaction cross sections", "+5 %", {"cross_section_scale": 1.05}),
    ("reaction cross sections", "-5 %", {"cross_section_scale": 0.95}),
    ("momentum spread", "0.05 -> 0.1 %", {"momentum_spread": 0.001}),
    ("momentum spread", "0.05 -> 0 %", {"momentum_spread": 0.0}),
)
"""What is changed and by how much: ICRU 90 gives water's I-value as 78 +- 2 eV [from memory]; two families of
measured cross sections are 5 to 10 % apart; the momentum spread is the machine's."""


def sensitivities(
    energy: float, *, ion: str = "12C", material: str | Medium = "water", progress: Progress = silent
) -> list[dict[str, object]]:
    """Compute how far range, peak, plateau and tail move with what is not known well.

    Returns
    -------
    list of rows
        `quantity`, `change`, `r80_mm` (shift), `peak_percent`, `plateau_percent` (at half the range),
        `tail_percent` (20 mm of water behind the range; None where
        nothing arrives).
    """
    medium = medium_of(material)
    plain = depth_dose(energy, ion=ion, material=medium)
    tail = plain.attrs["r80_mm"] + 2.0 / medium.density * 0.998 * 10.0
    rows: list[dict[str, object]] = []
    for number, (quantity, change, stated) in enumerate(CHANGES):
        progress("sensitivities", number / len(CHANGES))
        changed = dict(stated)
        if "i_value_ev" in changed:
            changed["i_value_ev"] += medium.i_value_ev
        other = depth_dose(energy, ion=ion, material=medium, **changed)
        shift = other.attrs["r80_mm"] - plain.attrs["r80_mm"]
        places = {"plateau_percent": 0.5 * plain.attrs["r80_mm"], "tail_percent": tail}
        rows.append(
            {
                "quantity": quantity,
                "change": change,
                "r80_mm": shift,
                "peak_percent": _percent(float(other["idd"].max()), float(plain["idd"].max())),
                **{name: _percent(_at(other, depth), _at(plain, depth)) for name, depth in places.items()},
            }
        )
    return rows


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


def medium_line(medium: Medium) -> str:
    """State the material as an assumption."""
    return (
        f"Beam: {medium.name} of {medium.density:g} g/cm3, mean excitation energy {medium.i_value_ev:g} eV"
        + (" (ICRU 90)." if medium == medium_of("water") else ".")
    )


def line_assumptions(line: BeamLine) -> list[str]:
    """State what was assumed of the beam line."""
    lines = [f"Beam: momentum spread {100.0 * line.momentum_spread:g} % (one sigma)."]
    if line.ripple_filter_mm:
        lines.append(
            f"Beam: ripple filter, every water-equivalent thickness from 0 to {line.ripple_filter_mm:g} mm "
            "equally likely; its own scattering and reactions are left out."
        )
    lines.append(
        f"Beam: nozzle of {line.nozzle_mm:g} mm of water and {line.air_gap_mm:g} mm of air in front."
        if line.in_front_mm
        else "Beam: energies are those at the first depth; no nozzle, no air gap."
    )
    return lines


def _in(medium: Medium) -> dict[str, object]:
    return {"long_name": f"depth in {medium.name} of {medium.density:g} g/cm3"}


def _percent(other: float, plain: float) -> float | None:
    return 100.0 * (other / plain - 1.0) if plain > 0.0 else None


def _at(curve: xr.Dataset, depth: float) -> float:
    return float(np.interp(depth, curve["depth"], curve["idd"]))


def _highest(ions: xr.DataArray, name: str, medium: Medium, cells: str) -> float:
    """Find the energy [MeV/u] above which there are hardly any ions."""
    there = np.flatnonzero((ions.values > 1e-9).any(axis=0))
    if there.size == 0:
        return 0.0
    return float(energy_at_range(name, ions[cells].values[there[-1:]], medium)[0])


def _binned(counts: Floats, cells: Floats, name: str, medium: Medium, edges: Floats) -> Floats:
    """Share counts by residual range among bins of energy; within a cell they lie evenly in range."""
    step = cells[1] - cells[0]
    borders = np.append(cells - 0.5 * step, cells[-1] + 0.5 * step)
    below = np.concatenate([np.zeros((counts.shape[0], 1)), np.cumsum(counts, axis=1)], axis=1)
    at = range_at(name, np.maximum(edges, 1e-6), medium)
    at[edges <= 0.0] = 0.0
    return np.diff(np.array([np.interp(at, borders, row) for row in below]), axis=1)


def _mean(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0.0)
