"""Stopping power and range of ions in matter."""

from functools import lru_cache

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import zetac

from doseplan.beam.medium import ATOMS, WATER, Medium, medium_of
from doseplan.beam.species import Species, checked_energy, relativistic, species_of
from doseplan.constants import ATOMIC_MASS_MEV, BETHE_K, ELECTRON_MASS_MEV, FINE_STRUCTURE
from doseplan.messages import InputError

JOIN_ENERGY = 8.0
"""[MeV/u] below it the Bethe formula gives way to the join with the velocity-proportional branch."""

LINDHARD_SCHARFF = 8.0 * np.pi * 14.399_645 * 0.529_177 * 0.1
"""[1e-15 eV cm2] 8 pi e2 a0; Lindhard and Scharff, Phys. Rev. 124 (1961) 128."""

LINDHARD_SCHARFF_SCALE = 1.25
"""[1] raises the branch so that carbon and protons peak near their known 880 and 82 keV/um [assumed]."""

WATER_SHELL_ELECTRONS = 10.0
"""[1] in the shell correction of water; per molecule."""

TABLE_RANGE = (1e-4, 1e5)
"""[MeV/u] ends of the range table; below, the range goes with the square root of the energy."""

TABLE_POINTS_PER_DECADE = 160

DENSITY_EFFECT = (0.2400, 2.8004, 0.091_16, 3.4773, 3.5017)
"""x0, x1, a, k, C of liquid water; Sternheimer, Berger, Seltzer, ADNDT 30 (1984) 261 [from memory].
Used for every material: the effect begins above 600 MeV/u even in metals."""

BLOCH_SERIES = (-1.0) ** np.arange(13) * zetac(2.0 * np.arange(13) + 3.0)
"""[1] sum over n from 2 on of 1 / (n (n2 + x)), as a power series in x: zeta(3) - 1, 1 - zeta(5) and so on.
The first term that is left out is below 1e-16 at x = 0.32."""

_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(6)


def stopping_power(
    species: str, energy: ArrayLike, material: str | Medium = "water", *, i_value_ev: float | None = None
) -> NDArray[np.float64]:
    """Compute the unrestricted electronic mass stopping power.

    Parameters
    ----------
    species : str
        Bare ion, such as "12C".
    energy : (...) [MeV/u]
    material : str or Medium
        Name in data/materials.csv, or any composition.
    i_value_ev : float, optional [eV]
        Mean excitation energy in place of the material's own.

    Returns
    -------
    (...) float64 [MeV cm2/g]
        For water of 1 g/cm3, a tenth of it is the LET in keV/um.

    Raises
    ------
    InputError
        Unknown ion or material, or an energy that is not positive and finite.
    """
    return slowing(species, checked_energy(energy), medium_of(material, i_value_ev))


def csda_range(
    species: str, energy: ArrayLike, material: str | Medium = "water", *, i_value_ev: float | None = None
) -> NDArray[np.float64]:
    """Compute the range in the continuous slowing-down approximation, the integral of M dE / S.

    Parameters
    ----------
    species, energy, material, i_value_ev
        As for `stopping_power`.

    Returns
    -------
    (...) float64 [g/cm2]

    Raises
    ------
    InputError
        Unknown ion or material, or an energy that is not positive and finite, or too high for the table.
    """
    return range_at(species, checked_energy(energy), medium_of(material, i_value_ev))


def slowing(species: str, energy: NDArray[np.float64], medium: Medium = WATER) -> NDArray[np.float64]:
    """Compute the stopping power [MeV cm2/g] in a medium, without checks.

    Notes
    -----
    From 8 MeV/u on: Bethe with shell, Barkas, Bloch and Mott terms. Below: 1/S = 1/S_low + 1/S_high after
    Varelas and Biersack (Nucl. Instrum. Methods 79 (1970) 213), S_low proportional to velocity, times
    a power of the energy close to 1 that makes value and slope continuous.
    """
    ion = species_of(species)
    joined = np.minimum(energy, JOIN_ENERGY)
    scale, slope = _join_factor(species, medium)
    low = _joined(ion, joined, medium) * (1.0 + scale * (joined / JOIN_ENERGY) ** slope)
    high = _bethe(ion, np.maximum(energy, JOIN_ENERGY), medium)
    return np.where(energy < JOIN_ENERGY, low, high)


