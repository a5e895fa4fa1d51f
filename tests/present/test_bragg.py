"""The picture and the numbers of one Bragg curve."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from doseplan.dose import depth_dose, energy_spectra, sensitivities, spread_out_peak
from doseplan.present import (
    bragg_curve,
    bragg_numbers,
    bragg_table,
    save_figure,
    sensitivity_table,
    spectra_figure,
    spread_out_figure,
    spread_out_numbers,
    spread_out_table,
)


@pytest.fixture(scope="module")
def curve() -> xr.Dataset:
    return depth_dose(120.0, step_mm=0.2)


def test_every_panel_has_a_curve_and_a_unit(curve: xr.Dataset) -> None:
    panels = bragg_curve(curve).axes
    assert len(panels) == 5
    for panel in panels:
        assert any(np.ptp(line.get_ydata()) > 0.0 for line in panel.lines)
        assert "[" in panel.get_ylabel()
    assert panels[-1].get_xlabel() == "depth in water [mm]"


def test_every_charge_is_drawn_and_told_apart_without_colour(curve: xr.Dataset) -> None:
    lines = [line for line in bragg_curve(curve).axes[0].lines if not str(line.get_label()).startswith("_")]
    assert {line.get_label() for line in lines} == {"all", "H", "He", "Li", "Be", "B", "C"}
    # carbon and the sum are both solid, of different width
    assert len({str((line._dash_pattern, line.get_linewidth())) for line in lines}) == 7


def test_picture_is_the_same_every_time(curve: xr.Dataset, tmp_path: Path) -> None:
    first, second = (save_figure(bragg_curve(curve), tmp_path / name) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_numbers_are_those_of_the_curve(curve: xr.Dataset) -> None:
    numbers = bragg_numbers(curve)
    peak = int(np.argmax(curve["idd"].values))
    assert numbers["peak_depth_mm"] == pytest.approx(float(curve["depth"][peak]), abs=0.2)  # one step
    assert numbers["peak_let_d_kev_um"] == float(curve["let_d"][peak])
    assert sum(numbers["peak_share_by_charge"].values()) == pytest.approx(1.0, abs=1e-9)
    # RBE rises towards the end of range: that is why carbon is used
    assert numbers["peak_rbe_at_1_gy"] > 2.0 * numbers["entrance_rbe_at_1_gy"]


def test_table_has_a_row_for_the_peak(curve: xr.Dataset) -> None:
    table = bragg_table(curve)
    assert table.row_count == 10
    assert "Not for clinical use" in str(table.caption)


def test_small_fields_are_told(curve: xr.Dataset) -> None:
    shares = bragg_numbers(curve)["axis_percent_of_wide_field"]
    assert shares["20 mm"] < shares["40 mm"] <= shares["100 mm"] <= 100.0 + 1e-9


def test_spectra_have_a_panel_for_each_depth_and_lines_for_every_element() -> None:
    figure = spectra_figure(energy_spectra(120.0, [5.0, 20.0]))
    assert len(figure.axes) == 2
    labels = {line.get_label() for line in figure.axes[1].lines}
    assert labels == {"H", "He", "Li", "Be", "B", "C"}
    assert "[1/(MeV/u)]" in figure.axes[0].get_ylabel()
    assert figure.axes[1].get_xlabel() == "energy [MeV/u]"


def test_sensitivities_are_listed() -> None:
    rows = sensitivities(100.0)
    assert sensitivity_table(rows).row_count == len(rows) == 6


def test_spread_out_peak_is_drawn_and_told() -> None:
    peak = spread_out_peak(120.0, width_mm=15.0, flat="dose", level=2.0)
    numbers = spread_out_numbers(peak)
    assert numbers["places"]["middle"]["dose_gy"] == pytest.approx(2.0, rel=0.02)
    assert spread_out_table(peak).row_count == 4
    assert "flat within" in str(spread_out_table(peak).caption)
    figure = spread_out_figure(peak)
    assert [panel.get_xlabel() for panel in figure.axes] == [
        "depth in water [mm]",
        "depth in water [mm]",
        "energy [MeV/u]",
    ]
    assert all("[" in panel.get_ylabel() for panel in figure.axes)
