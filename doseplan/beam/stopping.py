"""Stopping power and range of ions in water."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import digamma

from doseplan.beam.species import Species, checked_energy, relativistic, species_of
from doseplan.constants import (
    ATOMIC_MASS_MEV,
    AVOGADRO,
    BETHE_K,
    ELECTRON_MASS_MEV,
    FINE_STRUCTURE,
    WATER_I_VALUE_EV,
    WATER_Z_OVER_A,
)
from doseplan.messages import InputError

MATERIALS = ("water",)

JOIN_ENERGY = 8.0
"""[MeV/u] below it the Bethe formula gives way to the join with the velocity-proportional branch."""

WATER_ATOMS = ((0.2, 1.0), (0.8, 8.0))
"""Share of the electrons, charge number: hydrogen and oxygen."""

LINDHARD_SCHARFF = 8.0 * np.pi * 14.399_645 * 0.529_177 * 0.1
"""[1e-15 eV cm2] 8 pi e2 a0; Lindhard and Scharff, Phys. Rev. 124 (1961) 128."""

LINDHARD_SCHARFF_SCALE = 1.25
"""[1] raises the branch so that carbon and protons peak near their known 880 and 82 keV/um [assumed]."""

WATER_MOLAR_MASS = 18.0153
"""[g/mol]"""

TABLE_RANGE = (1e-4, 1e5)
"""[MeV/u] ends of the range table; below, the range goes with the square root of the energy."""

TABLE_POINTS_PER_DECADE = 160

DENSITY_EFFECT = (0.2400, 2.8004, 0.091_16, 3.4773, 3.5017)
"""x0, x1, a, k, C of liquid water; Sternheimer, Berger, Seltzer, ADNDT 30 (1984) 261 [from memory]."""

_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(6)


def stopping_power(species: str, energy: ArrayLike, material: str = "water") -> NDArray[np.float64]:
    """Compute the unrestricted electronic mass stopping power.

    Parameters
    ----------
    species : str
        Bare ion, such as "12C".
    energy : (...) [MeV/u]
    material : str
        Only "water".

    Returns
    -------
    (...) float64 [MeV cm2/g]
        For water of 1 g/cm3, a tenth of it is the LET in keV/um.

    Raises
    ------
    InputError
        Unknown ion or material, or an energy that is not positive and finite.
    """
    _check_material(material)
    return stopping_power_in_water(species, checked_energy(energy), i_value_ev=WATER_I_VALUE_EV)


def csda_range(species: str, energy: ArrayLike, material: str = "water") -> NDArray[np.float64]:
    """Compute the range in the continuous slowing-down approximation, the integral of M dE / S.

    Parameters
    ----------
    species : str
        Bare ion, such as "12C".
    energy : (...) [MeV/u]
    material : str
        Only "water".

    Returns
    -------
    (...) float64 [g/cm2]

    Raises
    ------
    InputError
        Unknown ion or material, or an energy that is not positive and finite.
    """
    _check_material(material)
    return range_in_water(species, checked_energy(energy), i_value_ev=WATER_I_VALUE_EV)


def stopping_power_in_water(
    species: str, energy: NDArray[np.float64], *, i_value_ev: float
) -> NDArray[np.float64]:
    """Compute the stopping power [MeV cm2/g] for any mean excitation energy [eV], without checks.

    Notes
    -----
    From 8 MeV/u on: Bethe with shell, Barkas, Bloch and Mott terms. Below: 1/S = 1/S_low + 1/S_high after
    Varelas and Biersack (Nucl. Instrum. Methods 79 (1970) 213), S_low proportional to velocity, times
    a power of the energy close to 1 that makes value and slope continuous.
    """
    ion = species_of(species)
    joined = np.minimum(energy, JOIN_ENERGY)
    scale, slope = _join_factor(species, i_value_ev)
    low = _joined(ion, joined, i_value_ev) * (1.0 + scale * (joined / JOIN_ENERGY) ** slope)
    high = _bethe(ion, np.maximum(energy, JOIN_ENERGY), i_value_ev)
    return np.where(energy < JOIN_ENERGY, low, high)


def range_in_water(species: str, energy: NDArray[np.float64], *, i_value_ev: float) -> NDArray[np.float64]:
    """Look up the csda range [g/cm2] in a table of the integral, without checks of the ion."""
    if np.any(energy > TABLE_RANGE[1]):
        raise InputError(f"energy: expected energy <= {TABLE_RANGE[1]:g} MeV/u, got {float(np.max(energy))}")
    to_range, _ = _range_table(species, i_value_ev)
    inside = np.maximum(energy, TABLE_RANGE[0])
    return np.asarray(np.exp(to_range(np.log(inside))) * np.sqrt(energy / inside))


def energy_at_range(species: str, distance: NDArray[np.float64], *, i_value_ev: float) -> NDArray[np.float64]:
    """Look up the energy [MeV/u] of an ion that has a distance [g/cm2] to go; the inverse of the range."""
    _, to_energy = _range_table(species, i_value_ev)
    first = float(to_energy.x[0])
    log_distance = np.log(np.maximum(distance, 1e-300))
    below = np.exp(2.0 * np.minimum(log_distance - first, 0.0))
    return np.asarray(np.exp(to_energy(np.maximum(log_distance, first))) * below)


def effective_charge(charge: int, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the mean charge of an ion in matter, z (1 - exp(-125 beta z^(-2/3))); Barkas 1963."""
    return np.asarray(-charge * np.expm1(-125.0 * beta * float(charge) ** (-2.0 / 3.0)))