def range_at(species: str, energy: NDArray[np.float64], medium: Medium = WATER) -> NDArray[np.float64]:
    """Look up the csda range [g/cm2] in a table of the integral, without checks of the ion."""
    if np.any(energy > TABLE_RANGE[1]):
        raise InputError(f"energy: expected energy <= {TABLE_RANGE[1]:g} MeV/u, got {float(np.max(energy))}")
    to_range, _ = _range_table(species, medium)
    inside = np.maximum(energy, TABLE_RANGE[0])
    return np.asarray(np.exp(to_range(np.log(inside))) * np.sqrt(energy / inside))


def energy_at_range(
    species: str, distance: NDArray[np.float64], medium: Medium = WATER
) -> NDArray[np.float64]:
    """Look up the energy [MeV/u] of an ion that has a distance [g/cm2] to go; the inverse of the range."""
    _, to_energy = _range_table(species, medium)
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


def _bethe(ion: Species, energy: NDArray[np.float64], medium: Medium) -> NDArray[np.float64]:
    """Compute the Bethe formula with its corrections; valid above a few MeV/u."""
    beta2, gamma, beta_gamma = relativistic(energy, ATOMIC_MASS_MEV)
    beta = np.sqrt(beta2)
    charge = effective_charge(ion.charge, beta)
    transfer = maximum_transfer(ion, gamma)
    squared = 2.0 * ELECTRON_MASS_MEV * beta_gamma**2 * transfer / (medium.i_value_ev * 1e-6) ** 2
    number = 0.5 * np.log(squared) - beta2 - _shell(beta_gamma, medium) - _density_effect(beta_gamma) / 2.0
    mott = 0.5 * np.pi * charge * FINE_STRUCTURE * beta
    corrected = number * (1.0 + _barkas(charge, beta_gamma, medium)) + _bloch(ion.charge, beta) + mott
    return BETHE_K * medium.z_over_a * charge**2 / beta2 * corrected


def _shell(beta_gamma: NDArray[np.float64], medium: Medium) -> NDArray[np.float64]:
    """Compute the shell correction C/Z; Barkas and Berger, NASA SP-3013 (1964).

    The formula is one of elements. For water, ten electrons at 78 eV agree with ICRU 90; in other compounds
    the number of electrons goes with I, as it nearly does from element to element.
    """
    inverse = beta_gamma**-2.0
    second = (0.422377 + (0.0304043 - 0.00038106 * inverse) * inverse) * inverse * 1e-6
    third = (3.858019 + (-0.1667989 + 0.00157955 * inverse) * inverse) * inverse * 1e-9
    i_value_ev = medium.i_value_ev
    alone = ATOMS[medium.composition[0][0]][0] if len(medium.composition) == 1 else 0
    electrons = alone or WATER_SHELL_ELECTRONS * (
        1.0 if medium.composition == WATER.composition else i_value_ev / WATER.i_value_ev
    )
    return (second * i_value_ev**2 + third * i_value_ev**3) / electrons


