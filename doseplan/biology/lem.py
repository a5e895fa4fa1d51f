"""Local effect model I in the low-dose approximation: LQ coefficients of one ion for a tissue."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doseplan.beam import stopping_power
from doseplan.biology.mkm import charge_of
from doseplan.constants import KEV_PER_UM_TO_GRAY_UM2
from doseplan.messages import InputError

Array = NDArray[np.float64]
Approximation = Literal["kraemer", "russo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LemTissue:
    """Photon response and track of one tissue.

    Photon effect: alpha_x D + beta_x D^2 up to the transition dose, straight on above.
    """

    name: str
    alpha_x: float
    """[1/Gy]"""
    beta_x: float
    """[1/Gy2]"""
    transition_dose_gy: float
    nucleus_radius_um: float
    core_radius_um: float = 0.01
    penumbra_radius_um: float = 0.062
    """[um] at 1 MeV/u, as the Survival code has it; 0.05 in Scholz and Kraft 1996."""
    penumbra_power: float = 1.7

    @property
    def slope(self) -> float:
        """Effect per dose above the transition dose [1/Gy]."""
        return self.alpha_x + 2.0 * self.beta_x * self.transition_dose_gy

    @property
    def transition_effect(self) -> float:
        """Effect at the transition dose."""
        return (self.alpha_x + self.beta_x * self.transition_dose_gy) * self.transition_dose_gy


@lru_cache(maxsize=1)
def tissues() -> Mapping[str, LemTissue]:
    """Read the tissues of data/lem_tissues.csv."""
    text = (resources.files("doseplan.data") / "lem_tissues.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    names = ("alpha_x", "beta_x", "transition_dose_gy", "nucleus_radius_um")
    return {
        row["name"]: LemTissue(name=row["name"], **{name: float(row[name]) for name in names}) for row in rows
    }


def tissue_of(tissue: str | LemTissue) -> LemTissue:
    """Look up a tissue by name.

    Raises
    ------
    InputError
        Unknown name.
    """
    if isinstance(tissue, LemTissue):
        return tissue
    if tissue not in tissues():
        raise InputError(f"tissue: expected one of {', '.join(tissues())}, got {tissue!r}")
    return tissues()[tissue]


def alpha_beta(
    species: str,
    energy: ArrayLike,
    *,
    tissue: str | LemTissue = "CNS",
    let: ArrayLike | None = None,
    lda: Approximation = "kraemer",
) -> tuple[Array, Array]:
    """Compute the LQ coefficients of one ion.

    Parameters
    ----------
    species
        "1H", "4He", "12C", ...; only the element matters.
    energy : any shape [MeV/u]
    tissue
        Name in data/lem_tissues.csv, or parameters.
    let : as energy [keV/um]
        LET in water of 1 g/cm3; by default from `doseplan.beam.stopping_power`.
    lda
        "kraemer": Kraemer and Scholz 2006, as clinical tables have it; dose outside the nucleus is dropped,
        so that fast light ions may come out below photons. "russo": that dose counts like photons.

    Returns
    -------
    alpha, beta : float64 [1/Gy], [1/Gy2]
        Arrays of the common shape of energy and let, 0-dimensional for scalars.

    Raises
    ------
    InputError
        Unknown species, tissue or approximation; energy or LET not above 0.

    Notes
    -----
    One particle through the middle of the nucleus: effect N1 and dose d1 give alpha_z = N1 / d1 and
    beta_z = max(0, (slope - alpha_z) / (2 D_t)); alpha = (1 - exp(-alpha_z d1)) / d1 and
    beta = (alpha / alpha_z)^2 beta_z. Kraemer and Scholz, Phys. Med. Biol. 51 (2006) 1959. The integral of
    the photon effect over a dose falling with 1/r^2 is taken in closed form.
    """
    charge_of(species)
    if lda not in ("kraemer", "russo"):
        raise InputError(f"lda: expected kraemer or russo, got {lda!r}")
    known = tissue_of(tissue)
    energies = _positive("energy", energy, "MeV/u")
    lets = 0.1 * stopping_power(species, energies) if let is None else _positive("let", let, "keV/um")
    energies, lets = np.broadcast_arrays(energies, lets)
    nucleus = known.nucleus_radius_um
    one_dose = KEV_PER_UM_TO_GRAY_UM2 * lets / (np.pi * nucleus**2)
    effect, inside = _single_particle(known, energies, lets)
    first = effect / one_dose + (known.alpha_x * (1.0 - inside) if lda == "russo" else 0.0)
    curved = np.maximum((known.slope - first) / (2.0 * known.transition_dose_gy), 0.0)
    alpha = -np.expm1(-first * one_dose) / one_dose
    return np.asarray(alpha), np.asarray((alpha / first) ** 2 * curved)


def _positive(name: str, stated: ArrayLike, unit: str) -> Array:
    values = np.asarray(stated, dtype=np.float64)
    wrong = ~(np.isfinite(values) & (values > 0.0))
    if wrong.any():
        raise InputError(f"{name}: expected finite values above 0 {unit}, got {values[wrong].flat[0]:g}")
    return values


def _single_particle(tissue: LemTissue, energy: Array, let: Array) -> tuple[Array, Array]:
    """Compute the effect of one particle in the nucleus, and the part of its dose that stays inside."""
    core = tissue.core_radius_um
    rim = np.maximum(tissue.penumbra_radius_um * energy**tissue.penumbra_power, core)
    share = 2.0 * np.pi * (0.5 + np.log(rim / core))
    falling = KEV_PER_UM_TO_GRAY_UM2 * let / share  # [Gy um2] dose times radius squared
    end = np.minimum(rim, tissue.nucleus_radius_um)
    # inside this radius the dose is above the transition
    straight = np.clip(np.sqrt(falling / tissue.transition_dose_gy), core, end)
    offset = tissue.transition_effect - tissue.slope * tissue.transition_dose_gy
    total = 0.5 * core**2 * _photon_effect(tissue, falling / core**2)
    total += 0.5 * offset * (straight**2 - core**2) + tissue.slope * falling * np.log(straight / core)
    total += tissue.alpha_x * falling * np.log(end / straight)
    total += 0.5 * tissue.beta_x * falling**2 * (straight**-2 - end**-2)
    inside = 2.0 * np.pi * (0.5 + np.log(end / core)) / share
    return 2.0 / tissue.nucleus_radius_um**2 * total, inside


def _photon_effect(tissue: LemTissue, dose: Array) -> Array:
    curved = (tissue.alpha_x + tissue.beta_x * dose) * dose
    beyond = tissue.transition_effect + tissue.slope * (dose - tissue.transition_dose_gy)
    return np.where(dose <= tissue.transition_dose_gy, curved, beyond)
