"""The library of depth curves of all beam energies, with their biology channels."""

from dataclasses import asdict

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.beam import csda_range
from doseplan.beam.line import BeamLine
from doseplan.beam.medium import WATER
from doseplan.beam.stopping import energy_at_range
from doseplan.beam.transport import transport, transport_tables
from doseplan.constants import WATER_DENSITY
from doseplan.dose import beam_cache
from doseplan.dose.bragg import PHYSICS_ASSUMPTIONS, distal_depth, line_assumptions, medium_line
from doseplan.dose.channels import CURVES, RESPONSES
from doseplan.dose.components import COMPONENTS, component_curves
from doseplan.messages import Progress, silent

Floats = NDArray[np.float64]

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
LIBRARY_LINE = BeamLine(ripple_filter_mm=3.0)
"""No nozzle and no air gap: energies are those at the skin, and `air_sigma` is the spot size there."""

BATCH = 6

AIR_SIGMA_MM = ((40.0, 4.9), (200.0, 3.8))
"""Range [mm] and spot size [mm] at both ends of the line; matRad's generic carbon machine."""


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
        `idd`, `idd_let`, `idd_z_star`, `idd_lem_linear`, `idd_lem_root`, `lateral_sigma` over energy,
        component, depth; `air_sigma`, `r80` over energy, as declared in the schema; `component` is primary,
        heavy and light. Attrs `assumptions`.
    """
    if not cache:
        return _build_library(progress)
    key = beam_cache.key_of(_library_inputs())
    found = beam_cache.load(key)
    if found is not None:
        return schema.check(found, *CURVES, "lateral_sigma", "air_sigma", "r80")
    library = _build_library(progress)
    beam_cache.store(key, library)
    return library


def library_energies() -> Floats:
    """List the energies [MeV/u] of the library: equal steps of range."""
    ends = csda_range("12C", np.array(LIBRARY_ENERGIES))
    count = round(float(ends[1] - ends[0]) / (LIBRARY_SPACING_MM * WATER_DENSITY / 10.0))
    ranges = np.linspace(ends[0], ends[1], count + 1)
    return energy_at_range("12C", ranges)


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
        "line": asdict(LIBRARY_LINE),
        "curves": CURVES,
        "air_sigma_mm": AIR_SIGMA_MM,
    }


def _build_library(progress: Progress) -> xr.Dataset:
    """Transport all energies, some at a time."""
    energies = library_energies()
    progress("beam library: tables of cross sections and z*", 0.0)
    tables = transport_tables(
        highest_energy=float(energies[-1]),
        responses=RESPONSES,
        step_mm=LIBRARY_STEP_MM,
        fragment_step_mm=LIBRARY_FRAGMENT_STEP_MM,
        line=LIBRARY_LINE,
    )
    deepest = float(csda_range("12C", energies[-1])) / WATER_DENSITY * 10.0 + LIBRARY_TAIL_MM
    parts, depths = [], []
    for first in range(0, energies.size, BATCH):
        progress("beam library: transport", first / energies.size)
        curves = transport(
            energies[first : first + BATCH],
            responses=RESPONSES,
            step_mm=LIBRARY_STEP_MM,
            fragment_step_mm=LIBRARY_FRAGMENT_STEP_MM,
            depth_mm=deepest,
            line=LIBRARY_LINE,
            tables=tables,
        )
        total = curves["idd"].sum("species").values
        depths += [distal_depth(curves["depth"].values, each, 0.8) for each in total]
        parts.append(component_curves(curves.isel(depth=slice(None, None, LIBRARY_KEEP)), "12C", CURVES))
    progress("beam library: done", 1.0)
    return _declared(xr.concat(parts, dim="energy"), np.array(depths))


def _declared(curves: xr.Dataset, r80: Floats) -> xr.Dataset:
    """Name everything as the schema does."""
    names = (*CURVES, "lateral_sigma")
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
        medium_line(WATER),
        *PHYSICS_ASSUMPTIONS,
        *line_assumptions(LIBRARY_LINE),
        "Beam: spot size in air 4.9 mm (sigma) at a range of 40 mm to 3.8 mm at 200 mm, linear, held beyond; "
        "after matRad's generic carbon machine.",
    ]
    return schema.check(library, *names, "air_sigma", "r80")