def _density_effect(beta_gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Sternheimer's delta of liquid water; zero below about 900 MeV/u."""
    start, end, factor, power, constant = DENSITY_EFFECT
    x = np.log10(beta_gamma)
    bend = factor * np.maximum(end - x, 0.0) ** power
    return np.where(x < start, 0.0, np.maximum(2.0 * np.log(10.0) * x - constant + bend, 0.0))


def _barkas(
    charge: NDArray[np.float64], beta_gamma: NDArray[np.float64], medium: Medium
) -> NDArray[np.float64]:
    """Compute the Barkas term after Jackson and McCarthy, Phys. Rev. B 6 (1972) 4131, as ATIMA uses it."""
    total = np.zeros_like(beta_gamma)
    for share, target in medium.electron_shares:
        velocity = beta_gamma / (FINE_STRUCTURE * np.sqrt(target))
        table = np.interp(velocity, [1.0, 2.0, 3.0, 4.0], [0.33, 0.30, 0.26, 0.23], left=0.0)
        # the table ends at 0.23 and the tail starts at 0.225, as printed
        value = np.where(velocity >= 4.0, 0.45 / np.sqrt(velocity), table)
        total += share * 2.0 * charge * value / (velocity**2 * np.sqrt(target))
    return total


def _bloch(charge: int, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Bloch term, -eta2 sum 1 / (n (n2 + eta2)), = psi(1) - Re psi(1 + i eta).

    The term n = 1 as it is, the others as a power series in eta2, which is below 0.32 for neon at 8 MeV/u:
    many times quicker than the digamma function of complex numbers, and the same to rounding.
    """
    squared = (charge * FINE_STRUCTURE / beta) ** 2
    return np.asarray(-squared * (1.0 / (1.0 + squared) + polyval(squared, BLOCH_SERIES)))


def _joined(ion: Species, energy: NDArray[np.float64], medium: Medium) -> NDArray[np.float64]:
    """Join the Lindhard-Scharff branch and the Bethe logarithm of the bare ion, kept positive by 1 + x."""
    beta2, _, beta_gamma = relativistic(energy, ATOMIC_MASS_MEV)
    z = float(ion.charge)
    per_mass = 0.0
    for symbol, atoms in medium.atoms:
        target = float(ATOMS[symbol][0])
        per_mass += atoms * z ** (7.0 / 6.0) * target / (z ** (2.0 / 3.0) + target ** (2.0 / 3.0)) ** 1.5
    low = LINDHARD_SCHARFF_SCALE * LINDHARD_SCHARFF * 1e-21 * per_mass * np.sqrt(beta2) / FINE_STRUCTURE
    argument = 1.0 + 2.0 * ELECTRON_MASS_MEV * 1e6 * beta_gamma**2 / medium.i_value_ev
    high = BETHE_K * medium.z_over_a * z * z / beta2 * np.log(argument)
    return np.asarray(low * high / (low + high))


@lru_cache(maxsize=256)
def _join_factor(species: str, medium: Medium) -> tuple[float, float]:
    """Find c and p of 1 + c (E/E_join)^p: equal value and slope on both sides of the join."""
    ion = species_of(species)
    near = JOIN_ENERGY * np.exp(np.array([-1e-3, 0.0, 1e-3]))
    ratio = _bethe(ion, near, medium) / _joined(ion, near, medium)
    scale = float(ratio[1] - 1.0)
    slope = float((ratio[2] - ratio[0]) / 2e-3)
    # a power below 1/2 would still act at the peak, one above 4 would be a kink
    return scale, float(np.clip(slope / scale, 0.5, 4.0)) if scale else 1.0


@lru_cache(maxsize=256)
def _range_table(species: str, medium: Medium) -> tuple[CubicSpline, CubicSpline]:
    """Integrate M dE / S on a logarithmic grid; splines of ln R over ln E and back."""
    mass = species_of(species).mass
    decades = float(np.log10(TABLE_RANGE[1] / TABLE_RANGE[0]))
    edges = np.log(np.geomspace(*TABLE_RANGE, round(decades * TABLE_POINTS_PER_DECADE) + 1))
    half = 0.5 * np.diff(edges)[:, np.newaxis]
    energy = np.exp(edges[:-1, np.newaxis] + half * (1.0 + _GAUSS_NODES))
    pieces = (half * _GAUSS_WEIGHTS * mass * energy / slowing(species, energy, medium)).sum(axis=1)
    lowest = np.exp(edges[0])
    first = 2.0 * mass * lowest / slowing(species, np.array([lowest]), medium)
    log_range = np.log(first + np.concatenate([[0.0], np.cumsum(pieces)]))
    return CubicSpline(edges, log_range), CubicSpline(log_range, edges)
