"""A 400 MeV/u carbon beam in water against measurements at GSI.

Depth-ionisation: file 400tdk.dat of the IAEA benchmark in Geant4's hadrontherapy example, digitised from
Haettner 2006 (0.1 mm, 2 %), relative to the mean of the points between 4.2 and 7.3 cm. Yields inside 10
degrees, angular distributions and energy spectra: Haettner, Iwase and Schardt, EXFOR D0589.002 to .010.

Not independent of these data, as chosen after seeing them: the lower family of charge-changing cross
sections, the number of helium fragments, the 0.6 target protons and that these leave with less than the
velocity of the beam, and the widening of angles by 1.1 (He, Li, Be) and 1.3 (H). Independent: the
deflection of the projectile, energies, depth.
"""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from doseplan.beam import csda_range
from doseplan.beam.species import species_of
from doseplan.dose import depth_dose, energy_spectra

CURVE = [  # depth [cm], ionisation
    (4.24, 0.992), (5.21, 0.993), (6.26, 1.018), (7.23, 0.996), (8.27, 0.974), (9.24, 0.975), (10.21, 0.953),
    (12.30, 0.956), (13.27, 0.957), (16.26, 0.985), (18.27, 1.011), (19.24, 1.012), (22.30, 1.110),
    (23.35, 1.182), (25.21, 1.372), (25.73, 1.467),
]  # fmt: skip
FIRST = (2.23, 0.966)
TAIL = [(30.29, 0.393), (32.24, 0.325)]
YIELDS = [  # depth [g/cm2], charge, yield, error [%]
    (5.9, 2, 0.1963, 3), (5.9, 3, 0.0296, 35), (5.9, 4, 0.0137, 100), (5.9, 5, 0.0335, 31),
    (25.8, 2, 0.5551, 3), (25.8, 3, 0.0582, 10), (25.8, 4, 0.0295, 20), (25.8, 5, 0.0659, 21),
    (28.8, 2, 0.5258, 2), (28.8, 3, 0.0492, 6), (28.8, 4, 0.0237, 8), (28.8, 5, 0.0374, 6),
    (34.7, 2, 0.4437, 1), (34.7, 3, 0.0348, 9), (34.7, 4, 0.0077, 20), (34.7, 5, 0.0028, 30),
]  # fmt: skip
HYDROGEN = [(5.9, 0.2726), (25.8, 0.765), (34.7, 0.6863)]
SLOWEST = {4: 48.0, 5: 46.0}
"""[MeV/u] lowest recorded energies of beryllium and boron behind the range: nearly half of the boron that the
model has at 34.7 g/cm2 is slower. Lighter ions lose 5 % at most and are not cut."""


def _table(name):
    lines = (Path(__file__).parent / f"gsi_400_fragment_{name}.csv").read_text().splitlines()
    rows = [tuple(map(float, line.split(","))) for line in lines[2:]]
    return [(depth, int(charge), *rest) for depth, charge, *rest in rows]


ANGLES = {key: [row[2:] for row in rows] for key, rows in groupby(_table("angles"), key=lambda row: row[:2])}
ENERGIES = _table("energies")
SYMBOLS = {1: "H", 2: "He", 3: "Li", 4: "Be", 5: "B"}
DEPTHS = (5.9, 25.8, 28.8, 34.7)
CONE = np.radians(10.0)


@pytest.fixture(scope="module")
def curve():
    return depth_dose(400.0)


@pytest.fixture(scope="module")
def spectra():
    return energy_spectra(400.0, [10.0 * depth / 0.998 for depth in DEPTHS])


@pytest.fixture(scope="module")
def relative(curve):
    plateau = [float(curve["idd"].interp(depth=10 * depth)) for depth, _ in CURVE[:4]]
    return lambda depth_cm: float(curve["idd"].interp(depth=10 * depth_cm)) / np.mean(plateau)


def _ions(spectra, depth, charge, slowest=0.0):
    """Counts, energies [MeV/u] and angle variances [rad2] of all bins of one element that hold ions."""
    here = spectra.isel(depth=DEPTHS.index(depth))
    names = [name for name in here["species"].values if species_of(name).charge == charge]
    chosen = here.sel(species=names)
    count = (chosen["spectrum"] * np.diff(here["energy_edges"].values)).values
    energy = np.broadcast_to(here["energy_bin"].values, count.shape)
    variance = (1e-3 * chosen["angle"].values) ** 2
    keep = np.isfinite(variance) & (energy > slowest)
    return count[keep], energy[keep], variance[keep]


def _in_cone(spectra, depth, charge):
    count, _, variance = _ions(spectra, depth, charge, SLOWEST.get(charge, 0.0))
    return float(np.sum(count * -np.expm1(-(CONE**2) / (2.0 * variance))))


def _per_solid_angle(count, variance, angle):
    return count * np.exp(-0.5 * angle**2 / variance) / (2.0 * np.pi * variance)


def _width(angle, density):
    """Projected rms angle [deg] of a density per solid angle, inside its last angle."""
    ring = density * np.sin(angle)
    return float(np.degrees(np.sqrt(np.sum(ring * angle**2) / np.sum(ring) / 2.0)))


def test_distal_depth_is_the_range(compare, curve):
    compare(
        "R80 of 12C 400 MeV/u in water against its csda range",
        curve.attrs["r80_mm"],
        10 * float(csda_range("12C", 400.0)) / 0.998,
        tolerance=0.3,
        absolute=True,
        unit="mm",
        why="0.1 mm for Gaussian straggling, and the fragments' share in the peak",
    )


