"""Carry an ion beam through matter: primary ions and fragments, one step of depth at a time."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from doseplan.beam.line import MM, BeamLine, Beams, grid, range_sigma
from doseplan.beam.medium import Medium, medium_of
from doseplan.beam.species import TRANSPORTED, species_of
from doseplan.beam.stopping import energy_at_range, range_at
from doseplan.beam.tables import SPREAD_POINTS, Factor, Tables, build_tables
from doseplan.kernels import transport as kernel
from doseplan.messages import InputError

Floats = NDArray[np.float64]

ENERGIES = {1: (50.0, 250.0), 2: (50.0, 250.0), 3: (50.0, 430.0)}
"""[MeV/u] energies that the transport takes, by charge, three standing for heavier ions too; the
multiplicities of fragments hold from 80 MeV/u."""

FRAGMENT_STEP_MM = 0.5
"""[mm of water] step of the fragments, to the nearest whole number of steps of the primary ion."""

TAIL_MM, TAIL_SHARE = 60.0, 0.15
"""[mm of water], [1] the result ends this far, and this part of the range, behind the range."""

LONGEST_MM = 1000.0
"""[mm of water] no result is longer."""

THRESHOLD = 1e-10
"""Fewer reactions per primary ion, step and group of cells make no fragments: section G5 of the reference."""


def transport(
    energy: ArrayLike,
    *,
    ion: str = "12C",
    material: str | Medium = "water",
    i_value_ev: float | None = None,
    line: BeamLine | None = None,
    responses: Mapping[str, Factor] | None = None,
    step_mm: float = 0.1,
    fragment_step_mm: float = FRAGMENT_STEP_MM,
    depth_mm: float | None = None,
    spectra_mm: ArrayLike = (),
    cross_section_scale: float = 1.0,
    spread_points: int = SPREAD_POINTS,
    tables: Tables | None = None,
) -> xr.Dataset:
    """Compute depth curves of ion beams in a material by species.

    Parameters
    ----------
    energy : float or (energy,) [MeV/u]
        50 to 430; of 1H, 3H, 3He and 4He to 250.
    ion : str
        Primary ion, from 1H to 12C.
    material : str or Medium
        What the beam crosses.
    i_value_ev : float, optional [eV]
        Mean excitation energy in place of the material's own.
    line : BeamLine, optional
        Momentum spread, ripple filter, nozzle, air gap; by default `BeamLine()`.
    responses : mapping of name to factor(species, energy), optional
        Further curves: energy loss times a factor, such as a biological quantity.
    step_mm, fragment_step_mm : float [mm of water]
        Step of depth of the primary ions, which is the step of the result, and of the fragments; as mass
        thickness, so that a step in bone is shorter.
    depth_mm : float, optional [mm of the material]
        Last depth; by default 60 mm of water and 15 % of the range behind that of the highest energy.
    spectra_mm : (picture,) [mm of the material], optional
        Depths at which ions are counted by energy, to the nearest step of the fragments.
    cross_section_scale : float
        Multiplies all reaction cross sections: to see how much depends on them.
    spread_points : int
        Points of the velocity spread of fragments; spectra need some hundred to be smooth.
    tables : Tables, optional
        From `transport_tables` with the same ion, material, steps, responses and scale.

    Returns
    -------
    Dataset
        Over energy, species, depth [mm]: `idd` [MeV cm2/g per primary], `idd_let` [keV/um MeV cm2/g; LET in
        water], one curve per response, `fluence` [ions per primary], `lateral_variance` [mm2] (dose-weighted,
        projected, without the spot), `angle_variance` [rad2] (projected). Over energy: `csda` [mm], and the
        balance [MeV per primary] `entering`, `deposited`, `escaping`, `removed` (by reactions), all from the
        nozzle on; `reactions` per primary. With `spectra_mm`: `picture_depth`, `residual_range` [g/cm2],
        `ions` (energy, picture, species, residual_range), counts per cell, their `ion_angle_variance` [rad2],
        and `primary_ions` on the fine cells `primary_residual_range`.

    Raises
    ------
    InputError
        An ion, energy, step, spread or thickness outside its range.

    Notes
    -----
    Slow fragments of target nuclei leave their energy where they are born (1 to 2 % of the plateau dose of
    carbon), counted with the LET of the ion that hit, though their own is higher; neutrons and gammas are
    left out. In other materials than water a reaction makes the fragments that it makes in water.
    """
    line = line or BeamLine()
    medium = medium_of(material, i_value_ev)
    mm = medium.density / 10.0
    energies = np.atleast_1d(np.asarray(energy, dtype=np.float64))
    pictures = np.atleast_1d(np.asarray(spectra_mm, dtype=np.float64))
    _check(
        ion,
        energies,
        {
            "step_mm": (step_mm, 0.02, 5.0),
            "fragment_step_mm": (fragment_step_mm, 0.02, 5.0),
            "depth_mm": (TAIL_MM if depth_mm is None else depth_mm, 0.1, LONGEST_MM * MM / mm),
            "cross_section_scale": (cross_section_scale, 0.0, 10.0),
            "spread_points": (spread_points, 9, 1001),
            **line.limits(),
        },
    )
    if tables is None:
        tables = transport_tables(
            highest_energy=float(energies.max()),
            ion=ion,
            material=medium,
            line=line,
            responses=responses,
            step_mm=step_mm,
            fragment_step_mm=fragment_step_mm,
            cross_section_scale=cross_section_scale,
            spread_points=spread_points,
        )
    beams = Beams.of(energies, tables, line)
    last = (
        depth_mm * mm if depth_mm is not None else (1.0 + TAIL_SHARE) * float(beams.csda.max()) + TAIL_MM * MM
    )
    length = tables.step * tables.ratio
    coarse = beams.skipped // tables.ratio + max(int(np.ceil(last / length - 1e-9)), 1)
    picture_step = np.rint(pictures * mm / length).astype(np.int64) + beams.skipped // tables.ratio
    if pictures.size and not (pictures.min() >= 0.0 and picture_step.max() < coarse):
        ends = f"0 <= depth < {last / mm:.4g} mm"
        raise InputError(f"spectra_mm: expected {ends}, got {pictures.min():g} to {pictures.max():g}")
    outputs = _march(tables, beams, line, coarse, picture_step)
    result = _collect(energies, beams, mm, tables, outputs)
    return result if pictures.size == 0 else _with_pictures(result, beams, mm, tables, outputs, picture_step)


def transport_tables(
    *,
    highest_energy: float,
    ion: str = "12C",
    material: str | Medium = "water",
    line: BeamLine | None = None,
    responses: Mapping[str, Factor] | None = None,
    step_mm: float = 0.1,
    fragment_step_mm: float = FRAGMENT_STEP_MM,
    cross_section_scale: float = 1.0,
    spread_points: int = SPREAD_POINTS,
) -> Tables:
    """Compute the tables of `transport` once for many energies up to `highest_energy` [MeV/u]."""
    line, medium = line or BeamLine(), medium_of(material)
    csda = range_at(ion, np.array([highest_energy]), medium)
    reach = csda + 6.0 * range_sigma(ion, highest_energy, line, medium)
    return build_tables(
        ion=ion,
        medium=medium,
        highest_energy=float(energy_at_range(ion, reach, medium)[0]),
        step=step_mm * MM,
        ratio=max(1, round(fragment_step_mm / step_mm)),
        responses=responses or {},
        cross_section_scale=cross_section_scale,
        spread_points=spread_points,
    )


def _check(ion: str, energies: Floats, stated: Mapping[str, tuple[float, float, float]]) -> None:
    """Refuse what makes no sense, all at once; `stated` holds value, lowest and highest by name."""
    lines = []
    if ion not in TRANSPORTED:
        raise InputError(f"ion: expected one of {', '.join(TRANSPORTED)}, got {ion!r}")
    lowest, highest = ENERGIES[min(species_of(ion).charge, 3)]
    bad = energies[~((energies >= lowest) & (energies <= highest))]
    if energies.size == 0 or bad.size:
        got = bad[0] if bad.size else "none"
        lines.append(f"energy: expected {lowest:g} <= energy <= {highest:g} MeV/u, got {got}")
    for name, (value, low, high) in stated.items():
        if not low <= value <= high:
            lines.append(f"{name}: expected {low:g} <= {name} <= {high:g}, got {value}")
    if lines:
        raise InputError(*lines)


def _march(
    tables: Tables, beams: Beams, line: BeamLine, coarse: int, picture_step: NDArray[np.int64]
) -> dict[str, Floats]:
    """Call the kernel with outputs of the right shape."""
    energies, species = beams.start.shape[0], len(tables.names)
    fine, responses = coarse * tables.ratio, len(tables.responses)
    cells, first = tables.species, tables.primary
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
        "primary_ions": np.empty((energies, picture_step.size, beams.start.shape[1])),
        "ions": np.empty((energies, picture_step.size, 2, species, cells.survival.shape[1])),
    }
    variance, moments = beams.moments(coarse, tables, line)
    kernel.transport(
        np.ascontiguousarray(beams.start), np.ascontiguousarray(moments),
        first.survival, first.middle_energy, first.weight,
        cells.survival, cells.middle_energy, cells.end_energy, cells.weight, cells.power,
        tables.born_energy, tables.group_size, tables.branch_start, tables.branch_child, tables.branch_number,
        tables.branch_position, tables.branch_angle, tables.step * tables.ratio, THRESHOLD,
        beams.gap_step, line.air_gap_mm * tables.medium.density / 10.0, picture_step,
        *outputs.values(),
    )  # fmt: skip
    return outputs | {"primary_variance": variance}


def _collect(
    energies: Floats, beams: Beams, mm: float, tables: Tables, outputs: dict[str, Floats]
) -> xr.Dataset:
    """Bring primary ions and fragments onto the fine grid behind the nozzle and name everything."""
    length = tables.step * tables.ratio
    fine, coarse = outputs["primary"].shape[2], outputs["removed"].shape[1]
    depth = grid(fine, 0.5, tables.step)
    at = grid(coarse, 0.5, length)
    deposited = _refined(outputs["deposited"] / length, at, depth)
    deposited[:, :, 0] = outputs["primary"] / tables.step
    fluence = _refined(outputs["fluence"], at, depth)
    fluence[:, 0] = outputs["primary_fluence"]
    spread = _refined(outputs["spread"] / length, at, depth)
    variance = _ratio(spread, deposited[:, 0]) / mm**2
    variance[:, 0] = outputs["primary_variance"] / mm**2
    angle = _refined(_ratio(outputs["angle"], outputs["fluence"]), at, depth)
    energy_sum = outputs["primary"][:, 0].sum(axis=1) + outputs["deposited"][:, 0].sum(axis=(1, 2))
    entering = energy_at_range(beams.ion, beams.csda + beams.skipped * tables.step, tables.medium)
    curve = ("energy", "species", "depth")
    behind = slice(beams.skipped, None)
    curves = {name: (curve, deposited[:, index, :, behind]) for index, name in enumerate(tables.responses)}
    return xr.Dataset(
        {
            **curves,
            "fluence": (curve, fluence[..., behind]),
            "lateral_variance": (curve, variance[..., behind]),
            "angle_variance": (curve, angle[..., behind]),
            "reactions": (("energy", "species"), outputs["reactions"].sum(axis=2)),
            "csda": ("energy", beams.csda / mm),
            "entering": ("energy", species_of(beams.ion).mass * entering),
            "deposited": ("energy", energy_sum),
            "escaping": ("energy", outputs["escaping"].sum(axis=1)),
            "removed": ("energy", outputs["removed"].sum(axis=1)),
        },
        coords={
            "energy": energies,
            "species": _labels(tables.names),
            "depth": (depth[behind] - beams.skipped * tables.step) / mm,
        },
    )


def _labels(names: tuple[str, ...]) -> list[str]:
    """Tell secondary protons of a proton beam from its primary ones."""
    return [names[0], *(f"{name} secondary" if name == names[0] else name for name in names[1:])]


def _with_pictures(
    result: xr.Dataset,
    beams: Beams,
    mm: float,
    tables: Tables,
    outputs: dict[str, Floats],
    picture_step: NDArray[np.int64],
) -> xr.Dataset:
    """Add the counts of ions by residual range at some depths."""
    length = tables.step * tables.ratio
    place = ("energy", "picture", "species", "residual_range")
    shallow = (picture_step * tables.ratio - beams.skipped) * tables.step / mm
    return result.assign(
        ions=(place, outputs["ions"][:, :, 0]),
        ion_angle_variance=(place, _ratio(outputs["ions"][:, :, 1], outputs["ions"][:, :, 0])),
        primary_ions=(("energy", "picture", "primary_residual_range"), outputs["primary_ions"]),
    ).assign_coords(
        picture_depth=("picture", shallow),
        residual_range=grid(outputs["ions"].shape[4], 0.5, length),
        primary_residual_range=grid(outputs["primary_ions"].shape[2], 0.5, tables.step),
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
