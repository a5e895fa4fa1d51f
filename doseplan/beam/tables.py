"""Tables for the transport: what ions of each residual range do in one step, and what they turn into."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from doseplan.beam.cross_sections import interaction_coefficient
from doseplan.beam.fragments import birth_angle, birth_energy, children, energy_spread, local_energy
from doseplan.beam.medium import WATER, Medium
from doseplan.beam.scattering import scattering_power
from doseplan.beam.species import TRANSPORTED, Species, species_of
from doseplan.beam.stopping import energy_at_range, range_at, slowing

Floats = NDArray[np.float64]
Factor = Callable[[str, Floats], Floats]
"""Factor of a response: from species and energy [MeV/u] to a number that multiplies the energy loss."""

KEV_PER_UM = 0.1
"""[keV/um per MeV cm2/g] in water of 1 g/cm3."""

SPREAD_POINTS = 29
"""Points of the velocity spread. Fragments of the primary ion: equal steps from -3.5 to 3.5 sigma, so close
that the ends of the points' ranges leave no edges in the dose; fragments of fragments: a tenth as many,
Gauss-Hermite. Spectra need more."""

SECONDARY_GROUP_MM = 4.0
"""Residual ranges of a fragment this close share the places of their fragments."""

LOWEST_ENERGY = 1e-3
"""[MeV/u] start of the quadrature; the range there is below a tenth of a micrometre."""

POINTS = 1500
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What an ion of one species does in one step, by cell of residual range."""

    survival: Floats
    middle_energy: Floats
    end_energy: Floats
    weight: Floats
    power: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """All tables of a transport; shapes as `doseplan.kernels.transport.transport` takes them."""

    medium: Medium
    names: tuple[str, ...]
    step: float
    ratio: int
    responses: tuple[str, ...]
    primary: Cells
    species: Cells
    born_energy: Floats
    group_size: NDArray[np.int64]
    branch_start: NDArray[np.int64]
    branch_child: NDArray[np.int64]
    branch_number: Floats
    branch_position: Floats
    branch_angle: Floats


@dataclass(slots=True)
class _Branches:
    """Branches while they are collected, one entry per fragment and velocity."""

    parent: list[int]
    child: list[int]
    number: list[float]
    position: list[Floats]
    angle: list[Floats]
    energy: list[Floats]


def lineup(ion: str) -> tuple[str, ...]:
    """List the species of a beam: the primary ion, then all that its reactions can end in, heavy ones first.

    Secondary protons of a proton beam are a species of their own, so that "1H" is then there twice.
    """
    found: set[str] = set()
    waiting = [ion]
    while waiting:
        made = {child.name for child in children(waiting.pop())} - found
        found |= made
        waiting += made
    return (ion, *(name for name in TRANSPORTED if name in found))


