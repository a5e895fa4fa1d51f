"""A 400 MeV/u carbon beam in water against measurements at GSI.

Depth-ionisation: file 400tdk.dat of the IAEA benchmark in Geant4's hadrontherapy example, digitised from
Haettner 2006 (0.1 mm, 2 %), relative to the mean of the points between 4.2 and 7.3 cm. Yields: Haettner,
Iwase and Schardt, EXFOR D0589.002, inside 10 degrees. Not independent of these data, as chosen after seeing
them: the lower family of charge-changing cross sections, the number of helium fragments, the 0.6 target
protons, and that these leave with less than the velocity of the beam.
"""

import numpy as np
import pytest

from doseplan.beam import csda_range, stopping_power
from doseplan.beam.species import species_of
from doseplan.beam.transport import transport

CURVE = [  # depth [cm], ionisation
    (4.24, 0.992), (5.21, 0.993), (6.26, 1.018), (7.23, 0.996), (8.27, 0.974), (9.24, 0.975), (10.21, 0.953),
    (12.30, 0.956), (13.27, 0.957), (16.26, 0.985), (18.27, 1.011), (19.24, 1.012), (22.30, 1.110),
    (23.35, 1.182), (25.21, 1.372), (25.73, 1.467),
]  # fmt: skip
FIRST = (2.23, 0.966)
"""Its source says that this point looks about 5 % low."""

TAIL = [(30.29, 0.393), (32.24, 0.325)]
YIELDS = [  # depth [g/cm2], charge, yield, error [%]
    (5.9, 2, 0.1963, 3), (5.9, 3, 0.0296, 35), (5.9, 4, 0.0137, 100), (5.9, 5, 0.0335, 31),
    (25.8, 2, 0.5551, 3), (25.8, 3, 0.0582, 10), (25.8, 4, 0.0295, 20), (25.8, 5, 0.0659, 21),
    (28.8, 2, 0.5258, 2), (28.8, 3, 0.0492, 6), (28.8, 4, 0.0237, 8), (28.8, 5, 0.0374, 6),
    (34.7, 2, 0.4437, 1), (34.7, 3, 0.0348, 9), (34.7, 4, 0.0077, 20), (34.7, 5, 0.0028, 30),
]  # fmt: skip
HYDROGEN = [(5.9, 0.2726), (25.8, 0.765), (34.7, 0.6863)]
SLOWEST = {4: 48.0, 5: 46.0}
"""[MeV/u] lowest recorded energies of beryllium and boron behind the range (EXFOR D0589.004-010): nearly half
of the boron that the model has at 34.7 g/cm2 is slower. Lighter ions lose 5 % at most and are not cut."""


def _recorded(species, energy):
    return (energy > SLOWEST.get(species_of(species).charge, 0.0)) / stopping_power(species, energy)


@pytest.fixture(scope="module")
def beam():
    return transport(400.0, responses={"recorded": _recorded}).isel(energy=0)


@pytest.fixture(scope="module")
def relative(beam):
    total = beam["idd"].sum("species")
    plateau = [np.interp(10 * depth, beam["depth"], total) for depth, _ in CURVE[:4]]
    return lambda depth_cm: np.interp(10 * np.asarray(depth_cm), beam["depth"], total) / np.mean(plateau)


def _in_cone(beam, depth, charge, name="recorded"):
    """Ions within 10 degrees: each species' angles are a Gaussian of the transported variance."""
    limit = np.radians(10.0)
    inside = 0.0
    for species in beam["species"].values:
        if species_of(species).charge == charge:
            here = [
                np.interp(depth * 10 / 0.998, beam["depth"], beam[key].sel(species=species))
                for key in (name, "angle_variance")
            ]
            inside += here[0] * -np.expm1(-(limit**2) / (2 * here[1]))
    return inside


def test_distal_depth_is_the_range(beam):
    total, depth = beam["idd"].sum("species").values, beam["depth"].values
    peak = total.argmax()
    behind = peak + np.argmax(total[peak:] < 0.8 * total[peak])
    r80 = np.interp(-0.8 * total[peak], -total[behind - 1 : behind + 1], depth[behind - 1 : behind + 1])
    # 0.1 mm for Gaussian straggling, and the fragments' share in the peak
    assert r80 == pytest.approx(10 * float(csda_range("12C", 400.0)) / 0.998, abs=0.3)


def test_plateau(relative):
    depth, measured = np.array(CURVE).T
    deviation = relative(depth) / measured - 1.0
    # every point between the first and 2 cm before the peak; digitised to 2 %, so rms 2.5 %, worst 5 %
    assert np.sqrt(np.mean(deviation**2)) <= 0.025
    assert np.abs(deviation).max() <= 0.05


def test_first_point_is_above_the_one_that_looks_low(relative):
    # 5 % low, as its source says, with 2 % of reading error
    assert 0.03 <= relative(FIRST[0]) / FIRST[1] - 1.0 <= 0.07


def test_tail(relative):
    depth, measured = np.array(TAIL).T
    # 0.02 of the plateau is the reading error, 5 to 6 % of these values; multiplicities are known to 10 %
    np.testing.assert_allclose(relative(depth), measured, rtol=0.08)


@pytest.mark.parametrize("row", YIELDS)
def test_fragment_yield(beam, row):
    depth, charge, measured, error = row
    # helium 10 %; heavier ones 30 % or two printed errors, as multiplicities come from thin targets
    tolerance = 0.10 if charge == 2 else max(0.30, 0.02 * error)
    assert _in_cone(beam, depth, charge) == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize(("depth", "measured"), HYDROGEN)
def test_hydrogen_in_the_cone_is_of_the_right_size(beam, depth, measured):
    # charge conservation makes hydrogen; a Gaussian of its angles keeps a third too many inside 10 degrees
    assert 1.0 <= _in_cone(beam, depth, 1) / measured <= 1.5
    assert _in_cone(beam, depth, 1) < 0.6 * _in_all(beam, depth, 1)


def _in_all(beam, depth, charge):
    names = [name for name in beam["species"].values if species_of(name).charge == charge]
    return np.interp(depth * 10 / 0.998, beam["depth"], beam["fluence"].sel(species=names).sum("species"))
