"""What nuclear reactions of each ion make, and how fast and at which angle it flies on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.beam.species import Species, relativistic, species_of
from doseplan.constants import ATOMIC_MASS_MEV

Floats = NDArray[np.float64]

GOLDHABER_MOMENTUM = 90.0
"""[MeV/c] reduced width of Goldhaber, Phys. Lett. B 53 (1974) 306; 85 to 95 are used [from memory]."""

ORBITAL_MOMENTUM, ORBITAL_BETA = 195.0, 0.43
"""[MeV/c], [1] transverse momentum that a whole projectile gains in the nuclear and Coulomb field before it
breaks: Van Bibber et al., Phys. Rev. Lett. 43 (1979) 840, at about 100 MeV/u [from memory]; it falls with
1/beta as an impulse does [assumed]. It is what makes heavy fragments wider than Goldhaber's."""

TRANSVERSE_WIDENING = {1: 1.3, 2: 1.1, 3: 1.1, 4: 1.1}
"""[1] by charge: light fragments leave at wider angles than both make, by 10 to 40 % [assumed]."""

VELOCITY_LOSS = {6: 0.0, 5: 0.0, 4: 0.005, 3: 0.01, 2: 0.02}
"""[1] relative loss of velocity of a fragment, by charge; section C5 of the reference."""

HYDROGEN_ENERGY_LOSS = 0.07
"""[1] relative loss of energy per nucleon of hydrogen fragments; 6 to 8 % in section C5."""

KNOCKED_ENERGY, KNOCKED_SPREAD, KNOCKED_ANGLE = 0.45, 0.15, 0.25
"""Protons knocked out of the target: mean and spread of the energy over that of the parent, angle [rad].
The mean is that of section C4 for the reactions of protons; the others are assumed."""

PROTON_SURVIVAL = 0.60
"""Fast protons after the reaction of a proton; section C4."""

LOCAL_SHARE, LOCAL_ENERGY, LOCAL_POWER = 0.065, 150.0, 0.6
"""[1], [MeV/u], [1] energy that slow fragments of the target leave where they are born: 6.5 % of a proton's
up to 150 MeV (deuterons to recoils on oxygen, ICRU Report 63 [from memory]), times A^0.6, which makes 43 MeV
for carbon; 30 to 60 MeV are told in section C6 of the reference [assumed]."""

HYDROGEN_SHARES = {"1H": 0.62, "2H": 0.27, "3H": 0.11}
TARGET_PROTONS = {"12C": 0.6, "4He": 0.4}
"""Fast protons per reaction that come from the target; section C4. They leave like the protons of a proton's
reaction. With the velocity of the beam, as one reading of C4 has it, the fragments of a 12C reaction would
hold 11.6 of its 12 nucleons and leave none to the neutrons; so it is 11.0."""

CARBON_CHILDREN = {
    "11C": 0.088, "10C": 0.012, "11B": 0.11, "10B": 0.055, "10Be": 0.010, "9Be": 0.023, "7Be": 0.032,
    "7Li": 0.050, "6Li": 0.060, "4He": 0.70, "3He": 0.20,
}  # fmt: skip
"""Per 12C reaction on water, 80 to 430 MeV/u; section C4, upper values of lithium."""

SECONDARY_CHILDREN = {
    "11C": {
        "10C": 0.02,
        "10B": 0.17,
        "9Be": 0.03,
        "7Be": 0.04,
        "7Li": 0.05,
        "6Li": 0.06,
        "4He": 0.75,
        "3He": 0.25,
    },
    "10C": {"9Be": 0.05, "7Be": 0.05, "7Li": 0.05, "6Li": 0.06, "4He": 0.60, "3He": 0.35},
    "11B": {"10Be": 0.02, "9Be": 0.04, "7Be": 0.04, "7Li": 0.055, "6Li": 0.055, "4He": 0.74, "3He": 0.21},
    "10B": {"9Be": 0.05, "7Be": 0.05, "7Li": 0.055, "6Li": 0.055, "4He": 0.74, "3He": 0.21},
    "10Be": {"7Li": 0.05, "6Li": 0.05, "4He": 0.86, "3He": 0.24},
    "9Be": {"7Li": 0.05, "6Li": 0.05, "4He": 0.86, "3He": 0.24},
    "7Be": {"6Li": 0.10, "4He": 0.86, "3He": 0.24},
    "7Li": {"4He": 0.62, "3He": 0.18},
    "6Li": {"4He": 0.62, "3He": 0.18},
    "4He": {"3He": 0.25, "3H": 0.17, "2H": 0.35, "1H": 0.75},
    "3He": {"2H": 0.40, "1H": 1.40},
    "3H": {"2H": 0.30, "1H": 0.90},
    "2H": {"1H": 1.10},
}
"""Per reaction of a fragment. Sums by element: section C4 (rough); split into isotopes as for 12C, and the
two light carbons like boron, both [assumed]. From lithium on, hydrogen follows from the charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One kind of fragment of one kind of ion. `number` is the mean per reaction."""

    name: str
    number: float
    from_target: bool = False


