"""Carry a carbon beam through water: primary ions and fragments, one step of depth at a time."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from doseplan.beam.scattering import (
    fermi_eyges_moments,
    momentum_range_spread,
    range_straggling,
    scattering_power,
)
from doseplan.beam.species import TRANSPORTED, species_of
from doseplan.beam.stopping import energy_at_range, range_in_water
from doseplan.beam.tables import Factor, Tables, build_tables
from doseplan.constants import WATER_DENSITY, WATER_I_VALUE_EV
from doseplan.kernels import transport as kernel
from doseplan.messages import InputError

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 50.0, 430.0
"""[MeV/u] energies that the transport takes; the multiplicities of fragments hold from 80 MeV/u."""

DEFAULT_MOMENTUM_SPREAD = 0.0005
"""[1] one sigma of dp/p; section D2 of the reference [assumed]."""

FRAGMENT_STEP_MM = 0.5
"""Step of the fragments, to the nearest whole number of steps of the primary ion."""

TAIL_MM, TAIL_SHARE = 60.0, 0.15
"""[mm], [1] the result ends this far, and this part of the range, behind the range."""

THRESHOLD = 1e-10
"""Fewer reactions per primary ion, step and group of cells make no fragments: section G5 of the reference."""

MM = WATER_DENSITY / 10.0
"""[g/cm2 per mm] of water."""


def transport(
    energy: ArrayLike,
    *,
    responses: Mapping[str, Factor] | None = None,
    step_mm: float = 0.1,
    fragment_step_mm: float = FRAGMENT_STEP_MM,
    depth_mm: float | None = None,
    momentum_spread: float = DEFAULT_MOMENTUM_SPREAD,
    ripple_filter_mm: float = 0.0,
    i_value_ev: float = WATER_I_VALUE_EV,
    tables: Tables | None = None,
) -> xr.Dataset:
    """Compute depth curves of 12C beams in water by species.

    Parameters
    ----------
    energy : float or (energy,) [MeV/u]
        50 to 430.
    responses : mapping of name to factor(species, energy), optional
        Further curves: energy loss times a factor, such as a biological quantity.
    step_mm, fragment_step_mm : float [mm]
        Step of depth of the primary ions, which is the step of the result, and of the fragments.
    depth_mm : float, optional [mm]
        Last depth; 60 mm and 15 % of the range behind that of the highest energy by default.
    momentum_spread : float
        One sigma of dp/p of the beam.
    ripple_filter_mm : float [mm]
        Water-equivalent thickness of a ripple filter, every thickness from 0 on being equally likely.
    i_value_ev : float [eV]
        Mean excitation energy of water.
    tables : Tables, optional
        From `transport_tables` with the same steps, responses and mean excitation energy.

    Returns
    -------
    Dataset
        Over energy, species, depth [mm]: `idd` [MeV cm2/g per primary], `idd_let` [keV/um MeV cm2/g], one
        curve per response, `fluence` [ions per primary], `lateral_variance` [mm2] (dose-weighted, projected,
        without the spot), `angle_variance` [rad2] (projected). Over energy: `csda` [mm], and the balance [MeV
        per primary] `entering`, `deposited`, `escaping`, `removed` (by reactions). `reactions` per primary.

    Raises
    ------
    InputError
        An energy, step, spread or thickness outside its range.

    Notes
    -----
    Fragments whose energy is deposited where they are born by target nuclei are left out (1 to 2 % of the
    plateau dose, high LET), as are neutrons and gammas.
    """
    energies = np.atleast_1d(np.asarray(energy, dtype=np.float64))
    _check(
        energies,
        {
            "step_mm": (step_mm, 0.02, 5.0),
            "fragment_step_mm": (fragment_step_mm, 0.02, 5.0),
            "depth_mm": (TAIL_MM if depth_mm is None else depth_mm, 1.0, 1000.0),
            "momentum_spread": (momentum_spread, 0.0, 0.02),
            "ripple_filter_mm": (ripple_filter_mm, 0.0, 20.0),
            "i_value_ev": (i_value_ev, 60.0, 90.0),
        },
    )
    if tables is None:
        tables = transport_tables(
            highest_energy=float(energies.max()),
            responses=responses,
            step_mm=step_mm,
            fragment_step_mm=fragment_step_mm,
            momentum_spread=momentum_spread,
            i_value_ev=i_value_ev,
        )
    csda = range_in_water("12C", energies, i_value_ev=i_value_ev)
    last = (1.0 + TAIL_SHARE) * float(csda.max()) / MM + TAIL_MM if depth_mm is None else depth_mm
    coarse = max(int(np.ceil(last / (step_mm * tables.ratio) - 1e-9)), 1)
    sigma = [_range_sigma(value, momentum_spread, i_value_ev) for value in energies]
    start = np.array(
        [
            _start(centre, width, ripple_filter_mm * MM, tables)
            for centre, width in zip(csda, sigma, strict=True)
        ]
    )
    moments = [
        _primary_moments(centre - 0.5 * ripple_filter_mm * MM, width, coarse, tables)
        for centre, width in zip(csda, sigma, strict=True)
    ]
    outputs = _march(tables, start, np.stack([each[1] for each in moments]), coarse)
    return _collect(energies, csda, np.array([each[0] for each in moments]), tables, outputs)


def transport_tables(
    *,
    highest_energy: float,
    responses: Mapping[str, Factor] | None = None,
    step_mm: float = 0.1,
    fragment_step_mm: float = FRAGMENT_STEP_MM,
    momentum_spread: float = DEFAULT_MOMENTUM_SPREAD,
    i_value_ev: float = WATER_I_VALUE_EV,
) -> Tables:
    """Compute the tables of `transport` once for many energies up to `highest_energy` [MeV/u]."""
    csda = range_in_water("12C", np.array([highest_energy]), i_value_ev=i_value_ev)
    reach = csda + 6.0 * _range_sigma(highest_energy, momentum_spread, i_value_ev)
    return build_tables(
        highest_energy=float(energy_at_range("12C", reach, i_value_ev=i_value_ev)[0]),
        step=step_mm * MM,
        ratio=max(1, round(fragment_step_mm / step_mm)),
        responses=responses or {},
        i_value_ev=i_value_ev,
    )


def _check(energies: Floats, stated: Mapping[str, tuple[float, float, float]]) -> None:
    """Refuse what makes no sense, all at once; `stated` holds value, lowest and highest by name."""
    lines = []
    bad = energies[~((energies >= LOWEST) & (energies <= HIGHEST))]
    if energies.size == 0 or bad.size:
        got = bad[0] if bad.size else "none"
        lines.append(f"energy: expected {LOWEST:g} <= energy <= {HIGHEST:g} MeV/u, got {got}")
    for name, (value, low, high) in stated.items():
        if not low <= value <= high:
            lines.append(f"{name}: expected {low:g} <= {name} <= {high:g}, got {value}")
    if lines:
        raise InputError(*lines)


def _range_sigma(energy: float, momentum_spread: float, i_value_ev: float) -> float:
    """Spread of the residual range [g/cm2]: straggling up to the end, and the beam's momentum."""
    straggling = range_straggling("12C", energy, i_value_ev=i_value_ev)
    beam = momentum_range_spread("12C", energy, momentum_spread, i_value_ev=i_value_ev)
    return float(np.hypot(straggling, beam))


