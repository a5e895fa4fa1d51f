"""Tissues: density, CT number and stopping power relative to water."""

import csv
import math
from dataclasses import dataclass
from importlib import resources

from doseplan.constants import ATOMIC_MASS_MEV, ELECTRON_MASS_MEV

TISSUE_WATER_I_EV = 75.3
"""[eV] water by the elements' values (ICRU 37) that the tissues' mean excitation energies are built from.

Tissue and water must follow one convention; 78 eV is for absolute ranges in water.
"""

REFERENCE_ENERGY = 300.0
"""[MeV/u] energy at which the ratio is taken; it changes by < 0.5 % down to 100 MeV/u in tissue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A tissue."""

    name: str
    density: float
    hu: float
    rsp: float


def materials() -> dict[str, Material]:
    """Read the tissues of data/materials.csv: its materials that have a CT number."""
    text = (resources.files("doseplan.data") / "materials.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        row["name"]: Material(
            name=row["name"],
            density=float(row["density_g_cm3"]),
            hu=float(row["hu"]),
            rsp=stopping_power_ratio(float(row["electron_density"]), float(row["mean_excitation_ev"])),
        )
        for row in rows
        if row["hu"]
    }


def stopping_power_ratio(electron_density: float, mean_excitation_ev: float) -> float:
    """Compute the stopping power relative to water by the ratio of Bethe's stopping numbers.

    Parameters
    ----------
    electron_density : relative to water of 1 g/cm3
    mean_excitation_ev : [eV], Bragg additivity

    Notes
    -----
    `rho_e L(I) / L(75.3 eV)` with `L = ln(2 m_e c^2 beta^2 gamma^2 / I) - beta^2`; shell, Barkas and Bloch
    terms nearly cancel in the ratio. A stopping power ratio of water is 1 at 1 g/cm3.
    """
    gamma = 1.0 + REFERENCE_ENERGY / ATOMIC_MASS_MEV
    beta_squared = 1.0 - 1.0 / gamma**2
    scale = 2.0 * ELECTRON_MASS_MEV * 1e6 * beta_squared * gamma**2
    number = math.log(scale / mean_excitation_ev) - beta_squared
    return electron_density * number / (math.log(scale / TISSUE_WATER_I_EV) - beta_squared)