def children(parent: str) -> tuple[Child, ...]:
    """List what a reaction of an ion makes; from lithium on, the charge of the parent is kept."""
    if parent == "1H":
        return (Child(name="1H", number=PROTON_SURVIVAL, from_target=True),)
    made = dict(CARBON_CHILDREN if parent == "12C" else SECONDARY_CHILDREN[parent])
    target = TARGET_PROTONS.get(parent, 0.0)
    charge = species_of(parent).charge
    if charge > 2:
        hydrogen = charge + target - sum(number * species_of(name).charge for name, number in made.items())
        made |= {name: share * hydrogen for name, share in HYDROGEN_SHARES.items()}
        made["1H"] -= target
    knocked = (Child(name="1H", number=target, from_target=True),) if target else ()
    return tuple(Child(name=name, number=number) for name, number in made.items()) + knocked


def birth_energy(parent: Species, child: Child, energy: Floats) -> Floats:
    """Compute the mean energy [MeV/u] of a fragment from that of its parent [MeV/u]."""
    charge = species_of(child.name).charge
    if child.from_target:
        return energy * KNOCKED_ENERGY
    if charge == 1:
        return energy * (1.0 - HYDROGEN_ENERGY_LOSS)
    beta2, _, _ = relativistic(energy, ATOMIC_MASS_MEV)
    slower = beta2 * (1.0 - VELOCITY_LOSS[charge]) ** 2
    # gamma - 1 without the difference of two numbers near one
    root = np.sqrt(1.0 - slower)
    return np.asarray(ATOMIC_MASS_MEV * slower / (root * (1.0 + root)))


def energy_spread(parent: Species, child: Child, energy: Floats) -> Floats:
    """Compute the Goldhaber spread [MeV/u, one sigma] of a fragment: gamma beta sigma_p / A."""
    if child.from_target:
        return energy * KNOCKED_SPREAD
    made = species_of(child.name)
    _, _, beta_gamma = relativistic(energy, ATOMIC_MASS_MEV)
    return beta_gamma * _momentum_width(parent, made) / made.mass_number


def birth_angle(parent: Species, child: Child, energy: Floats) -> Floats:
    """Compute the projected angle [rad, one sigma] of a fragment: sigma_p / (A p_u).

    The momentum is Goldhaber's, widened for light fragments, and a share of the projectile's deflection.
    """
    if child.from_target:
        return np.full_like(energy, KNOCKED_ANGLE)
    made = species_of(child.name)
    beta2, _, beta_gamma = relativistic(energy, ATOMIC_MASS_MEV)
    mass_number, whole = made.mass_number, parent.mass_number
    own = TRANSVERSE_WIDENING.get(made.charge, 1.0) * _momentum_width(parent, made)
    share = mass_number * (mass_number - 1.0) / (whole * (whole - 1.0))
    width = np.sqrt(own**2 + share * ORBITAL_MOMENTUM**2 * ORBITAL_BETA**2 / beta2)
    return np.minimum(width / (mass_number * beta_gamma * ATOMIC_MASS_MEV), KNOCKED_ANGLE)


def local_energy(parent: Species, energy: Floats) -> Floats:
    """Compute the energy [MeV] per reaction that slow target fragments deposit on the spot."""
    whole = float(parent.mass_number) ** LOCAL_POWER
    return np.asarray(LOCAL_SHARE * np.minimum(energy, LOCAL_ENERGY) * whole)


def _momentum_width(parent: Species, child: Species) -> float:
    """Goldhaber's width [MeV/c] on each axis: sigma_0 sqrt(A_f (A_p - A_f) / (A_p - 1))."""
    removed = max(parent.mass_number - child.mass_number, 0)
    return GOLDHABER_MOMENTUM * float(np.sqrt(child.mass_number * removed / max(parent.mass_number - 1, 1)))