@pytest.mark.parametrize(("depth", "measured"), CURVE)
def test_plateau(compare, relative, depth, measured):
    compare(
        f"Ionisation at {depth:g} cm",
        relative(depth),
        measured,
        tolerance=0.05,
        why="digitised to 2 %, worst point 5 %",
    )


def test_plateau_as_a_whole(compare, relative):
    deviation = [relative(depth) / measured - 1.0 for depth, measured in CURVE]
    compare(
        "Ionisation from 4.2 to 25.7 cm, rms deviation",
        100.0 * np.sqrt(np.mean(np.square(deviation))),
        0.0,
        tolerance=2.5,
        absolute=True,
        unit="%",
        why="digitised to 2 %",
    )


def test_first_point(compare, relative):
    compare(
        f"Ionisation at {FIRST[0]:g} cm",
        relative(FIRST[0]),
        FIRST[1],
        tolerance=0.02,
        why="digitised to 2 %",
        disagrees="the first measured point looks about 5 % low, as those who digitised it say; the model "
        "rises from there to the next by 1 %.",
        at_most=0.07,
    )


@pytest.mark.parametrize(("depth", "measured"), TAIL)
def test_tail(compare, relative, depth, measured):
    why = "a reading error of 0.02 of the plateau is 5 to 6 % here; multiplicities are known to 10 %"
    compare(
        f"Ionisation at {depth:g} cm, behind the peak", relative(depth), measured, tolerance=0.08, why=why
    )


@pytest.mark.parametrize("row", YIELDS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_fragment_yield(compare, spectra, row):
    depth, charge, measured, error = row
    above = f", above {SLOWEST[charge]:g} MeV/u" if charge in SLOWEST else ""
    compare(
        f"{SYMBOLS[charge]} per ion within 10 deg at {depth} g/cm2{above}",
        _in_cone(spectra, depth, charge),
        measured,
        tolerance=0.10 if charge == 2 else max(0.30, 0.02 * error),
        why="He 10 %; Li, Be, B 30 % or two printed errors, as multiplicities come from thin targets",
    )


def test_slow_boron_far_behind(compare, spectra):
    count, _, _ = _ions(spectra, 34.7, 5)
    compare(
        "B per ion at 34.7 g/cm2, of any energy",
        count.sum(),
        0.0028,
        tolerance=0.6,
        why="two printed errors",
        disagrees="half of our boron at 34.7 g/cm2 is slower than 46 MeV/u, the lowest energy that was "
        "recorded; the rows above count the rest only, a threshold applied after seeing the difference.",
        at_most=1.3,
    )


@pytest.mark.parametrize(("depth", "measured"), HYDROGEN)
def test_hydrogen_in_the_cone(compare, spectra, depth, measured):
    count, _, _ = _ions(spectra, depth, 1)
    assert _in_cone(spectra, depth, 1) < 0.65 * count.sum()
    compare(
        f"H per ion within 10 deg at {depth} g/cm2",
        _in_cone(spectra, depth, 1),
        measured,
        tolerance=0.3,
        why="multiplicities of hydrogen follow from the charge of all others",
        disagrees="too much hydrogen stays inside 10 degrees: its angles are a Gaussian for each energy, the "
        "measured ones have a wider tail. Charge balance fixes the total, which no cone contains.",
        at_most=0.5,
    )


@pytest.mark.parametrize("key", list(ANGLES), ids=str)
def test_angular_width(compare, spectra, key):
    depth, charge = key
    angle, measured = np.array(ANGLES[key]).T
    fine = np.linspace(0.0, np.radians(angle[-1]), 500)
    count, _, variance = _ions(spectra, depth, charge, SLOWEST.get(charge, 0.0) if depth > 28.0 else 0.0)
    ours = sum(
        _per_solid_angle(*some, fine[:, np.newaxis]).sum(axis=1)
        for some in zip(np.array_split(count, 20), np.array_split(variance, 20), strict=True)
    )
    compare(
        f"Width of {SYMBOLS[charge]} inside {angle[-1]:g} deg at {depth} g/cm2",
        _width(fine, ours),
        _width(fine, np.exp(np.interp(fine, np.radians(angle), np.log(measured)))),
        tolerance=0.20,
        unit="deg",
        why="yields per angle have errors of 5 to 60 %; both sides integrated alike",
    )


@pytest.mark.parametrize("row", ENERGIES, ids=lambda row: "-".join(map(str, row[:3])))
def test_mean_energy(compare, spectra, row):
    depth, charge, angle, measured, slowest = row
    count, energy, variance = _ions(spectra, depth, charge, slowest)
    share = _per_solid_angle(count, variance, np.radians(angle))
    difference = np.sum(share * energy) / share.sum() / measured - 1.0
    known = {
        "disagrees": "at 4 degrees and deep, heavy fragments are slower than measured: in the model such "
        "angles belong to slow ions only, as a single Gaussian for each birth has no tail.",
        "at_most": 0.30,
    }
    compare(
        f"Mean energy of {SYMBOLS[charge]} at {angle} deg, {depth} g/cm2",
        np.sum(share * energy) / share.sum(),
        measured,
        tolerance=0.10,
        unit="MeV/u",
        why="time of flight; velocity shifts at birth are known to a few per cent",
        **(known if abs(difference) > 0.10 and charge > 2 and angle == 4 else {}),
    )