def maximum_transfer(ion: Species, gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the largest energy [MeV] that an ion gives to a free electron at rest."""
    ratio = ELECTRON_MASS_MEV / (ion.mass * ATOMIC_MASS_MEV)
    return 2.0 * ELECTRON_MASS_MEV * (gamma * gamma - 1.0) / (1.0 + 2.0 * gamma * ratio + ratio * ratio)


def _check_material(material: str) -> None:
    if material not in MATERIALS:
        raise InputError(f"material: expected one of {', '.join(MATERIALS)}, got {material!r}")


def _bethe(ion: Species, energy: NDArray[np.float64], i_value_ev: float) -> NDArray[np.float64]:
    """Compute the Bethe formula with its corrections; valid above a few MeV/u."""
    beta2, gamma, beta_gamma = relativistic(energy, ATOMIC_MASS_MEV)
    beta = np.sqrt(beta2)
    charge = effective_charge(ion.charge, beta)
    transfer = maximum_transfer(ion, gamma)
    squared = 2.0 * ELECTRON_MASS_MEV * beta_gamma**2 * transfer / (i_value_ev * 1e-6) ** 2
    number = (
        0.5 * np.log(squared) - beta2 - _shell(beta_gamma, i_value_ev) - _density_effect(beta_gamma) / 2.0
    )
    mott = 0.5 * np.pi * charge * FINE_STRUCTURE * beta
    corrected = number * (1.0 + _barkas(charge, beta_gamma)) + _bloch(ion.charge, beta) + mott
    return BETHE_K * WATER_Z_OVER_A * charge**2 / beta2 * corrected


def _shell(beta_gamma: NDArray[np.float64], i_value_ev: float) -> NDArray[np.float64]:
    """Compute the shell correction C/Z of water; Barkas and Berger, NASA SP-3013 (1964)."""
    inverse = beta_gamma**-2.0
    second = (0.422377 + (0.0304043 - 0.00038106 * inverse) * inverse) * inverse * 1e-6
    third = (3.858019 + (-0.1667989 + 0.00157955 * inverse) * inverse) * inverse * 1e-9
    electrons = 10.0
    return (second * i_value_ev**2 + third * i_value_ev**3) / electrons


def _density_effect(beta_gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Sternheimer's delta of liquid water; zero below about 900 MeV/u."""
    start, end, factor, power, constant = DENSITY_EFFECT
    x = np.log10(beta_gamma)
    bend = factor * np.maximum(end - x, 0.0) ** power
    return np.where(x < start, 0.0, np.maximum(2.0 * np.log(10.0) * x - constant + bend, 0.0))


def _barkas(charge: NDArray[np.float64], beta_gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Barkas term after Jackson and McCarthy, Phys. Rev. B 6 (1972) 4131, as ATIMA uses it."""
    total = np.zeros_like(beta_gamma)
    for share, target in WATER_ATOMS:
        velocity = beta_gamma / (FINE_STRUCTURE * np.sqrt(target))
        table = np.interp(velocity, [1.0, 2.0, 3.0, 4.0], [0.33, 0.30, 0.26, 0.23], left=0.0)
        # the table ends at 0.23 and the tail starts at 0.225, as printed
        value = np.where(velocity >= 4.0, 0.45 / np.sqrt(velocity), table)
        total += share * 2.0 * charge * value / (velocity**2 * np.sqrt(target))
    return total


def _bloch(charge: int, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Bloch term, -eta2 sum 1 / (n (n2 + eta2)) = psi(1) - Re psi(1 + i eta)."""
    eta = charge * FINE_STRUCTURE / beta
    return np.asarray(digamma(1.0) - digamma(1.0 + 1j * eta).real, dtype=np.float64)


def _joined(ion: Species, energy: NDArray[np.float64], i_value_ev: float) -> NDArray[np.float64]:
    """Join the Lindhard-Scharff branch and the Bethe logarithm of the bare ion, kept positive by 1 + x."""
    beta2, _, beta_gamma = relativistic(energy, ATOMIC_MASS_MEV)
    z = float(ion.charge)
    per_molecule = sum(
        count * z ** (7.0 / 6.0) * target / (z ** (2.0 / 3.0) + target ** (2.0 / 3.0)) ** 1.5
        for count, target in ((2.0, 1.0), (1.0, 8.0))
    )
    molecules = AVOGADRO / WATER_MOLAR_MASS
    low = LINDHARD_SCHARFF_SCALE * LINDHARD_SCHARFF * 1e-21 * molecules * per_molecule
    low = low * np.sqrt(beta2) / FINE_STRUCTURE
    argument = 1.0 + 2.0 * ELECTRON_MASS_MEV * 1e6 * beta_gamma**2 / i_value_ev
    high = BETHE_K * WATER_Z_OVER_A * z * z / beta2 * np.log(argument)
    return np.asarray(low * high / (low + high))


@lru_cache(maxsize=256)
def _join_factor(species: str, i_value_ev: float) -> tuple[float, float]:
    """Find c and p of 1 + c (E/E_join)^p: equal value and slope on both sides of the join."""
    ion = species_of(species)
    near = JOIN_ENERGY * np.exp(np.array([-1e-3, 0.0, 1e-3]))
    ratio = _bethe(ion, near, i_value_ev) / _joined(ion, near, i_value_ev)
    scale = float(ratio[1] - 1.0)
    slope = float((ratio[2] - ratio[0]) / 2e-3)
    # a power below 1/2 would still act at the peak, one above 4 would be a kink
    return scale, float(np.clip(slope / scale, 0.5, 4.0)) if scale else 1.0


@lru_cache(maxsize=256)
def _range_table(species: str, i_value_ev: float) -> tuple[CubicSpline, CubicSpline]:
    """Integrate M dE / S on a logarithmic grid; splines of ln R over ln E and back."""
    mass = species_of(species).mass
    decades = float(np.log10(TABLE_RANGE[1] / TABLE_RANGE[0]))
    edges = np.log(np.geomspace(*TABLE_RANGE, round(decades * TABLE_POINTS_PER_DECADE) + 1))
    half = 0.5 * np.diff(edges)[:, np.newaxis]
    energy = np.exp(edges[:-1, np.newaxis] + half * (1.0 + _GAUSS_NODES))
    slowing = stopping_power_in_water(species, energy, i_value_ev=i_value_ev)
    pieces = (half * _GAUSS_WEIGHTS * mass * energy / slowing).sum(axis=1)
    lowest = np.exp(edges[0])
    first = 2.0 * mass * lowest / stopping_power_in_water(species, np.array([lowest]), i_value_ev=i_value_ev)
    log_range = np.log(first + np.concatenate([[0.0], np.cumsum(pieces)]))
    return CubicSpline(edges, log_range), CubicSpline(log_range, edges)
