"""Fields through metal, on a block whose path lengths are known."""

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.case.tissues import TISSUES
from doseplan.dose import implant_crossings
from doseplan.dose.fields import beam_axes


@pytest.fixture(scope="module")
def block() -> xr.Dataset:
    """Water with a plate of metal, 6 mm thick along y, behind half of the points."""
    axis = np.arange(-20.0, 21.0)
    shape = (axis.size,) * 3
    rsp, tissue = np.ones(shape, np.float32), np.full(shape, TISSUES.index("muscle"), np.uint8)
    plate = (slice(None), slice(28, 34), slice(21, None))  # y 8 to 13, x above 0
    rsp[plate], tissue[plate] = 3.2, TISSUES.index("implant")
    seen = rsp.copy()
    seen[plate] = 2.5
    data = {"rsp": rsp, "tissue": tissue, "rsp_ct": seen}
    variables = {name: schema.variable(name, values) for name, values in data.items()}
    return xr.Dataset(variables, coords={name: axis for name in "zyx"})


def fields(*gantry: float) -> xr.Dataset:
    angles = np.array(gantry)
    direction, u_axis, v_axis = beam_axes(angles, np.zeros_like(angles), np.zeros_like(angles))
    data = {"gantry": angles, "couch": np.zeros_like(angles), "direction": direction}
    data |= {"u_axis": u_axis, "v_axis": v_axis}
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


def test_path_and_range_error_are_those_of_the_plate(block: xr.Dataset) -> None:
    points = np.column_stack([np.linspace(-15.0, 15.0, 60), np.zeros(60), np.zeros(60)])
    behind, front = implant_crossings(block, fields(180.0, 0.0), points)
    # from the back the plate is upstream of the points on the left; from the front of none
    assert behind["gantry_deg"] == 180.0
    assert behind["crossed_percent"] == pytest.approx(50.0, abs=2.0)
    assert behind["longest_path_mm"] == pytest.approx(6.0, abs=1e-6)
    assert behind["worst_error_mm"] == pytest.approx(6.0 * (2.5 - 3.2), abs=1e-4)
    assert behind["mean_error_mm"] == pytest.approx(0.5 * 6.0 * (2.5 - 3.2), abs=0.1)
    assert (front["crossed_percent"], front["worst_error_mm"]) == (0.0, 0.0)
