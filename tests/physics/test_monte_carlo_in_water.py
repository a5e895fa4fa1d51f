"""Monte Carlo against the transport: a 12C beam in a box of water.

Both share stopping powers, cross sections and fragments; the transport moves whole spectra straight ahead,
the Monte Carlo steps single ions in three dimensions. Statistics (one sigma) are quoted in the reasons.
"""

from functools import cache

import numpy as np
import pytest

from doseplan.beam.transport import transport
from doseplan.dose import depth_dose
from doseplan.montecarlo import water_box

ENERGIES = [pytest.param(150.0, 80.0), pytest.param(290.0, 200.0), pytest.param(400.0, 320.0)]
HISTORIES = 20_000
SLAB_MM = 5.0

WHY_IDD = "asked for: 1 % and statistics, which are 0.1 to 0.4 % in a slab"
WHY_TAIL = "behind the peak only fragments go, a tenth of the dose, slanted ones longer ways: statistics 1 %"
WHY_RANGE = "scattered ions have 0.1 to 0.2 per mille more to go than the depth they reach"
WHY_WIDTH = "asked for: 3 %; statistics 1 %, and columns of 0.25 mm"
WHY_BALANCE = "statistics of how many ions react and what they make: 2 %"
WIDE = (
    "light fragments: the pencil beam takes the angle for its tangent, gives every ion of a species the same "
    "width at a depth and no longer way when it flies aslant; the Monte Carlo does not"
)


@cache
def _curves(energy, depth_mm):
    return depth_dose(energy, depth_mm=depth_mm)


@cache
def _box(energy, depth_mm):
    return water_box(energy, histories=HISTORIES, depth_mm=depth_mm)


def _slabs(values, count):
    return values[: count * (values.size // count)].reshape(-1, count).mean(axis=1)


def _both(energy, depth_mm):
    """Give depth, Monte Carlo, its uncertainty and the transport in slabs of 5 mm, and the r80 [mm]."""
    box, curves = _box(energy, depth_mm), _curves(energy, depth_mm)
    expected = _slabs(curves["idd"].values, round(SLAB_MM / 0.1))
    found = _slabs(box["idd"].values, round(SLAB_MM))
    depth = (np.arange(expected.size) + 0.5) * SLAB_MM
    return depth, found, expected, float(curves.attrs["r80_mm"])


@pytest.mark.parametrize(("energy", "depth_mm"), ENERGIES)
def test_depth_dose(compare, energy, depth_mm):
    depth, found, expected, r80 = _both(energy, depth_mm)
    front, tail = depth < r80 - SLAB_MM, depth > r80 + SLAB_MM
    compare(
        f"{energy:g} MeV/u: largest difference of the depth dose in front of the peak, slabs of 5 mm",
        100.0 * np.abs(found[front] / expected[front] - 1.0).max(), 0.0,
        tolerance=1.5, absolute=True, why=WHY_IDD, unit="%",
    )  # fmt: skip
    compare(
        f"{energy:g} MeV/u: dose of the whole depth", found.mean(), expected.mean(),
        tolerance=0.005, why="statistics 0.1 %", unit="MeV cm2/g",
    )  # fmt: skip
    compare(
        f"{energy:g} MeV/u: dose behind the peak", found[tail].mean(), expected[tail].mean(),
        tolerance=0.04, why=WHY_TAIL, unit="MeV cm2/g",
    )  # fmt: skip


@pytest.mark.parametrize(("energy", "depth_mm"), ENERGIES)
def test_range(compare, energy, depth_mm):
    box, curves = _box(energy, depth_mm), _curves(energy, depth_mm)
    at = box["depth"].values
    slabs = _slabs(curves["idd"].values, 10)[: at.size]

    def distal(values):
        top = int(values.argmax())
        return float(np.interp(-0.5 * values[top], -values[top:], at[top:]))

    compare(
        f"{energy:g} MeV/u: depth of half the peak, in slabs of 1 mm",
        distal(box["idd"].values), distal(slabs),
        tolerance=0.05, absolute=True, why=WHY_RANGE, unit="mm",
    )  # fmt: skip


@pytest.mark.parametrize(("energy", "depth_mm"), ENERGIES)
def test_balance_of_energy(compare, energy, depth_mm):
    found = _box(energy, depth_mm).attrs
    gone = found["deposited"] + found["escaping"] + found["removed"] + found["straggled"]
    compare(
        f"{energy:g} MeV/u: energy entering, against scored, escaping, removed", gone, found["entering"],
        tolerance=1e-6, why="rounding of the voxels to single precision", unit="MeV",
    )  # fmt: skip
    curves = transport(energy, depth_mm=depth_mm).isel(energy=0)
    compare(
        f"{energy:g} MeV/u: energy that reactions remove", found["removed"], float(curves["removed"]),
        tolerance=0.06, why=WHY_BALANCE, unit="MeV",
    )  # fmt: skip
    compare(
        f"{energy:g} MeV/u: reactions of a primary ion", found["reactions"],
        float(curves["reactions"].isel(species=0)), tolerance=0.03, why="statistics 0.5 to 1 %",
    )  # fmt: skip
    assert found["lost_fragments"] == 0.0


@pytest.mark.parametrize(("energy", "depth_mm"), ENERGIES)
def test_lateral_width_of_primary_ions(compare, energy, depth_mm):
    curves = _curves(energy, depth_mm)
    box = water_box(energy, histories=6000, depth_mm=depth_mm, column_mm=0.25)
    at = float(np.floor(curves.attrs["r80_mm"] - 6.0))
    near = box["depth"].values.searchsorted(at) + np.arange(4)
    found = np.sqrt(box["lateral_variance"].sel(component="primary").values[near].mean())
    expected = float(curves["lateral_sigma"].sel(component="primary").interp(depth=at + 2.0))
    compare(
        f"{energy:g} MeV/u: width of primary ions at {at + 2:g} mm", found, expected,
        tolerance=0.03, why=WHY_WIDTH, unit="mm",
    )  # fmt: skip


def test_lateral_width_of_light_fragments(compare):
    energy, depth_mm = 290.0, 200.0
    curves = _curves(energy, depth_mm)
    box = water_box(energy, histories=8000, depth_mm=depth_mm, column_mm=2.0)
    found = np.sqrt(box["lateral_variance"].sel(component="light").values[70:90].mean())
    expected = float(curves["lateral_sigma"].sel(component="light").interp(depth=80.0))
    compare(
        "290 MeV/u: width of hydrogen and helium at 80 mm", found, expected,
        tolerance=0.03, why="asked for: 3 %", unit="mm", disagrees=WIDE, at_most=0.25,
    )  # fmt: skip


def test_following_some_of_the_light_fragments_gives_the_same_dose():
    whole = _box(290.0, 200.0)
    some = water_box(290.0, histories=HISTORIES, depth_mm=200.0, keep={1: 0.2, 2: 0.3}, seed=9)
    pair = [_slabs(box["idd_by_component"].sel(component="light").values, 20) for box in (whole, some)]
    # statistics of light fragments in 20 mm: 1 %, and 2 % with a quarter of them
    np.testing.assert_allclose(pair[1], pair[0], rtol=0.06)
