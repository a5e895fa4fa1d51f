"""A beam in a box of water: depth dose, lateral spread and the balance of energy, by Monte Carlo."""

from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.beam.cross_sections import interaction_coefficient
from doseplan.beam.fragments import local_energy
from doseplan.beam.scattering import momentum_range_spread
from doseplan.beam.species import species_of
from doseplan.beam.stopping import range_at, slowing
from doseplan.beam.tables import Factor
from doseplan.constants import WATER_DENSITY
from doseplan.dose.components import COMPONENTS, component_of
from doseplan.messages import InputError, Progress, silent
from doseplan.montecarlo.simulate import BATCHES, Grid, Limits, Source, Voxels, simulate
from doseplan.montecarlo.tables import Tables, build_tables

Floats = NDArray[np.float64]

WIDE_MM = 4000.0
"""[mm] half the width of the box in y."""

BINS = 241
"""Columns of the lateral profile; what leaves them has left the box."""


def water_box(
    energy: float,
    *,
    histories: int,
    seed: int = 1,
    depth_mm: float,
    step_mm: float = 1.0,
    column_mm: float = 10.0,
    momentum_spread: float = 0.0005,
    ripple_filter_mm: float = 0.0,
    limits: Limits | None = None,
    keep: dict[int, float] | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Follow a thin beam of 12C into water of 0.998 g/cm3.

    Parameters
    ----------
    energy : float [MeV/u]
        50 to 430.
    histories : int
    seed : int
    depth_mm, step_mm : float [mm]
        Length of the box, and of its slabs.
    column_mm : float [mm]
        Width of the 241 columns of the lateral profile; narrow ones let wide fragments out at the sides.
    momentum_spread : float
        One sigma of dp/p.
    ripple_filter_mm : float [mm of water]
        Every thickness from 0 on is equally likely.
    limits, keep
        Lengths of steps; parts of fragments that are followed, by charge.

    Returns
    -------
    Dataset
        Over depth [mm]: `idd` and `idd_uncertainty` (one sigma) [MeV cm2/g per primary]; over component,
        depth: `idd_by_component`, `lateral_variance` [mm2] in x, dose-weighted. Attrs, [MeV per primary]:
        `entering`, `deposited` (slow target fragments included), `escaping`, `removed` by reactions,
        `straggled`, and `reactions` of the primary ion.

    Raises
    ------
    InputError
        An energy or a length outside its range.
    """
    if not 50.0 <= energy <= 430.0:
        raise InputError(f"energy: expected 50 <= energy <= 430 MeV/u, got {energy}")
    if not 0.0 < step_mm <= depth_mm <= 1000.0:
        raise InputError(f"depth_mm: expected a step above 0 and at most 1000 mm, got {step_mm}, {depth_mm}")
    tables = _tables(1.03 * energy, tuple((keep or {}).items()))
    slabs = int(np.ceil(depth_mm / step_mm))
    source = thin_beam(energy, momentum_spread, ripple_filter_mm)
    every = simulate(
        tables, _box(slabs, step_mm, column_mm), source, np.ones(1),
        histories=histories, seed=seed, limits=limits, progress=progress,
    )  # fmt: skip
    scores, tallies = zip(*((score.copy(), tally) for score, tally in every), strict=True)
    return _named(np.array(scores), np.array(tallies), slabs, step_mm, column_mm)


def thin_beam(energy: float, momentum_spread: float, ripple_filter_mm: float) -> Source:
    """Make a beam without width along z, in the middle of the box."""
    ripple = ripple_filter_mm * 0.1 * WATER_DENSITY
    return Source(
        field=np.zeros(1, np.int64),
        lateral=np.zeros((1, 3)),
        size=np.zeros(1),
        range_mean=range_at("12C", np.array([energy])),
        range_sigma=np.array([momentum_range_spread("12C", energy, momentum_spread)]),
        ripple=ripple,
        direction=np.array([[0.0, 0.0, 1.0]]),
        u_axis=np.array([[1.0, 0.0, 0.0]]),
        v_axis=np.array([[0.0, 1.0, 0.0]]),
    )


@lru_cache(maxsize=4)
def _tables(highest_energy: float, keep: tuple[tuple[int, float], ...]) -> Tables:
    return build_tables(highest_energy=highest_energy, responses=_responses(), keep=dict(keep))


def _responses() -> dict[str, Factor]:
    """Score the dose of each component, and what slow target fragments leave on the spot."""

    def of(component: str) -> Factor:
        def factor(species: str, energy: Floats) -> Floats:
            return np.full_like(energy, 1.0 if component_of(species, "12C") == component else 0.0)

        return factor

    def local(species: str, energy: Floats) -> Floats:
        ion = species_of(species)
        extra = (
            interaction_coefficient(species, energy) * local_energy(ion, energy) / slowing(species, energy)
        )
        return np.asarray(extra / (1.0 + extra))

    return {component: of(component) for component in COMPONENTS} | {"local": local}


def _box(slabs: int, step_mm: float, column_mm: float) -> Voxels:
    """Make slabs along z, columns across x, and one voxel along y."""
    columns, side = BINS, 0.5 * BINS * column_mm
    media = np.full((slabs, 1, columns, 3), WATER_DENSITY, np.float32)
    grid = Grid(
        np.array([-side, -WIDE_MM, 0.0]),
        np.array([column_mm, 2.0 * WIDE_MM, step_mm]),
        np.array([columns, 1, slabs]),
    )
    place = (np.arange(columns), np.zeros(1, np.int64), np.arange(slabs) * columns)
    return Voxels(media, grid, place, slabs * columns)


def _named(scores: Floats, tallies: Floats, slabs: int, step_mm: float, column_mm: float) -> xr.Dataset:
    """Sum over columns, and compare batches."""
    parts = scores.reshape(len(scores), slabs, BINS, -1) / (0.1 * step_mm)
    by_batch = parts[..., : len(COMPONENTS)].sum(axis=(2, 3))
    mean = parts.mean(axis=0)
    across = (np.arange(BINS) - 0.5 * (BINS - 1)) * column_mm
    dose = mean[..., : len(COMPONENTS)]
    total = dose.sum(axis=1)
    squares = (dose * across[:, np.newaxis] ** 2).sum(axis=1)
    # a column's own width adds its variance to the profile
    variance = np.divide(squares, total, out=np.zeros_like(total), where=total > 0.0) - column_mm**2 / 12.0
    tally = tallies.mean(axis=0)
    deposited = float(mean[..., : len(COMPONENTS)].sum() * 0.1 * step_mm * WATER_DENSITY)
    local = float(mean[..., len(COMPONENTS)].sum() * 0.1 * step_mm * WATER_DENSITY)
    return xr.Dataset(
        {
            "idd": ("depth", by_batch.mean(axis=0)),
            "idd_uncertainty": ("depth", by_batch.std(axis=0, ddof=1) / np.sqrt(BATCHES)),
            "idd_by_component": (("component", "depth"), total.T),
            "lateral_variance": (("component", "depth"), variance.T),
        },
        coords={"depth": (np.arange(slabs) + 0.5) * step_mm, "component": list(COMPONENTS)},
        attrs={
            "entering": tally[0],
            "deposited": deposited,
            "escaping": tally[1],
            "removed": tally[2] - local,
            "straggled": tally[3],
            "reactions": tally[4],
            "lost_fragments": tally[5],
            "crossings": tally[6],
        },
    )
