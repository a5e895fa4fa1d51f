"""Nuclear reaction cross sections of the ions of a carbon beam."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.beam.medium import WATER, Medium
from doseplan.beam.species import Species, checked_energy, species_of
from doseplan.constants import ATOMIC_MASS_MEV
from doseplan.messages import InputError

Floats = NDArray[np.float64]

TARGETS = {
    "H": (1, 1), "He": (2, 4), "Li": (3, 7), "Be": (4, 9), "B": (5, 11), "C": (6, 12), "N": (7, 14),
    "O": (8, 16), "Na": (11, 23), "Mg": (12, 24), "Al": (13, 27), "P": (15, 31), "S": (16, 32),
    "Cl": (17, 35), "Ar": (18, 40), "K": (19, 39), "Ca": (20, 40), "Ti": (22, 48), "V": (23, 51),
    "Cr": (24, 52), "Fe": (26, 56), "Co": (27, 59), "Zr": (40, 90), "Mo": (42, 98),
}  # fmt: skip
"""Charge and mass number of the most abundant isotope."""

RMS_RADIUS = {
    (1, 1): 0.85, (1, 2): 2.10, (1, 3): 1.98, (2, 3): 1.98, (2, 4): 1.67, (3, 7): 2.50, (4, 9): 2.50,
    (5, 11): 2.37, (6, 12): 2.47, (7, 14): 2.54, (8, 16): 2.73,
}  # fmt: skip
"""[fm] root mean square nuclear radii, as in Geant4 10.3 [from memory]; others 0.84 A^(1/3) + 0.55."""

CALIBRATION_ENERGY = (32.0, 40.0, 56.0, 70.0, 86.0, 118.0, 140.0, 157.0, 195.0, 250.0, 275.0, 325.0)
CALIBRATION_FACTOR = (0.955, 0.963, 0.977, 0.999, 1.011, 0.995, 0.968, 0.938, 0.918, 0.910, 0.904, 0.896)
"""Measured 12C + 12C (Takechi et al., PRC 79 (2009) 061601) over Tripathi's formula; [MeV/u] and [1]."""

HYDROGEN_INELASTIC = 0.90
"""[1] part of the 12C + H reactions that does not leave 12C in the beam [computed, reference section C2]."""

CHARGE_CHANGING_SHARE = 0.90
"""[1] part of the 12C reactions that changes the charge; the rest removes neutrons [section C3]."""

LIGHT_ION_FACTOR = 0.86
"""[1] 4He on 12C and 16O (Horst et al., PRC 99 (2019) 014603) over the geometric scaling of 12C; also used
for the other ions of A = 2 and 3 [assumed]."""

HELIUM_CHARGE_CHANGING_SHARE = 0.75
"""[1] the rest turns 4He into 3He."""

CM2_PER_MILLIBARN = 1e-27

WATER_ATOMS = (("H", 2.0), ("O", 1.0))
KINDS = ("reaction", "charge_changing")


def reaction_cross_section(
    species: str, energy: ArrayLike, target: str, kind: str = "reaction"
) -> NDArray[np.float64]:
    """Compute the cross section of an ion on an element, or on a molecule of water.

    Parameters
    ----------
    species : str
        Ion of the projectile, up to 12C.
    energy : (...) [MeV/u]
    target : str
        Element symbol, or "water".
    kind : str
        "reaction": the ion is lost. "charge_changing": it turns into another element.

    Returns
    -------
    (...) float64 [mb]

    Raises
    ------
    InputError
        Unknown ion, target or kind, or an energy that is not positive and finite.

    Notes
    -----
    12C on nuclei: Tripathi's formula (NASA TP-3621, 1997) times a calibration to the 12C + 12C data of
    Takechi; 12C on hydrogen and protons on nuclei: Tripathi with D = 2.05. Other ions: 12C scaled by
    the squared sum of the radii A^(1/3), on hydrogen by A^0.7.
    """
    ion, values = species_of(species), checked_energy(energy)
    if ion.mass_number > 12:
        raise InputError(f"species: expected an ion up to 12C, got {species!r}")
    if kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if target == "water":
        total = sum(
            (count * _on_element(ion, values, name) for name, count in WATER_ATOMS), np.zeros_like(values)
        )
    elif target in TARGETS:
        total = _on_element(ion, values, target)
    else:
        raise InputError(f"target: expected water or one of {', '.join(TARGETS)}, got {target!r}")
    return total * (1.0 if kind == "reaction" else charge_changing_share(ion))