def _start(centre: float, sigma: float, ripple: float, tables: Tables) -> Floats:
    """Share the primary ions among cells: a Gaussian, folded with a uniform thickness from 0 to `ripple`."""
    edges = _grid(tables.primary.survival.size + 1, 0.0, tables.step)
    if ripple > 1e-9:
        with_filter = _integrated_normal((edges + ripple - centre) / sigma)
        below = (with_filter - _integrated_normal((edges - centre) / sigma)) * (sigma / ripple)
    else:
        below = ndtr((edges - centre) / sigma)
    return np.asarray(np.diff(below))


def _grid(size: int, first: float, step: float) -> Floats:
    """Count steps: (first, first + 1, ...) times the step."""
    return np.asarray((np.arange(size) + first) * step, dtype=np.float64)


def _integrated_normal(value: Floats) -> Floats:
    """Integral of the normal distribution function."""
    return np.asarray(value * ndtr(value) + np.exp(-0.5 * value**2) / np.sqrt(2.0 * np.pi))


def _primary_moments(centre: float, sigma: float, coarse: int, tables: Tables) -> tuple[Floats, Floats]:
    """Compute the lateral variance [(g/cm2)2] in fine steps, and all moments in coarse steps.

    Ions at the mean residual range stand for all; behind their end the last value holds.
    """
    fine = coarse * tables.ratio
    left = centre - _grid(fine, 0.5, tables.step)
    alive = left > 0.5 * sigma
    energy = energy_at_range("12C", np.maximum(left, 0.5 * sigma), i_value_ev=tables.i_value_ev)
    power = np.where(alive, scattering_power(species_of("12C"), energy, float(energy[0]) * 1.001), 0.0)
    moments = np.stack(fermi_eyges_moments(power, tables.step), axis=1)
    last = max(int(np.count_nonzero(alive)) - 1, 0)
    moments[last:] = moments[last]
    return moments[:, 0], moments.reshape(coarse, tables.ratio, 3).mean(axis=1)


