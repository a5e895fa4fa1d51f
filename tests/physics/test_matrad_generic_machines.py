"""Depth-dose against the generic machines of matRad.

Base data of matRad (carbon_Generic, helium_Generic, protons_Generic; github.com/e0404/matRad), made by
Monte Carlo codes of others for lines that are described only in part. What the line does to the range,
its nozzle and filter, is taken out by reading both curves at the same part of their R80; carbon has a
ripple filter of 3 mm here, as the width of their peaks says. Values are depth dose [MeV cm2/g] in their
own units, which are ours.
"""

import numpy as np
import pytest

from doseplan.beam import csda_range
from doseplan.dose import depth_dose

PARTS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of R80 [1]; for carbon a last value 20 mm behind it."""

MACHINES = (  # ion, MeV/u, R80 [mm], full width at half maximum [mm], depth dose
    ("12C", 175.37, 67.021, 6.49, (182.7, 192.5, 218.5, 278.7, 396.4, 19.83)),
    ("12C", 257.5, 131.27, 7.76, (141.3, 145.3, 156.7, 188.5, 256.7, 33.6)),
    ("12C", 326.13, 195.42, 9.78, (122.4, 123, 127.2, 144.7, 188.9, 40.16)),
    ("12C", 387.87, 259.12, 13.1, (110.8, 109, 108.5, 117.8, 147.3, 42.89)),
    ("4He", 138.71, 136.25, 7.67, (25.13, 26.63, 29.99, 36.67, 48.99)),
    ("4He", 195.25, 248.15, 13.2, (20.54, 21.25, 22.98, 26.14, 32.19)),
    ("1H", 146.01, 151.78, 19.5, (6.089, 6.558, 7.502, 9.434, 13.4)),
    ("1H", 221.61, 316.31, 29.4, (4.795, 5.08, 5.439, 6.355, 8.455)),
)
LIGHT = (
    "protons and helium have less dose in the plateau: too few secondary protons are counted, as the numbers "
    "of fragments of light ions are rough. Carbon is what this program is for; protons and helium are there "
    "for comparison."
)


@pytest.fixture(scope="module")
def curves():
    return {row[:2]: depth_dose(row[1], ion=row[0], ripple_filter_mm=3.0) for row in MACHINES}


@pytest.mark.parametrize("row", MACHINES, ids=lambda row: f"{row[0]}-{row[1]:g}")
def test_plateau_and_tail(compare, curves, row):
    ion, energy, _, _, values = row
    curve = curves[ion, energy]
    r80 = curve.attrs["r80_mm"]
    for part, value in zip(PARTS, values[:5], strict=True):
        ours = float(curve["idd"].interp(depth=part * r80))
        tolerance = 0.05
        beyond = ion != "12C" and abs(ours / value - 1.0) > tolerance
        known = {"disagrees": LIGHT, "at_most": 0.11} if beyond else {}
        compare(
            f"Depth dose of {ion} {energy:g} MeV/u at {part:g} of R80",
            ours,
            value,
            tolerance=tolerance,
            unit="MeV cm2/g",
            why="nuclear models differ by 3 %; energy of target fragments is known to a factor of two, 1 %",
            **known,
        )
    if ion == "12C":
        compare(
            f"Depth dose of {ion} {energy:g} MeV/u 20 mm behind R80",
            float(curve["idd"].interp(depth=r80 + 20.0)),
            values[5],
            tolerance=0.12,
            unit="MeV cm2/g",
            why="multiplicities are known to 10 %",
        )


@pytest.mark.parametrize("row", MACHINES[:4], ids=lambda row: f"{row[0]}-{row[1]:g}")
def test_width_of_the_carbon_peak(compare, curves, row):
    depth, idd = curves[row[:2]]["depth"].values, curves[row[:2]]["idd"].values
    peak, half = int(idd.argmax()), 0.5 * idd.max()
    near = float(np.interp(half, idd[: peak + 1], depth[: peak + 1]))
    far = float(np.interp(-half, -idd[peak:], depth[peak:]))
    compare(
        f"Width of the peak at half maximum, 12C {row[1]:g} MeV/u, ripple filter 3 mm",
        far - near,
        row[3],
        tolerance=0.08,
        unit="mm",
        why="momentum spread and ripple filter of that line are not stated",
    )


def test_range_differences(compare):
    first, last = MACHINES[0], MACHINES[3]
    ours = (float(csda_range("12C", last[1])) - float(csda_range("12C", first[1]))) / 0.0998
    compare(
        f"R80 of 12C {last[1]:g} less that of {first[1]:g} MeV/u",
        ours,
        last[2] - first[2],
        tolerance=0.008,
        unit="mm",
        why="differences take out nozzle and filter; their I-value is not stated, 75 eV would be 0.5 %",
    )
