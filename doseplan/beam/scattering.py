"""Straggling of the range and multiple scattering of ions in matter."""

import numpy as np
from numpy.typing import NDArray

from doseplan.beam.medium import WATER, Medium
from doseplan.beam.species import Species, relativistic, species_of
from doseplan.beam.stopping import effective_charge, slowing
from doseplan.constants import ATOMIC_MASS_MEV, BETHE_K, ELECTRON_MASS_MEV

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def range_straggling(species: str, energy: float, medium: Medium = WATER) -> float:
    """Compute the spread of the range [g/cm2, one sigma] from Bohr's relativistic energy straggling.

    Notes
    -----
    sigma2 = integral of K m_e c2 (Z/A) z_eff2 gamma2 (1 - beta2 / 2) / S3 dT from rest to the energy.
    """
    mass = species_of(species).mass
    lowest = np.log(1e-2)
    half = 0.5 * (np.log(energy) - lowest)
    values = np.exp(lowest + half * (1.0 + _NODES))
    beta2, gamma, _ = relativistic(values, ATOMIC_MASS_MEV)
    charge = effective_charge(species_of(species).charge, np.sqrt(beta2))
    bohr = BETHE_K * ELECTRON_MASS_MEV * medium.z_over_a * charge**2 * gamma**2 * (1.0 - beta2 / 2.0)
    cubed = slowing(species, values, medium) ** 3
    return float(np.sqrt(np.sum(half * _WEIGHTS * mass * values * bohr / cubed)))


def momentum_range_spread(
    species: str, energy: float, momentum_spread: float, medium: Medium = WATER
) -> float:
    """Compute the spread of the range [g/cm2] of a beam from its relative spread of momentum."""
    gamma = 1.0 + energy / ATOMIC_MASS_MEV
    energy_spread = energy * (gamma + 1.0) / gamma * momentum_spread
    return float(species_of(species).mass * energy_spread / slowing(species, np.array([energy]), medium)[0])


def scattering_power(ion: Species, energy: Floats, entrance_energy: float, medium: Medium = WATER) -> Floats:
    """Compute the differential Moliere scattering power.

    Parameters
    ----------
    energy : (...) [MeV/u]
        Where the ion is.
    entrance_energy : float [MeV/u]
        Where it came from: the single-scattering correction depends on both.

    Returns
    -------
    (...) float64 [rad2 cm2/g]

    Notes
    -----
    Gottschalk, Med. Phys. 37 (2010) 352, with pv / z in place of the proton's pv in the correction.
    """
    momentum_speed = _momentum_speed(ion, energy)
    start = _momentum_speed(ion, np.array(entrance_energy))
    lost = np.log10(np.clip(1.0 - (momentum_speed / start) ** 2, 1e-4, 1.0))
    log_speed = np.log10(momentum_speed / ion.charge)
    correction = 0.5244 + 0.1975 * lost + 0.2320 * log_speed - 0.0098 * log_speed * lost
    # the published fit ends near the end of the range; it stays positive here
    correction = np.clip(correction, 0.1, 1.2)
    return np.asarray(correction * (15.0 * ion.charge / momentum_speed) ** 2 / medium.scattering_length)


def fermi_eyges_moments(
    power: Floats, step: float, *, gap_step: int = 0, gap: float = 0.0
) -> tuple[Floats, Floats, Floats]:
    """Integrate the scattering power along the depth.

    Parameters
    ----------
    power : (depth,) [rad2 cm2/g]
        Scattering power in every step.
    step : float [g/cm2]
    gap_step, gap : int, float [g/cm2]
        In front of this step the beam drifts this far without scattering.

    Returns
    -------
    position, covariance, angle : (depth,) float64 [(g/cm2)2], [rad g/cm2], [rad2]
        Projected variances in the middle of every step, for a beam of no width at depth zero.
    """
    index = np.arange(power.size)
    middle = (index + 0.5) * step + np.where(index >= gap_step, gap, 0.0)
    whole = [np.cumsum(power * middle**order) * step for order in range(3)]
    zeroth, first, second = (total - 0.5 * power * middle**order * step for order, total in enumerate(whole))
    position = np.maximum(middle**2 * zeroth - 2.0 * middle * first + second, 0.0)
    return position, middle * zeroth - first, zeroth


def _momentum_speed(ion: Species, energy: Floats) -> Floats:
    """Compute momentum times speed [MeV]."""
    beta2, gamma, _ = relativistic(energy, ATOMIC_MASS_MEV)
    return ion.mass * ATOMIC_MASS_MEV * gamma * beta2
