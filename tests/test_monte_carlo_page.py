"""What docs/monte_carlo.md says is what docs/monte_carlo.json holds, and every part has its figure."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import update_montecarlo as script
import xarray as xr

from doseplan import schema
from doseplan.anatomy import build_phantom
from doseplan.case import bundled_cases, load_case

ROOT = Path(__file__).parent.parent


def test_the_page_is_that_of_the_stored_record() -> None:
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    assert script.PAGE.read_text(encoding="utf-8") == script.page(record)
    for name in record:
        assert (ROOT / "docs" / f"monte_carlo_{name}.png").is_file()
        assert not record[name]["commit"].endswith("+"), f"{name}: made with files that were not committed"


def test_differences_are_counted_where_they_are() -> None:
    axes = {n: schema.variable(n, 2.0 * np.arange(4)) for n in "zyx"}
    dose = np.full((4, 4, 4), 50.0)
    dose[0] = 1.0
    found = xr.Dataset({"dose_rbe": (("z", "y", "x"), dose)}, coords=axes)
    smooth = np.zeros((4, 4, 4))
    smooth[1, 2, 3], smooth[0, 0, 0], smooth[2, 0, 0] = -3.0, 9.0, 2.0
    sigma = np.full((4, 4, 4), 0.5)
    sigma[2, 0, 0] = 1.0
    inside = np.zeros((4, 4, 4), dtype=bool)
    inside[:, :, 2:] = True
    row = script.by_region(found, smooth, sigma, {"half": inside, "rest": ~inside}, 64.0)
    # the slice of 1 GyE is below a tenth of the full dose; 3 of 64 GyE are 4.7 %, six standard deviations
    assert row["half"]["voxels"] == 24
    assert row["half"]["largest_percent"] == pytest.approx(-300.0 / 64.0)
    assert row["half"]["at_mm"] == [6.0, 4.0, 2.0]
    assert row["half"]["beyond_percent"] == pytest.approx(100.0 / 24.0)
    assert row["rest"]["beyond_percent"] == 0.0


def test_regions_of_a_patient_share_no_voxel() -> None:
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    case = replace(case, grid=replace(case.grid, voxel_mm=2.0))
    phantom = build_phantom(case, separation_mm=3.0)
    regions = script.patient_regions(phantom, np.array([1, 1, 1]))
    assert (np.sum(list(regions.values()), axis=0) == 1).all()
    volume = 8e-3 * regions["cord"].sum()
    # voxels of 2 mm that are mostly cord
    assert volume == pytest.approx(phantom.attrs["cord_cm3"], rel=0.05)
    assert regions["strip"].any()
    assert regions["bone"].any()
