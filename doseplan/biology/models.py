"""RBE models behind one interface: two additive channels in, RBE-weighted dose out.

Every model reads the same thing from a mixed field: a channel `linear` and a channel `root`, both sums over
beams, species and energies and over the whole course. The effect of one of n equal fractions is
linear / n + (root / n)^2, convex in the weights of the beams; the dose is a rising function of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from doseplan.beam.species import species_of
from doseplan.biology import lem, mkm
from doseplan.biology.lem import LemTissue, tissue_of
from doseplan.biology.mkm import HSG
from doseplan.biology.nirs import ALPHA_REFERENCE, ASSUMPTIONS, CLINICAL_FACTOR, RBE_MODEL
from doseplan.messages import InputError

Array = NDArray[np.float64]
Attributes = dict[str, str | int]

ELEMENT = {1: "1H", 2: "4He", 3: "7Li", 4: "9Be", 5: "11B", 6: "12C"}
"""The ion that stands for all isotopes of an element at equal energy per nucleon."""

DEFAULT_TISSUE = tissue_of("CNS")

TABLE_ENERGIES = (0.01, 1200.0)
"""[MeV/u] ends of the tables; the nearest value holds beyond."""


class RbeModel(Protocol):
    """What planning and evaluation need of a model."""

    @property
    def scale(self) -> str:
        """Name of the dose scale; doses of different scales never mix."""

    @property
    def rbe_model(self) -> str:
        """The model with its parameters, for people."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Lines for the report."""

    def linear_factor(self, species: str, energy: Array) -> Array:
        """Compute the linear channel per absorbed dose [1/Gy] of one ion [MeV/u]."""

    def root_factor(self, species: str, energy: Array) -> Array:
        """Compute the root channel per absorbed dose [1/Gy] of one ion [MeV/u]."""

    def dose(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> Array:
        """Compute the total RBE-weighted dose [Gy(RBE)] from the totals of both channels."""

    def gradient(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> tuple[Array, Array]:
        """Compute the derivatives of `dose` with respect to both channels."""

    def effect_limit(self, total: ArrayLike, *, fractions: int) -> Array:
        """Compute the effect per fraction at which `dose` reaches a total [Gy(RBE)]."""

    def attributes(self, fractions: int) -> Attributes:
        """Give the attributes that every dose of this model carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NirsMkm:
    """Clinical dose of the Japanese scanned beams; see `doseplan.biology.nirs` for constants and sources."""

    scale: str = "NIRS"
    rbe_model: str = RBE_MODEL
    assumptions: tuple[str, ...] = ASSUMPTIONS

    def linear_factor(self, species: str, energy: Array) -> Array:
        """Compute alpha0 + beta z*."""
        return HSG.alpha0 + HSG.beta * z_star_factor(species, energy)

    def root_factor(self, species: str, energy: Array) -> Array:
        """Give the square root of beta, the same for every ion."""
        return np.full_like(energy, np.sqrt(HSG.beta))

    def dose(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> Array:
        """Compute 2.41 times the dose of the reference beam with the same effect."""
        effect = effect_per_fraction(linear, root, fractions=fractions)
        # twice the effect over (alpha_r + root), not (root - alpha_r): no cancellation at small doses
        return np.asarray(fractions * CLINICAL_FACTOR * 2.0 * effect / (ALPHA_REFERENCE + _nirs_root(effect)))

    def gradient(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> tuple[Array, Array]:
        """Compute F / root, and that times twice the root channel per fraction."""
        by_effect = CLINICAL_FACTOR / _nirs_root(effect_per_fraction(linear, root, fractions=fractions))
        return by_effect, by_effect * 2.0 * np.asarray(root, dtype=np.float64) / fractions

    def effect_limit(self, total: ArrayLike, *, fractions: int) -> Array:
        """Compute alpha_r D + beta D^2 of the reference beam's dose."""
        reference = _checked("total", total) / (_whole(fractions) * CLINICAL_FACTOR)
        return np.asarray((ALPHA_REFERENCE + HSG.beta * reference) * reference)

    def attributes(self, fractions: int) -> Attributes:
        """Give model, scale and fractions."""
        return _attributes(self, fractions)


@dataclass(frozen=True, slots=True, kw_only=True)
class LemOne:
    """Local effect model I; photon dose of equal effect in the same number of fractions.

    For absorbed doses per fraction below the tissue's transition dose (30 Gy for the default).
    """

    tissue: LemTissue = DEFAULT_TISSUE
    scale: str = "LEM1"

    @property
    def rbe_model(self) -> str:
        """Name the tissue."""
        return f"LEM I, low-dose approximation ({self.tissue.name}, alpha/beta {self._ratio:g} Gy)"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Name what the scale rests on."""
        tissue = self.tissue
        return (
            f"LEM I: {tissue.name} with alpha_x {tissue.alpha_x:g} 1/Gy, beta_x {tissue.beta_x:g} 1/Gy2, "
            f"transition at {tissue.transition_dose_gy:g} Gy, nucleus of {tissue.nucleus_radius_um:g} um; "
            "low-dose approximation of Kraemer and Scholz; one tissue serves cord and tumour",
        )

    def linear_factor(self, species: str, energy: Array) -> Array:
        """Look up alpha."""
        return _lem_table(species_of(species).charge, self.tissue, energy)[0]

    def root_factor(self, species: str, energy: Array) -> Array:
        """Look up the square root of beta."""
        return _lem_table(species_of(species).charge, self.tissue, energy)[1]

    def dose(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> Array:
        """Invert the photon effect: linear-quadratic, straight above the transition dose."""
        tissue = self.tissue
        effect = effect_per_fraction(linear, root, fractions=fractions)
        curved = 2.0 * effect / (tissue.alpha_x + self._root(effect))
        beyond = tissue.transition_dose_gy + (effect - tissue.transition_effect) / tissue.slope
        return np.asarray(fractions * np.where(effect <= tissue.transition_effect, curved, beyond))

    def gradient(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> tuple[Array, Array]:
        """Compute one over the slope of the photon effect, and that times twice the root per fraction."""
        effect = effect_per_fraction(linear, root, fractions=fractions)
        by_effect = 1.0 / self._root(np.minimum(effect, self.tissue.transition_effect))
        return by_effect, by_effect * 2.0 * np.asarray(root, dtype=np.float64) / fractions

    def effect_limit(self, total: ArrayLike, *, fractions: int) -> Array:
        """Compute the photon effect of one fraction."""
        tissue = self.tissue
        dose = _checked("total", total) / _whole(fractions)
        beyond = tissue.transition_effect + tissue.slope * (dose - tissue.transition_dose_gy)
        curved = (tissue.alpha_x + tissue.beta_x * dose) * dose
        return np.where(dose <= tissue.transition_dose_gy, curved, beyond)

    def attributes(self, fractions: int) -> Attributes:
        """Give model, scale and fractions."""
        return _attributes(self, fractions)

    @property
    def _ratio(self) -> float:
        return self.tissue.alpha_x / self.tissue.beta_x

    def _root(self, effect: Array) -> Array:
        return np.asarray(np.sqrt(self.tissue.alpha_x**2 + 4.0 * self.tissue.beta_x * effect))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantRbe:
    """The absorbed dose times one number; the effect stands for its square, all of it in `root`."""

    rbe: float
    scale: str = "constant"
    assumptions: tuple[str, ...] = ("constant RBE: the same for every ion, energy and dose",)

    def __post_init__(self) -> None:
        """Refuse what is not a factor."""
        if not 0.1 <= self.rbe <= 10.0:
            raise InputError(f"rbe: expected 0.1 <= rbe <= 10, got {self.rbe}")

    @property
    def rbe_model(self) -> str:
        """Name the factor."""
        return f"constant RBE {self.rbe:g}"

    def linear_factor(self, species: str, energy: Array) -> Array:
        """Give zero."""
        return np.zeros_like(energy)

    def root_factor(self, species: str, energy: Array) -> Array:
        """Give the factor."""
        return np.full_like(energy, self.rbe)

    def dose(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> Array:
        """Give the root of the effect, which is the root channel itself where `linear` is zero."""
        return np.asarray(fractions * np.sqrt(effect_per_fraction(linear, root, fractions=fractions)))

    def gradient(self, linear: ArrayLike, root: ArrayLike, *, fractions: int) -> tuple[Array, Array]:
        """Compute the derivatives where `linear` is zero, as it always is."""
        values = np.asarray(root, dtype=np.float64)
        return np.zeros_like(values), np.ones_like(values)

    def effect_limit(self, total: ArrayLike, *, fractions: int) -> Array:
        """Square the dose per fraction."""
        return np.asarray((_checked("total", total) / _whole(fractions)) ** 2)

    def attributes(self, fractions: int) -> Attributes:
        """Give model, scale and fractions."""
        return _attributes(self, fractions)


MODELS: Mapping[str, RbeModel] = {"NIRS": NirsMkm(), "LEM1": LemOne()}
"""Models by the scale that a case states."""


def rbe_model(scale: str) -> RbeModel:
    """Look up the model of a scale.

    Raises
    ------
    InputError
        Unknown scale.
    """
    if scale not in MODELS:
        raise InputError(f"scale: expected one of {', '.join(MODELS)}, got {scale!r}")
    return MODELS[scale]


def effect_per_fraction(linear: ArrayLike, root: ArrayLike, *, fractions: int) -> Array:
    """Compute linear / n + (root / n)^2 from totals.

    Raises
    ------
    InputError
        A channel below zero or not a number; fractions that are not a whole number of at least 1.
    """
    count = _whole(fractions)
    return np.asarray(_checked("linear", linear) / count + (_checked("root", root) / count) ** 2)


def nirs_dose(dose: ArrayLike, dose_z_star: ArrayLike, *, fractions: int) -> Array:
    """Compute the clinical dose [Gy(RBE)] of a course on the NIRS scale.

    Parameters
    ----------
    dose : any shape [Gy]
        Absorbed dose, total.
    dose_z_star : as dose [Gy2]
        Absorbed dose times its mean z*, additive over beams.
    fractions
        Of equal dose.

    Returns
    -------
    float64 array of the common shape, 0-dimensional for scalars.

    Notes
    -----
    Per fraction, effect = alpha0 d + beta d z* + beta d^2 = alpha_r D + beta D^2 for the dose D of the
    reference beam; the clinical dose is 2.41 D. Inaniwa et al. 2015, doi:10.1088/0031-9155/60/8/3271.
    """
    absorbed, product = _checked("dose", dose), _checked("dose_z_star", dose_z_star)
    linear = HSG.alpha0 * absorbed + HSG.beta * product
    return NirsMkm().dose(linear, np.sqrt(HSG.beta) * absorbed, fractions=fractions)


def largest_factor(
    model: RbeModel, linear: ArrayLike, root: ArrayLike, total: ArrayLike, *, fractions: int
) -> Array:
    """Find the factor on all weights at which the dose reaches a total [Gy(RBE)]; infinite without dose.

    Notes
    -----
    The positive root k of k linear / n + k^2 (root / n)^2 = effect, in the form that does not cancel.
    """
    count = _whole(fractions)
    first, second = _checked("linear", linear) / count, (_checked("root", root) / count) ** 2
    effect = model.effect_limit(total, fractions=fractions)
    below = first + np.sqrt(first * first + 4.0 * second * effect)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0.0, 2.0 * effect / below, np.inf)


def z_star_factor(species: str, energy: Array) -> Array:
    """Look up z* [Gy] of the modified MKM for HSG cells; isotopes of one element share it."""
    low, high = TABLE_ENERGIES
    table = _z_star_table(species_of(species).charge)
    return np.asarray(np.exp(table(np.log(np.clip(energy, low, high)))))


@lru_cache(maxsize=8)
def _z_star_table(charge: int) -> CubicSpline:
    """Tabulate ln z* over ln energy; 40 points per decade."""
    low, high = TABLE_ENERGIES
    energy = np.geomspace(low, high, round(40 * np.log10(high / low)) + 1)
    return CubicSpline(np.log(energy), np.log(mkm.z_star(ELEMENT[charge], energy)))


def _lem_table(charge: int, tissue: LemTissue, energy: Array) -> tuple[Array, Array]:
    """Look up alpha and the square root of beta; straight lines between 200 points per decade."""
    log_energy, log_alpha, root_beta = _lem_points(charge, tissue)
    at = np.log(np.clip(energy, *TABLE_ENERGIES))
    return np.exp(np.interp(at, log_energy, log_alpha)), np.interp(at, log_energy, root_beta)


@lru_cache(maxsize=32)
def _lem_points(charge: int, tissue: LemTissue) -> tuple[Array, Array, Array]:
    low, high = TABLE_ENERGIES
    energy = np.geomspace(low, high, round(200 * np.log10(high / low)) + 1)
    alpha, beta = lem.alpha_beta(ELEMENT[charge], energy, tissue=tissue)
    return np.log(energy), np.log(alpha), np.sqrt(beta)


def _nirs_root(effect: Array) -> Array:
    return np.asarray(np.sqrt(ALPHA_REFERENCE**2 + 4.0 * HSG.beta * effect))


def _attributes(model: RbeModel, fractions: int) -> Attributes:
    return {"rbe_model": model.rbe_model, "scale": model.scale, "fractions": _whole(fractions)}


def _whole(fractions: int) -> int:
    if not fractions >= 1 or fractions != int(fractions):
        raise InputError(f"fractions: expected a whole number of at least 1, got {fractions}")
    return int(fractions)


def _checked(name: str, stated: ArrayLike) -> Array:
    values = np.asarray(stated, dtype=np.float64)
    if not (values >= 0.0).all():
        raise InputError(f"{name}: expected values of at least 0, got {values[~(values >= 0.0)].flat[0]:g}")
    return values
