"""Spread-out peaks: flat where they are said to be, for any ion, depth and width."""

import numpy as np
import pytest

from doseplan.dose import spread_out_peak
from doseplan.messages import InputError


def _flat(peak):
    name = "dose" if peak.attrs["flat"] == "dose" else "dose_rbe"
    inside = (peak["depth"] >= peak.attrs["proximal_mm"]) & (peak["depth"] <= peak.attrs["distal_mm"])
    return peak[name].values[inside.values]


@pytest.mark.parametrize(
    "arguments",
    [
        {"energy": 350.0, "width_mm": 60.0},
        {"distal_mm": 120.0, "width_mm": 30.0},
        {"energy": 200.0, "flat": "dose", "level": 2.0},
        {"energy": 150.0, "width_mm": 40.0, "scale": "LEM1"},
        {"energy": 150.0, "width_mm": 50.0, "ion": "1H", "flat": "dose"},
        {"energy": 180.0, "width_mm": 30.0, "ripple_filter_mm": 0.0},
        {"distal_mm": 150.0, "width_mm": 80.0, "nozzle_mm": 3.0, "air_gap_mm": 500.0},
    ],
)
def test_flat_part_is_flat(arguments):
    peak = spread_out_peak(**arguments)
    dose = _flat(peak)
    level = arguments.get("level", 4.0)
    # the promise: within 2 % of the level
    assert np.abs(dose / level - 1.0).max() < 0.02
    assert peak.attrs["flatness_percent"] <= 2.0
    stated = 100.0 * (dose.max() - dose.min()) / (dose.max() + dose.min())
    assert peak.attrs["flatness_percent"] == pytest.approx(stated, rel=1e-12)
    assert (peak["weight"].values >= 0.0).all()
    if "distal_mm" in arguments:
        assert peak.attrs["distal_mm"] == pytest.approx(arguments["distal_mm"], abs=0.1)


def test_dose_rises_towards_the_peak_and_falls_behind():
    peak = spread_out_peak(250.0, width_mm=40.0, flat="dose", level=1.0)
    dose = peak["dose"]
    assert float(dose[0]) < 0.8
    assert float(dose.interp(depth=peak.attrs["distal_mm"] + 10.0)) < 0.2
    assert peak.attrs["r80_mm"] - peak.attrs["distal_mm"] < 4.0


def test_flat_in_gye_needs_less_dose_where_let_is_high():
    peak = spread_out_peak(250.0, width_mm=50.0)
    inside = peak.sel(depth=slice(peak.attrs["proximal_mm"], peak.attrs["distal_mm"]))
    assert float(inside["dose"][-1]) < 0.8 * float(inside["dose"][0])
    assert float(inside["let_d"][-1]) > 1.5 * float(inside["let_d"][0])
    assert peak["dose_rbe"].attrs["scale"] == "NIRS"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"^energy, distal_mm: expected one of both, got None and None"),
        ({"energy": 200.0, "distal_mm": 80.0}, r"^energy, distal_mm: expected one of both"),
        ({"energy": 200.0, "width_mm": 90.0}, r"^width_mm: expected less than the depth of 8"),
        ({"energy": 200.0, "width_mm": -1.0}, r"^width_mm: expected 5 <= width_mm <= 300"),
        ({"energy": 200.0, "flat": "let"}, r"^flat: expected dose or rbe, got 'let'"),
        ({"energy": 200.0, "scale": "RBE"}, r"^scale: expected one of NIRS, LEM1, got 'RBE'"),
        ({"energy": 2000.0}, r"^energy: expected 50 <= energy <= 430"),
        ({"distal_mm": 900.0}, r"^energy: expected 50 <= energy <= 430"),
    ],
)
def test_peaks_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        spread_out_peak(**arguments)
