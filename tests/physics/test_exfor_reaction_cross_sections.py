"""Reaction and charge-changing cross sections.

Against measurements read from EXFOR (IAEA-NDS snapshot 2026-06): reactions of 12C by Takechi 2009, of
protons by Auce 2005, Renberg 1972 and Ingemarsson 1999, of 4He by Horst 2019 (mass-changing); charge-
changing by the counters of Zeitlin 2007 and Webber 1990, and by the track detectors of Golovchenko 2002
and Toshito 2007. The two families differ by 5 to 10 %, beyond their errors.
"""

import numpy as np
import pytest

from doseplan.beam import reaction_cross_section
from doseplan.beam.fragments import children
from doseplan.beam.species import species_of

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


def _name(row):
    return f"{row[0]} + {row[1]}, {row[2]:g} MeV/u"


def _within(compare, row, tolerance, why, kind="reaction", **known):
    name = {"reaction": "Reaction", "charge_changing": "Charge-changing"}[kind]
    compare(
        f"{name} {_name(row)}", _model(row, kind), row[3], tolerance=tolerance, why=why, unit="mb", **known
    )


@pytest.mark.parametrize("row", TAKECHI, ids=_name)
def test_carbon_on_carbon(compare, row):
    _within(
        compare,
        row,
        max(0.01, 2 * row[4] / row[3]),
        "the data that the calibration is made of: 1 % or two errors",
    )


@pytest.mark.parametrize("row", OTHER_TARGETS, ids=_name)
def test_carbon_on_other_nuclei(compare, row):
    _within(compare, row, 0.07, "calibrated on carbon only; beryllium has loosely bound neutrons")


@pytest.mark.parametrize("row", PROTONS, ids=_name)
def test_protons(compare, row):
    _within(
        compare,
        row,
        max(0.055, 2 * row[4] / row[3]),
        "Tripathi claims 5 % for protons; or two printed errors",
    )


@pytest.mark.parametrize("row", HELIUM, ids=_name)
def test_helium(compare, row):
    _within(compare, row, 2 * row[4] / row[3], "two printed errors, 11 to 50 % each")


@pytest.mark.parametrize("row", COUNTERS, ids=_name)
def test_charge_changing_agrees_with_counters(compare, row):
    why = "the two counter experiments differ by 7 % from each other on carbon"
    _within(compare, row, 0.07, why, "charge_changing")


@pytest.mark.parametrize("row", TRACKS_IN_WATER, ids=_name)
def test_charge_changing_is_below_track_detectors(compare, row):
    tolerance = row[4] / row[3]
    known = {
        "disagrees": "charge-changing cross sections on water are 2 to 10 % below those of track "
        "detectors. We follow the family of the counters, because with the other one the plateau at "
        "400 MeV/u would fall by 8 to 12 %, and the measured one is flat.",
        "at_most": 0.10,
    }
    beyond = abs(_model(row, "charge_changing") / row[3] - 1.0) > tolerance
    _within(compare, row, tolerance, "one printed error", "charge_changing", **(known if beyond else {}))


@pytest.mark.parametrize(("energy", "expected"), RECIPE)
def test_water_as_the_recipe_gives_it(compare, energy, expected):
    row = ("12C", "water", energy, expected)
    _within(compare, row, 0.01, "the same recipe by other code; radii and interpolation may differ")


def test_water_is_its_atoms_and_cross_sections_grow_with_mass():
    energy = np.array([60.0, 150.0, 400.0])
    parts = 2 * reaction_cross_section("12C", energy, "H") + reaction_cross_section("12C", energy, "O")
    np.testing.assert_allclose(reaction_cross_section("12C", energy, "water"), parts, rtol=1e-14)
    names = ("3He", "4He", "6Li", "7Li", "9Be", "10B", "11B", "12C")
    sizes = [reaction_cross_section(name, energy, "water") for name in names]
    assert (np.diff(sizes, axis=0) > 0).all()


PRODUCTION = [("B", 5, 215.0, 0.03), ("Be", 4, 90.0, 0.06), ("Li", 3, 122.5, 0.07)]
"""12C on water, Toshito 2007 and Golovchenko 2002: element, charge, middle [mb], half of the range."""


@pytest.mark.parametrize(("element", "charge", "expected", "half"), PRODUCTION)
def test_production_of_heavy_fragments(compare, element, charge, expected, half):
    number = sum(child.number for child in children("12C") if species_of(child.name).charge == charge)
    compare(
        f"Production of {element} by 12C + water, 300 MeV/u",
        number * float(reaction_cross_section("12C", 300.0, "water")),
        expected,
        tolerance=0.15 + half,
        unit="mb",
        why="thin targets scatter by 10 to 20 %, and the middle of a range stands for the data",
    )