def _march(tables: Tables, start: Floats, moments: Floats, coarse: int) -> dict[str, Floats]:
    """Call the kernel with outputs of the right shape."""
    energies, species = start.shape[0], len(TRANSPORTED)
    fine, responses = coarse * tables.ratio, len(tables.responses)
    outputs = {
        "primary": np.empty((energies, responses, fine)),
        "primary_fluence": np.empty((energies, fine)),
        "deposited": np.empty((energies, responses, species, coarse)),
        "spread": np.empty((energies, species, coarse)),
        "angle": np.empty((energies, species, coarse)),
        "fluence": np.empty((energies, species, coarse)),
        "reactions": np.empty((energies, species, coarse)),
        "removed": np.empty((energies, coarse)),
        "escaping": np.empty((energies, species)),
    }
    cells, first = tables.species, tables.primary
    kernel.transport(
        np.ascontiguousarray(start), np.ascontiguousarray(moments),
        first.survival, first.middle_energy, first.weight,
        cells.survival, cells.middle_energy, cells.end_energy, cells.weight, cells.power,
        tables.born_energy, tables.group_size, tables.branch_start, tables.branch_child, tables.branch_number,
        tables.branch_position, tables.branch_angle, tables.step * tables.ratio, THRESHOLD,
        *outputs.values(),
    )  # fmt: skip
    return outputs


def _collect(
    energies: Floats, csda: Floats, primary_variance: Floats, tables: Tables, outputs: dict[str, Floats]
) -> xr.Dataset:
    """Bring primary ions and fragments onto the fine grid and name everything."""
    length = tables.step * tables.ratio
    fine, coarse = outputs["primary"].shape[2], outputs["removed"].shape[1]
    depth = _grid(fine, 0.5, tables.step)
    at = _grid(coarse, 0.5, length)
    deposited = _refined(outputs["deposited"] / length, at, depth)
    deposited[:, :, 0] = outputs["primary"] / tables.step
    fluence = _refined(outputs["fluence"], at, depth)
    fluence[:, 0] = outputs["primary_fluence"]
    spread = _refined(outputs["spread"] / length, at, depth)
    variance = _ratio(spread, deposited[:, 0]) / MM**2
    variance[:, 0] = primary_variance / MM**2
    angle = _refined(_ratio(outputs["angle"], outputs["fluence"]), at, depth)
    energy_sum = outputs["primary"][:, 0].sum(axis=1) + outputs["deposited"][:, 0].sum(axis=(1, 2))
    curve = ("energy", "species", "depth")
    curves = {name: (curve, deposited[:, index]) for index, name in enumerate(tables.responses)}
    return xr.Dataset(
        {
            **curves,
            "fluence": (curve, fluence),
            "lateral_variance": (curve, variance),
            "angle_variance": (curve, angle),
            "reactions": (("energy", "species"), outputs["reactions"].sum(axis=2)),
            "csda": ("energy", csda / MM),
            "entering": ("energy", species_of("12C").mass * energies),
            "deposited": ("energy", energy_sum),
            "escaping": ("energy", outputs["escaping"].sum(axis=1)),
            "removed": ("energy", outputs["removed"].sum(axis=1)),
        },
        coords={"energy": energies, "species": list(TRANSPORTED), "depth": depth / MM},
    )


def _refined(values: Floats, at: Floats, depth: Floats) -> Floats:
    """Interpolate along the last axis, and extrapolate to depth zero, linearly and not below zero."""
    if at.size == depth.size or at.size < 2:
        return np.repeat(values, depth.size // at.size, axis=-1)
    index = np.clip(np.searchsorted(at, depth) - 1, 0, at.size - 2)
    part = np.minimum((depth - at[index]) / (at[index + 1] - at[index]), 1.0)
    return np.asarray(np.maximum(values[..., index] * (1.0 - part) + values[..., index + 1] * part, 0.0))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide where there is something to divide by; zero elsewhere."""
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 1e-300)
