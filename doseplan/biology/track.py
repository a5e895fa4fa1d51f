"""Dose around the path of one ion: the Kiefer-Chatterjee amorphous track, and its mean in a cylinder."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.constants import ATOMIC_MASS_MEV, KEV_PER_UM_TO_GRAY_UM2
from doseplan.messages import InputError

Array = NDArray[np.float64]

CORE_RADIUS_UM = 0.0116
"""[um] core radius over v/c: Chatterjee and Schaefer, Radiat. Environ. Biophys. 13 (1976) 215."""

PENUMBRA_RADIUS_UM = 0.0616
"""[um] penumbra radius at 1 MeV/u: Kiefer and Straaten, Phys. Med. Biol. 31 (1986) 1201."""

PENUMBRA_POWER = 1.7
"""[1] power of energy per nucleon in the penumbra radius, the same source."""

PENUMBRA_DOSE = 1.25e-4
"""[Gy um2] penumbra dose times radius squared over (effective charge / (v/c)) squared, the same source."""

BARKAS = 125.0
"""[1] screening constant of the effective charge: Barkas, Nuclear Research Emulsions (1963)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Radial dose of ions, one element per ion: constant in the core, falling as 1/r^2 in the penumbra."""

    core_radius: Array
    """(ion,) [um]."""
    penumbra_radius: Array
    """(ion,) [um]."""
    core_dose: Array
    """(ion,) [Gy]."""
    penumbra_dose: Array
    """(ion,) [Gy um2] dose times radius squared."""


def tracks(charge: int, energy: Array, let: Array) -> Tracks:
    """Compute the tracks of ions of one element in water of 1 g/cm3.

    Parameters
    ----------
    charge
        Atomic number.
    energy : (ion,) float64 [MeV/u]
    let : (ion,) float64 [keV/um]

    Notes
    -----
    Core and penumbra share the LET so that the track deposits all of it. Kase et al., Phys. Med. Biol. 53
    (2008) 37, doi:10.1088/0031-9155/53/1/003, gives the combined form.
    """
    gamma = 1.0 + energy / ATOMIC_MASS_MEV
    beta = np.sqrt(energy / ATOMIC_MASS_MEV * (gamma + 1.0)) / gamma
    core = CORE_RADIUS_UM * beta
    penumbra = np.maximum(PENUMBRA_RADIUS_UM * energy**PENUMBRA_POWER, core)
    effective = charge * -np.expm1(-BARKAS * beta * charge ** (-2.0 / 3.0))
    falling = PENUMBRA_DOSE * (effective / beta) ** 2
    spent = 2.0 * np.pi * falling * np.log(penumbra / core)
    left = KEV_PER_UM_TO_GRAY_UM2 * let - spent
    if (left < 0.0).any():
        worst = int(np.argmin(left))
        raise InputError(
            f"let: expected at least {spent[worst] / KEV_PER_UM_TO_GRAY_UM2:.4g} keV/um, what the penumbra "
            f"of charge {charge} at {energy[worst]:g} MeV/u takes, got {let[worst]:g}"
        )
    return Tracks(
        core_radius=core,
        penumbra_radius=penumbra,
        core_dose=left / (np.pi * core**2),
        penumbra_dose=falling,
    )


def cylinder_dose(track: Tracks, impact: Array, *, radius_um: float, nodes: int = 16) -> Array:
    """Compute the mean dose in a cylinder whose axis is parallel to the track.

    Parameters
    ----------
    track
        Of `ion` ions.
    impact : (ion, distance) float64 [um]
        Distances between the track and the axis of the cylinder.
    radius_um
        Radius of the cylinder.
    nodes
        Points of the radial quadrature.

    Returns
    -------
    (ion, distance) float64 [Gy]

    Notes
    -----
    Circles around the track of radius r < radius - impact lie wholly inside: that part is a logarithm. The
    core's part is the overlap of two discs. The rest is the integral of the arc's half angle over ln r; half
    cosine nodes between |impact - radius| and impact + radius take out the square roots at both ends.
    """
    core, penumbra = track.core_radius[:, None], track.penumbra_radius[:, None]
    whole = np.log(np.clip(radius_um - impact, core, penumbra) / core)
    partial = _arc_integral(impact, core, penumbra, radius_um, nodes)
    ring = 2.0 * track.penumbra_dose[:, None] * (np.pi * whole + partial)
    disc = track.core_dose[:, None] * _overlap(impact, core, radius_um)
    dose: Array = (ring + disc) / (np.pi * radius_um**2)
    return dose


def _arc_integral(impact: Array, core: Array, penumbra: Array, radius: float, nodes: int) -> Array:
    """Integrate over ln r the half angle of the arcs that are partly inside the cylinder."""
    near = np.abs(impact - radius)
    far = impact + radius
    low, high = np.log(np.maximum(near, 1e-6 * core)), np.log(far)
    middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-300)
    first = np.log(np.clip(near, core, penumbra))
    last = np.log(np.clip(far, core, penumbra))
    start = np.arccos(np.clip((middle - first) / half, -1.0, 1.0))
    width = np.arccos(np.clip((middle - last) / half, -1.0, 1.0)) - start
    total = np.zeros_like(impact)
    for node, share in zip(*np.polynomial.legendre.leggauss(nodes), strict=True):
        phase = start + 0.5 * (node + 1.0) * width
        r = np.exp(middle - half * np.cos(phase))
        cosine = (r * r + (impact - radius) * far) / np.maximum(2.0 * r * impact, 1e-300)
        total += share * np.arccos(np.clip(cosine, -1.0, 1.0)) * np.sin(phase)
    integral: Array = 0.5 * total * half * width
    return integral


def _overlap(impact: Array, core: Array, radius: float) -> Array:
    """Compute the area [um2] that two discs share."""
    small, large = np.minimum(core, radius), np.maximum(core, radius)
    clipped = np.clip(impact, large - small, large + small)
    along = (clipped**2 + small**2 - large**2) / (2.0 * clipped)
    beyond = clipped - along
    chord = np.sqrt(np.maximum(small**2 - along**2, 0.0))
    angles = small**2 * np.arccos(np.clip(along / small, -1.0, 1.0)) + large**2 * np.arcsin(
        np.clip(chord / large, 0.0, 1.0)
    )
    lens: Array = angles - (along * chord + beyond * chord)
    return lens
