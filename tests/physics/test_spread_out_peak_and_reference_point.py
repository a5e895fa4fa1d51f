"""A spread-out peak of 60 mm with 350 MeV/u and the reference points of the NIRS scale.

The clinical scale was made so that the RBE is 3.0 where the dose-mean LET is 80 keV/um (Kanai 1999, from
memory), and its reference radiation, z* 9.626 Gy, is the middle of such a peak (Inaniwa et al. 2015,
doi:10.1088/0031-9155/60/8/3271). Nothing of the beam was made with these numbers. 4 GyE in one fraction,
ripple filter 3 mm.
"""

import numpy as np
import pytest

from doseplan.dose import depth_dose, spread_out_peak
from doseplan.dose.components import central_axis_share


@pytest.fixture(scope="module")
def peak():
    return spread_out_peak(350.0, width_mm=60.0)


def _at(peak, name, depth):
    return float(peak[name].interp(depth=depth))


def test_flatness(compare, peak):
    compare(
        "Flatness in GyE over 60 mm",
        peak.attrs["flatness_percent"],
        0.0,
        tolerance=2.0,
        absolute=True,
        unit="%",
        why="asked for",
    )


def test_middle_is_the_reference_radiation(compare, peak):
    middle = peak.attrs["distal_mm"] - 30.0
    compare(
        "z* in the middle of the peak",
        _at(peak, "z_star_mean", middle),
        9.626,
        tolerance=0.10,
        unit="Gy",
        why="passive beam with other straggling; where the reference lies is not known to 3 mm, 4 % of z*",
    )
    compare(
        "Clinical RBE in the middle of the peak",
        _at(peak, "dose_rbe", middle) / _at(peak, "dose", middle),
        2.41,
        tolerance=0.05,
        why="the factor of the reference radiation; follows z* at half its deviation",
    )


def test_rbe_at_80_kev_per_micrometre(compare, peak):
    inside = peak.sel(depth=slice(peak.attrs["proximal_mm"], peak.attrs["r80_mm"]))
    place = float(np.interp(80.0, inside["let_d"], inside["depth"]))
    compare(
        "Clinical RBE where LETd is 80 keV/um",
        _at(peak, "dose_rbe", place) / _at(peak, "dose", place),
        3.0,
        tolerance=0.25,
        absolute=True,
        why="dose-independent RBE of the older system against one that falls with dose",
    )


def test_rbe_at_the_entrance(compare, peak):
    compare(
        "Clinical RBE at the entrance",
        float(peak["dose_rbe"][0] / peak["dose"][0]),
        1.4,
        tolerance=0.2,
        absolute=True,
        why="orientation only: 1.3 to 1.5 is commonly quoted for 350 MeV/u, from memory",
    )


def test_small_field_against_a_wide_one():
    missing = {energy: _missing(energy) for energy in (200.0, 400.0)}
    # published are a few per cent between small and wide passive fields (Kusano, abstract)
    assert 2.0 < missing[400.0] < 10.0
    # with fewer reactions and shorter ways there is less to miss
    assert missing[200.0] < 0.3 * missing[400.0]


def _missing(energy):
    curve = depth_dose(energy)
    parts = curve["idd_by_component"].values, curve["lateral_sigma"].values
    share = central_axis_share(*parts, field_mm=40.0, air_sigma_mm=4.0)
    return 100.0 * (1.0 - float(np.interp(0.9 * curve.attrs["r80_mm"], curve["depth"], share)))