def charge_changing_share(ion: Species) -> float:
    """Look up which part of the reactions of an ion changes its charge."""
    if ion.charge == 1:
        return 0.0 if ion.mass_number == 1 else 1.0
    if ion.mass_number == 4:
        return HELIUM_CHARGE_CHANGING_SHARE
    return CHARGE_CHANGING_SHARE if ion.charge == 6 else 1.0


def interaction_coefficient(species: str, energy: Floats, medium: Medium = WATER) -> Floats:
    """Compute the reactions per mass thickness [cm2/g]: atoms per gram times cross section, summed.

    Raises
    ------
    InputError
        An element whose cross section is not known, or an ion beyond 12C.
    """
    inside = np.maximum(energy, 1e-3)
    total = np.zeros_like(inside)
    for symbol, atoms in medium.atoms:
        total += atoms * CM2_PER_MILLIBARN * reaction_cross_section(species, inside, symbol)
    return total


def _on_element(ion: Species, energy: Floats, target: str) -> Floats:
    """Cross section [mb] on one element."""
    number, mass = TARGETS[target]
    if ion.mass_number == 1:
        return _tripathi((1, 1), (number, mass), energy, transparency=2.05)
    if number == 1:
        carbon = HYDROGEN_INELASTIC * _tripathi((1, 1), (6, 12), energy, transparency=2.05)
        return np.asarray(carbon * (ion.mass_number / 12.0) ** 0.7)
    calibration = np.interp(energy, CALIBRATION_ENERGY, CALIBRATION_FACTOR)
    carbon = calibration * _tripathi((6, 12), (number, mass), energy, transparency=1.75)
    radii = (np.cbrt(ion.mass_number) + np.cbrt(mass)) / (np.cbrt(12.0) + np.cbrt(mass))
    return np.asarray(carbon * radii**2 * (LIGHT_ION_FACTOR if ion.mass_number <= 4 else 1.0))


def _radius(nucleus: tuple[int, int]) -> float:
    return 1.29 * RMS_RADIUS.get(nucleus, 0.84 * float(np.cbrt(nucleus[1])) + 0.55)


def _tripathi(
    projectile: tuple[int, int], target: tuple[int, int], energy: Floats, *, transparency: float
) -> Floats:
    """Compute Tripathi's reaction cross section [mb]; nuclei as (Z, A)."""
    (zp, ap), (zt, at) = projectile, target
    a, b = float(ap) ** (1.0 / 3.0), float(at) ** (1.0 / 3.0)
    mass_p, mass_t = ap * ATOMIC_MASS_MEV, at * ATOMIC_MASS_MEV
    total = ap * energy + mass_p
    centre = np.sqrt(mass_p**2 + mass_t**2 + 2.0 * mass_t * total) - mass_p - mass_t
    overlap = a * b / (a + b)
    medium = transparency * -np.expm1(-energy / 40.0)
    medium -= 0.292 * np.exp(-energy / 792.0) * np.cos(0.229 * energy**0.453)
    growth = 1.85 * overlap + 0.16 * overlap / np.cbrt(centre) - medium
    growth += 0.91 * (at - 2 * zt) * zp / (at * ap)
    distance = _radius(projectile) + _radius(target) + 1.2 * (a + b) / np.cbrt(centre)
    barrier = 1.44 * zp * zt / distance
    area = 10.0 * np.pi * 1.1**2 * (a + b + growth) ** 2
    return np.asarray(area * np.maximum(1.0 - barrier / centre, 0.0))
