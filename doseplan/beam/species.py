"""The ions that are known: charge, mass number, mass."""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.messages import InputError

ELEMENTS = ("H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne")
"""Symbols by charge, 1 to 10."""

MASSES = {
    "1H": 1.007_276,
    "2H": 2.013_553,
    "3H": 3.015_501,
    "3He": 3.014_932,
    "4He": 4.001_506,
    "6Li": 6.015_123,
    "7Li": 7.016_003,
    "7Be": 7.016_929,
    "9Be": 9.012_183,
    "10Be": 10.013_535,
    "10B": 10.012_937,
    "11B": 11.009_305,
    "10C": 10.016_853,
    "11C": 11.011_433,
    "12C": 12.0,
}
"""[u] AME 2020. Of the nucleus for hydrogen and helium, of the atom from lithium on: the two differ by 0.03 %
there, and ICRU 90 tabulates 12C by T / 12. An ion that is not listed weighs its mass number."""

TRANSPORTED = (
    "12C", "11C", "10C", "11B", "10B", "10Be", "9Be", "7Be", "7Li", "6Li", "4He", "3He", "3H", "2H", "1H",
)  # fmt: skip
"""The species that a transport knows, heavy ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """One ion. `mass` [u]; total kinetic energy is `mass` times the energy in MeV/u."""

    name: str
    charge: int
    mass_number: int
    mass: float


@lru_cache(maxsize=64)
def species_of(name: str) -> Species:
    """Read an ion's name, such as "12C"; bare ions from hydrogen to neon.

    Raises
    ------
    InputError
        The name is not a mass number and an element symbol, or the nucleus makes no sense.
    """
    match = re.fullmatch(r"(\d{1,2})([A-Z][a-z]?)", name)
    if match is None or match[2] not in ELEMENTS:
        raise InputError(
            f"species: expected a name such as 12C, 4He or 1H, up to {ELEMENTS[-1]}, got {name!r}"
        )
    charge, mass_number = ELEMENTS.index(match[2]) + 1, int(match[1])
    if not charge <= mass_number <= 3 * charge:
        raise InputError(f"species: expected a mass number from {charge} to {3 * charge}, got {name!r}")
    return Species(
        name=name, charge=charge, mass_number=mass_number, mass=MASSES.get(name, float(mass_number))
    )


def checked_energy(energy: ArrayLike) -> NDArray[np.float64]:
    """Return energies [MeV/u] as float64 if all of them are positive and finite.

    Raises
    ------
    InputError
        Some energy is not.
    """
    values = np.asarray(energy, dtype=np.float64)
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        first = values[bad].flat[0] if values.ndim else values
        raise InputError(f"energy: expected 0 < energy < infinity MeV/u, got {float(first)}")
    return values


def relativistic(energy: NDArray[np.float64], unit_mev: float) -> tuple[NDArray[np.float64], ...]:
    """Compute beta2, gamma and beta gamma from the energy [MeV/u]; `unit_mev` is the atomic mass unit."""
    gamma = 1.0 + energy / unit_mev
    beta_gamma = np.sqrt(gamma * gamma - 1.0)
    return (beta_gamma / gamma) ** 2, gamma, beta_gamma
