"""What a beam crosses: density, composition and mean excitation energy."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from math import log

from doseplan.constants import AVOGADRO, WATER_DENSITY, WATER_I_VALUE_EV
from doseplan.messages import InputError

ATOMS = {
    "H": (1, 1.008), "He": (2, 4.0026), "Li": (3, 6.94), "Be": (4, 9.0122), "B": (5, 10.81),
    "C": (6, 12.011), "N": (7, 14.007), "O": (8, 15.999), "F": (9, 18.998), "Ne": (10, 20.180),
    "Na": (11, 22.990), "Mg": (12, 24.305), "Al": (13, 26.982), "Si": (14, 28.085), "P": (15, 30.974),
    "S": (16, 32.06), "Cl": (17, 35.45), "Ar": (18, 39.948), "K": (19, 39.098), "Ca": (20, 40.078),
    "Ti": (22, 47.867), "V": (23, 50.942), "Cr": (24, 51.996), "Mn": (25, 54.938), "Fe": (26, 55.845),
    "Co": (27, 58.933), "Ni": (28, 58.693), "Cu": (29, 63.546), "Zr": (40, 91.224), "Mo": (42, 95.95),
}  # fmt: skip
"""Charge number and atomic weight [g/mol], IUPAC 2021."""

SCATTERING_FACTOR, SCATTERING_ARGUMENT = 0.000_348_96, 33_219.0
"""[cm2/g] 1/X_S = factor Z2 (2 ln(argument (A Z)^(-1/3)) - 1) / A; Gottschalk, Med. Phys. 37 (2010) 352."""

I_VALUES = (10.0, 900.0)
"""[eV] mean excitation energies that are accepted: less than hydrogen's to more than uranium's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A homogeneous material.

    Attributes
    ----------
    density : [g/cm3]
    i_value_ev : [eV]
        Mean excitation energy.
    composition
        Element symbols with their shares of the mass; the shares are made to add up to one.
    """

    name: str
    density: float
    i_value_ev: float
    composition: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        """Check everything and make the shares add up to one."""
        lines = []
        if not 1e-5 <= self.density <= 25.0:
            lines.append(f"density: expected 1e-05 <= density <= 25 g/cm3, got {self.density:g}")
        low, high = I_VALUES
        if not low <= self.i_value_ev <= high:
            lines.append(f"i_value_ev: expected {low:g} <= i_value_ev <= {high:g}, got {self.i_value_ev}")
        unknown = [symbol for symbol, _ in self.composition if symbol not in ATOMS]
        if unknown:
            lines.append(f"composition: expected elements of {', '.join(ATOMS)}, got {', '.join(unknown)}")
        total = sum(share for _, share in self.composition)
        if not (total > 0.0 and all(share >= 0.0 for _, share in self.composition)):
            lines.append(f"composition: expected shares of mass above 0, got {dict(self.composition)}")
        if lines:
            raise InputError(*lines)
        shares = tuple((symbol, share / total) for symbol, share in self.composition if share > 0.0)
        object.__setattr__(self, "composition", shares)

    @property
    def z_over_a(self) -> float:
        """Electrons per mass [mol/g]."""
        return sum(share * ATOMS[symbol][0] / ATOMS[symbol][1] for symbol, share in self.composition)

    @property
    def electron_shares(self) -> tuple[tuple[float, float], ...]:
        """Share of the electrons and charge number of each element."""
        total = self.z_over_a
        return tuple(
            (share * ATOMS[symbol][0] / ATOMS[symbol][1] / total, float(ATOMS[symbol][0]))
            for symbol, share in self.composition
        )

    @property
    def atoms(self) -> tuple[tuple[str, float], ...]:
        """Element symbols with atoms per mass [1/g]."""
        return tuple((symbol, share * AVOGADRO / ATOMS[symbol][1]) for symbol, share in self.composition)

    @property
    def scattering_length(self) -> float:
        """Mass that one unit of scattering takes [g/cm2]."""
        inverse = 0.0
        for symbol, share in self.composition:
            number, weight = ATOMS[symbol]
            logarithm = log(SCATTERING_ARGUMENT / (weight * number) ** (1.0 / 3.0))
            inverse += share * SCATTERING_FACTOR * number**2 * (2.0 * logarithm - 1.0) / weight
        return 1.0 / inverse


WATER = Medium(
    name="water",
    density=WATER_DENSITY,
    i_value_ev=WATER_I_VALUE_EV,
    composition=(("H", 2.0 * ATOMS["H"][1]), ("O", ATOMS["O"][1])),
)
"""Liquid water at 20 C."""


@lru_cache(maxsize=1)
def media() -> Mapping[str, Medium]:
    """Read the materials of data/materials.csv; water has the density of 20 C, 0.998 g/cm3."""
    text = (resources.files("doseplan.data") / "materials.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    found = {
        row["name"]: Medium(
            name=row["name"],
            density=float(row["density_g_cm3"]),
            i_value_ev=float(row["i_value_ev"]),
            composition=tuple(
                (key[2:], float(value)) for key, value in row.items() if key.startswith("w_") and float(value)
            ),
        )
        for row in rows
    }
    return {**found, "water": WATER}


def medium_of(material: str | Medium, i_value_ev: float | None = None) -> Medium:
    """Look up a material by name; a `Medium` is taken as it is. An I-value [eV] replaces its own.

    Raises
    ------
    InputError
        Unknown name, or an I-value that no material has.
    """
    if isinstance(material, str) and material not in media():
        raise InputError(f"material: expected one of {', '.join(media())}, got {material!r}")
    medium = media()[material] if isinstance(material, str) else material
    return medium if i_value_ev is None else replace(medium, i_value_ev=float(i_value_ev))
