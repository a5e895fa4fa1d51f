"""What an ion does at each residual range, and what it turns into: the physics of `beam` as tables.

Nothing here comes from a transport or a depth-dose curve.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doseplan.beam.cross_sections import interaction_coefficient
from doseplan.beam.fragments import birth_angle, birth_energy, children, energy_spread, local_energy
from doseplan.beam.medium import WATER
from doseplan.beam.species import Species, relativistic, species_of
from doseplan.beam.stopping import effective_charge, energy_at_range, range_at, slowing
from doseplan.beam.tables import Factor, lineup
from doseplan.constants import ATOMIC_MASS_MEV, BETHE_K, ELECTRON_MASS_MEV

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NODES = 1500
"""Nodes of every table, even in the root of the residual range: energies are nearly straight in it."""

TAIL_SIGMA = 5.5
"""Fragments that are born faster than this many sigma above the mean get the range of the table's end."""

ROSSI_MEV = 15.0
"""[MeV] of the scattering power; Gottschalk, Med. Phys. 37 (2010) 352."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


class Ladder(NamedTuple):
    """What ions do, in the kernel's order: response, motion, node_step."""

    response: Floats
    """(species, node, channel) integral over the energy from rest [MeV times a factor]"""
    motion: Floats
    """(species, node, 7), columns as `doseplan.kernels.montecarlo` names them"""
    node_step: Floats
    """(species,) [(g/cm2)^(1/2)]"""


class Branches(NamedTuple):
    """What reactions make, in the kernel's order."""

    start: Integers
    child: Integers
    number: Floats
    keep: Floats
    energy: Floats
    spread: Floats
    angle: Floats
    range_root: Floats
    energy_step: float


class Tables(NamedTuple):
    """All tables of a simulation, and the names of their species."""

    names: tuple[str, ...]
    ladder: Ladder
    branches: Branches


def build_tables(
    *,
    highest_energy: float,
    responses: Mapping[str, Factor],
    keep: Mapping[int, float] | None = None,
    nodes: int = NODES,
) -> Tables:
    """Compute the tables of 12C and its fragments in water.

    Parameters
    ----------
    highest_energy : float [MeV/u]
        Of the primary ions, their spread included.
    responses : mapping of name to factor(species, energy)
        Channels that are scored: energy loss times the factor. Slow target fragments add to each in the same
        proportion.
    keep : mapping of charge to part, optional
        Part of the fragments that is followed, each with the weight of all; 1 where not named.
    nodes : int
        Of every table.
    """
    names = lineup("12C")
    highest = _highest_energies(names, highest_energy)
    tops = [1.02 * float(range_at(name, np.array([highest[name]]))[0]) for name in names]
    node_step = np.sqrt(tops) / (nodes - 1)
    energies = [
        energy_at_range(name, (np.arange(nodes) * step) ** 2)
        for name, step in zip(names, node_step, strict=True)
    ]
    pairs = list(zip(names, energies, strict=True))
    response = np.stack([_responses(species_of(name), energy, responses) for name, energy in pairs])
    motion = np.stack([_motion(species_of(name), energy) for name, energy in pairs])
    part = {charge: 1.0 for charge in range(1, 7)} | dict(keep or {})
    kept = np.array([part[species_of(name).charge] for name in names])
    ladder = Ladder(response, motion, node_step)
    return Tables(names, ladder, _branches(pairs, kept, max(highest.values()), nodes))


def _highest_energies(names: tuple[str, ...], highest_energy: float) -> dict[str, float]:
    """Bound the energies that fragments are born with, heavy parents first."""
    highest = {name: highest_energy for name in names}
    for parent in names:
        ion, energy = species_of(parent), np.array([highest[parent]])
        for child in children(parent):
            fast = birth_energy(ion, child, energy) + TAIL_SIGMA * energy_spread(ion, child, energy)
            highest[child.name] = max(highest[child.name], float(fast[0]))
    # hydrogen of hydrogen may be faster again; a chain of such chances is not followed further
    return highest


def _responses(ion: Species, energy: Floats, responses: Mapping[str, Factor]) -> Floats:
    """Integrate each factor over the energy that an ion has lost when it stops: (node, channel)."""
    half = 0.5 * np.diff(energy)[:, np.newaxis]
    inner = np.maximum(energy[:-1, np.newaxis] + half * (1.0 + _NODES), 1e-6)
    per_range = interaction_coefficient(ion.name, inner) * local_energy(ion, inner)
    grown = half * _WEIGHTS * ion.mass * (1.0 + per_range / slowing(ion.name, inner))
    channels = []
    for factor in responses.values():
        pieces = (grown * factor(ion.name, inner)).sum(axis=1)
        channels.append(np.concatenate([[0.0], np.cumsum(pieces)]))
    return np.stack(channels, axis=-1)


def _motion(ion: Species, energy: Floats) -> Floats:
    """Tabulate energy, reactions, straggling of the range and scattering: (node, 7).

    Notes
    -----
    Straggling is Bohr's, the scattering power Gottschalk's differential Moliere, f (15 z / pv)^2 / X_S, as in
    `doseplan.beam.scattering`; here f is split so that a step needs one logarithm.
    """
    inside = np.maximum(energy, 1e-4)
    beta2, gamma, _ = relativistic(inside, ATOMIC_MASS_MEV)
    charge = effective_charge(ion.charge, np.sqrt(beta2))
    bohr = BETHE_K * ELECTRON_MASS_MEV * WATER.z_over_a * charge**2 * gamma**2 * (1.0 - 0.5 * beta2)
    speed = ion.mass * ATOMIC_MASS_MEV * gamma * beta2
    log_speed = np.log10(speed / ion.charge)
    return np.stack(
        [
            ion.mass * energy,
            interaction_coefficient(ion.name, inside),
            bohr / slowing(ion.name, inside) ** 2,
            speed,
            (ROSSI_MEV * ion.charge / speed) ** 2 / WATER.scattering_length,
            0.5244 + 0.2320 * log_speed,
            0.1975 - 0.0098 * log_speed,
        ],
        axis=-1,
    )


def _branches(pairs: list[tuple[str, Floats]], keep: Floats, highest: float, nodes: int) -> Branches:
    """List the fragments of every species with their energy, its spread and their angle at every node."""
    names = [name for name, _ in pairs]
    parent, child, number = [], [], []
    rows: list[tuple[Floats, Floats, Floats]] = []
    for index, (name, energy) in enumerate(pairs):
        ion, inside = species_of(name), np.maximum(energy, 1e-3)
        for made in children(name):
            parent.append(index)
            child.append(names.index(made.name))
            number.append(made.number)
            rows.append(
                (
                    birth_energy(ion, made, inside),
                    energy_spread(ion, made, inside),
                    birth_angle(ion, made, inside),
                )
            )
    energy_step = float(np.sqrt(highest)) / (nodes - 1)
    places = np.maximum((np.arange(nodes) * energy_step) ** 2, 1e-9)
    energy, spread, angle = (np.array(values) for values in zip(*rows, strict=True))
    return Branches(
        start=np.searchsorted(parent, np.arange(len(names) + 1)).astype(np.int64),
        child=np.array(child, dtype=np.int64),
        number=np.array(number),
        keep=keep,
        energy=energy,
        spread=spread,
        angle=angle,
        range_root=np.stack([np.sqrt(range_at(name, places)) for name in names]),
        energy_step=energy_step,
    )