def build_tables(
    *,
    ion: str,
    medium: Medium,
    highest_energy: float,
    step: float,
    ratio: int,
    responses: Mapping[str, Factor],
    cross_section_scale: float = 1.0,
    spread_points: int = SPREAD_POINTS,
) -> Tables:
    """Compute the tables for beams up to an energy.

    Parameters
    ----------
    ion : str
        The primary ion.
    medium : Medium
        What the beam crosses.
    highest_energy : float [MeV/u]
        Of the primary ion, its spread included.
    step : float [g/cm2]
        Fine step, of the primary ion; fragments move in `ratio` of them.
    responses : mapping of name to factor
        Each is the energy loss times a factor of species and energy; energy loss itself and its product with
        LET always come first.
    cross_section_scale : float
        Multiplies all reaction cross sections.
    spread_points : int
        Points of the velocity spread of fragments.
    """
    length = step * ratio
    names = lineup(ion)
    size = np.zeros(len(names), dtype=np.int64)
    size[0] = int(range_at(ion, np.array([highest_energy]), medium)[0] / length) + 2
    group_size = np.full(size.size, max(1, round(SECONDARY_GROUP_MM * 0.0998 / length)), dtype=np.int64)
    group_size[0] = 1
    branches = _Branches(parent=[], child=[], number=[], position=[], angle=[], energy=[])
    for parent in range(size.size):
        _add_branches(branches, parent, names, size, group_size, length, medium, spread_points)
    factors: dict[str, Factor] = {"idd": _one, "idd_let": _let(medium), **responses}
    rows = [
        _cells(name, int(count), length, factors, highest_energy, medium, cross_section_scale)
        for name, count in zip(names, size, strict=True)
    ]
    groups = int(np.max(-(-size // group_size)))
    return Tables(
        medium=medium,
        names=names,
        step=step,
        ratio=ratio,
        responses=tuple(factors),
        primary=_cells(ion, int(size[0]) * ratio, step, factors, highest_energy, medium, cross_section_scale),
        species=_stack(rows, int(size.max())),
        group_size=group_size,
        branch_start=np.searchsorted(branches.parent, np.arange(size.size + 1)).astype(np.int64),
        branch_child=np.array(branches.child, dtype=np.int64),
        branch_number=np.array(branches.number),
        branch_position=_padded(branches.position, groups),
        branch_angle=_padded(branches.angle, groups),
        born_energy=_born_energy(branches, names, size, group_size, groups, length, medium),
    )


def _one(species: str, energy: Floats) -> Floats:
    return np.ones_like(energy)


def _let(medium: Medium) -> Factor:
    """LET is always that in water, with the I-value of the beam's water if it crosses water."""
    water = medium if medium.composition == WATER.composition else WATER

    def factor(species: str, energy: Floats) -> Floats:
        return KEV_PER_UM * slowing(species, energy, water)

    return factor


def _add_branches(
    branches: _Branches,
    parent: int,
    names: tuple[str, ...],
    size: NDArray[np.int64],
    group_size: NDArray[np.int64],
    length: float,
    medium: Medium,
    spread_points: int,
) -> None:
    """Add all fragments of one parent and make room for the ranges that they reach."""
    ion = species_of(names[parent])
    energy = _group_energy(ion.name, int(size[parent]), int(group_size[parent]), length, medium)
    nodes, weights = _spread_nodes(parent == 0, spread_points)
    for child in children(ion.name):
        made = species_of(child.name)
        mean, spread = birth_energy(ion, child, energy), energy_spread(ion, child, energy)
        angle = birth_angle(ion, child, energy) ** 2
        index = 1 + names[1:].index(child.name)
        for node, weight in zip(nodes, weights, strict=True):
            at = np.maximum(mean + node * spread, 0.05 * mean)
            position = range_at(child.name, at, medium) / length
            size[index] = max(int(size[index]), int(position.max()) + 3)
            branches.parent.append(parent)
            branches.child.append(index)
            branches.number.append(child.number * float(weight))
            branches.position.append(position)
            branches.angle.append(angle)
            branches.energy.append(at * made.mass)


def _group_energy(name: str, size: int, width: int, length: float, medium: Medium) -> Floats:
    """Find the energy [MeV/u] at which ions of each group of cells react."""
    # reactions happen half-way through a step, so half a cell below the middle of the group
    cell = np.asarray((np.arange(-(-size // width)) + 0.5) * width - 0.5, dtype=np.float64)
    return energy_at_range(name, np.maximum(cell, 0.25) * length, medium)


def _spread_nodes(primary: bool, points: int) -> tuple[Floats, Floats]:
    """Give points [sigma] and weights that stand for a Gaussian of unit variance."""
    if not primary:
        nodes, weights = np.polynomial.hermite_e.hermegauss(max(points // 10, 3))
        return nodes, weights / weights.sum()
    nodes = np.linspace(-3.5, 3.5, points)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    return nodes / np.sqrt(weights @ nodes**2), weights


def _born_energy(
    branches: _Branches,
    names: tuple[str, ...],
    size: NDArray[np.int64],
    group_size: NDArray[np.int64],
    groups: int,
    length: float,
    medium: Medium,
) -> Floats:
    """Sum the energy [MeV] of one reaction that is not lost: of all fragments, the local ones too."""
    total = np.zeros((size.size, groups))
    for index, name in enumerate(names):
        energy = _group_energy(name, int(size[index]), int(group_size[index]), length, medium)
        total[index, : energy.size] = local_energy(species_of(name), energy)
    for parent, number, energy in zip(branches.parent, branches.number, branches.energy, strict=True):
        total[parent, : energy.size] += number * energy
    return total


def _cells(
    name: str,
    size: int,
    step: float,
    factors: Mapping[str, Factor],
    entrance: float,
    medium: Medium,
    cross_section_scale: float,
) -> Cells:
    """Compute what ions of every cell do in one step, averaged over the cell by fine quadrature."""
    ion = species_of(name)
    edges = np.asarray(np.arange(size + 1) * step, dtype=np.float64)
    highest = 1.02 * float(energy_at_range(name, edges[-1:], medium)[0])
    grid = np.geomspace(LOWEST_ENERGY, highest, POINTS)
    means = [_cell_means(ion, factor, grid, edges, medium) for factor in factors.values()]
    # an ion of a cell crosses the whole step; one of the first cell stops half-way on average
    middle: Floats = np.maximum(edges[:-1], 0.25 * step)
    path = np.full(size, step)
    path[0] = 0.5 * step
    energy = energy_at_range(name, middle, medium)
    end_energy = means[0]
    survival = np.exp(-cross_section_scale * interaction_coefficient(name, energy, medium) * path)
    weight = np.array([np.diff(mean, prepend=0.0) for mean in means])
    # dose of slow target fragments, with the quality of the ion that hit: every response grows alike
    weight *= 1.0 + (1.0 - survival) * local_energy(ion, energy) / weight[0]
    return Cells(
        survival=survival,
        middle_energy=0.5 * (end_energy + np.concatenate([[0.0], end_energy[:-1]])),
        end_energy=end_energy,
        weight=weight,
        power=scattering_power(ion, energy, max(entrance, highest), medium),
    )


def _cell_means(ion: Species, factor: Factor, grid: Floats, edges: Floats, medium: Medium) -> Floats:
    """Average over each cell the integral of factor times energy from rest to the ion's energy.

    The difference of two neighbouring cells is then what a step does, with no error of its own: the sum
    of all steps gives back the whole integral.
    """
    half = 0.5 * np.diff(grid)[:, np.newaxis]
    inner = grid[:-1, np.newaxis] + half * (1.0 + _NODES)
    pieces = (half * _WEIGHTS * ion.mass * factor(ion.name, inner)).sum(axis=1)
    first = ion.mass * grid[0] * float(factor(ion.name, grid[:1])[0])
    integral = np.concatenate([[0.0, first], first + np.cumsum(pieces)])
    distance = np.concatenate([[0.0], range_at(ion.name, grid, medium)])
    slope = factor(ion.name, grid) * slowing(ion.name, grid, medium)
    slope = np.concatenate([slope[:1], slope])
    gap = np.diff(distance)
    areas = 0.5 * gap * (integral[1:] + integral[:-1]) + gap**2 / 12.0 * (slope[:-1] - slope[1:])
    area = CubicHermiteSpline(distance, np.concatenate([[0.0], np.cumsum(areas)]), integral)
    return np.asarray(np.diff(area(edges)) / np.diff(edges))


def _stack(rows: list[Cells], size: int) -> Cells:
    return Cells(
        survival=_padded([row.survival for row in rows], size),
        middle_energy=_padded([row.middle_energy for row in rows], size),
        end_energy=_padded([row.end_energy for row in rows], size),
        weight=np.stack(
            [_padded([row.weight[part] for row in rows], size) for part in range(len(rows[0].weight))]
        ),
        power=_padded([row.power for row in rows], size),
    )


def _padded(rows: list[Floats], size: int) -> Floats:
    """Put rows of different length under each other, zeros behind."""
    table = np.zeros((len(rows), size))
    for index, row in enumerate(rows):
        table[index, : row.size] = row
    return table
