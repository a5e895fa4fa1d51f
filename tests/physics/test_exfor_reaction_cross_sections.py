"""Reaction and charge-changing cross sections against measurements (EXFOR, IAEA-NDS snapshot 2026-06).

Columns: projectile, target, MeV/u, mb, one standard deviation.
"""

import numpy as np
import pytest

from doseplan.beam import reaction_cross_section

TAKECHI = [  # PRC 79 (2009) 061601, reaction
    ("12C", "C", 32.5, 1209, 32),
    ("12C", "C", 40.3, 1159, 11),
    ("12C", "C", 76.4, 1014, 12),
    ("12C", "C", 121.1, 910, 5),
    ("12C", "C", 195.5, 797, 13),
    ("12C", "C", 274.7, 776, 12),
    ("12C", "C", 324.9, 773, 11),
]
OTHER_TARGETS = [  # the calibration is made from carbon on carbon only
    ("12C", "Al", 99.2, 1343, 16),
    ("12C", "Al", 196.1, 1172, 20),
    ("12C", "Al", 324.9, 1152, 18),
    ("12C", "Be", 98.4, 928, 9),
    ("12C", "Be", 195.5, 754, 10),
    ("12C", "Be", 324.9, 739, 12),
]
PROTONS = [  # Auce 2005, Renberg 1972, Ingemarsson 1999
    ("1H", "C", 119, 237, 7),
    ("1H", "C", 180, 211, 3),
    ("1H", "C", 231, 215.2, 5.4),
    ("1H", "C", 345, 218.8, 5.1),
    ("1H", "C", 464, 228.5, 5.1),
    ("1H", "O", 65.5, 365, 15),
]
HELIUM = [  # Horst 2019, PRC 99 014603, mass-changing
    ("4He", "C", 74, 602, 66),
    ("4He", "O", 71, 678, 152),
    ("4He", "O", 119, 613, 88),
    ("4He", "O", 213, 584, 75),
    ("4He", "H", 71, 137, 69),
    ("4He", "H", 119, 117, 37),
    ("4He", "H", 213, 104, 35),
]
COUNTERS = [  # charge-changing: Zeitlin 2007, Webber 1990
    ("12C", "C", 290, 706, 7),
    ("12C", "H", 290, 158, 9),
    ("12C", "Al", 290, 1052, 11),
    ("12C", "C", 296, 658, 7),
    ("12C", "C", 403, 672, 7),
]
TRACKS_IN_WATER = [  # charge-changing: Golovchenko 2002 (CR-39), Toshito 2007 (emulsion)
    ("12C", "water", 113, 1376, 52),
    ("12C", "water", 241, 1191, 35),
    ("12C", "water", 208, 1231, 64),
    ("12C", "water", 271, 1193, 56),
    ("12C", "water", 326, 1250, 51),
    ("12C", "water", 377, 1253, 45),
]
RECIPE = [(50, 1916), (100, 1559), (150, 1371), (200, 1291), (300, 1259), (400, 1268)]


def _model(row, kind="reaction"):
    return float(reaction_cross_section(row[0], row[2], row[1], kind))


@pytest.mark.parametrize("row", TAKECHI)
def test_carbon_on_carbon(row):
    # the data that the calibration is made of: 1 % or two printed errors
    assert abs(_model(row) - row[3]) <= max(0.01 * row[3], 2 * row[4])


@pytest.mark.parametrize("row", OTHER_TARGETS)
def test_carbon_on_other_nuclei(row):
    # 7 %: aluminium agrees to 2.5 %, beryllium, rich in loosely bound neutrons, is 5 to 7 % low
    assert _model(row) == pytest.approx(row[3], rel=0.07)


@pytest.mark.parametrize("row", PROTONS)
def test_protons(row):
    # Tripathi's own claim for protons is 5 %; or two printed errors
    assert abs(_model(row) - row[3]) <= max(0.055 * row[3], 2 * row[4])


@pytest.mark.parametrize("row", HELIUM)
def test_helium(row):
    # printed errors of 11 to 50 %
    assert abs(_model(row) - row[3]) <= 2 * row[4]


@pytest.mark.parametrize("row", COUNTERS)
def test_charge_changing_agrees_with_counters(row):
    # the two counter experiments differ by 7 % from each other on carbon, far beyond their errors
    assert _model(row, "charge_changing") == pytest.approx(row[3], rel=0.07)


@pytest.mark.parametrize("row", TRACKS_IN_WATER)
def test_charge_changing_is_below_track_detectors(row):
    # the other family: emulsion and plastic give 2 to 10 % more; the plateau at 400 MeV/u speaks for less
    assert 0.90 <= _model(row, "charge_changing") / row[3] <= 1.0


@pytest.mark.parametrize(("energy", "expected"), RECIPE)
def test_water_as_the_recipe_gives_it(energy, expected):
    # same recipe, computed by other code; radii and interpolation may differ: 1 %
    assert float(reaction_cross_section("12C", energy, "water")) == pytest.approx(expected, rel=0.01)


def test_water_is_its_atoms_and_cross_sections_grow_with_mass():
    energy = np.array([60.0, 150.0, 400.0])
    parts = 2 * reaction_cross_section("12C", energy, "H") + reaction_cross_section("12C", energy, "O")
    np.testing.assert_allclose(reaction_cross_section("12C", energy, "water"), parts, rtol=1e-14)
    names = ("3He", "4He", "6Li", "7Li", "9Be", "10B", "11B", "12C")
    sizes = [reaction_cross_section(name, energy, "water") for name in names]
    assert (np.diff(sizes, axis=0) > 0).all()
