"""Water-equivalent depth in phantoms: known answers, and what is not accepted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.fields import place_fields
from doseplan.messages import InputError


def test_depth_in_water_is_the_distance_to_the_skin(phantom_of, case_of):
    phantom = phantom_of()
    points = np.array([[0.0, 0.0, 0.0], [12.3, -40.0, 5.0]])
    fields = place_fields(case_of(0.0, 90.0, 180.0), phantom)
    depth = water_equivalent_depth(phantom, fields, points)
    # box from (-50, -52, -38) to (50, 40, 42): from anterior, from the left, from posterior; the sine of
    # 180 degrees is 1e-16, which shifts nothing by more than 1e-12 mm
    np.testing.assert_allclose(depth, [[52.0, 12.0], [50.0, 37.7], [40.0, 80.0]], atol=1e-12)


@settings(max_examples=25)
@given(ratio=st.floats(0.1, 2.0), gantry=st.floats(0.0, 359.0), couch=st.floats(0.0, 359.0))
def test_depth_scales_with_a_uniform_rsp(phantom_of, case_of, ratio, gantry, couch):
    water, other = phantom_of(), phantom_of(np.full((40, 46, 50), ratio))
    points = np.array([[1.0, 2.0, 3.0], [-20.5, 10.1, -7.7]])
    fields = place_fields(case_of(gantry, couch=couch), water)
    depth = water_equivalent_depth(water, fields, points)
    # rsp is stored in float32
    expected = float(np.float32(ratio)) * depth
    np.testing.assert_allclose(water_equivalent_depth(other, fields, points), expected, rtol=1e-12)


def test_a_slab_adds_its_thickness_times_rsp(phantom_of, case_of):
    rsp = np.ones((40, 46, 50))
    rsp[:, 10:15] = 1.7
    phantom = phantom_of(rsp)
    fields = place_fields(case_of(0.0, 45.0), phantom)
    point = np.array([[-30.0, 10.0, 0.0]])
    depth = water_equivalent_depth(phantom, fields, point)[:, 0]
    # 62 mm of water and 0.7 x 10 mm more; at 45 degrees both paths are sqrt(2) longer
    np.testing.assert_allclose(depth, [69.0, 69.0 * np.sqrt(2.0)], rtol=1e-7)


def test_points_outside_the_grid_are_an_error(phantom_of, case_of):
    phantom = phantom_of()
    fields = place_fields(case_of(0.0), phantom)
    with pytest.raises(InputError, match=r"points: expected inside the grid .* got 1 outside, the first at"):
        water_equivalent_depth(phantom, fields, np.array([[0.0, 0.0, 0.0], [0.0, 41.0, 0.0]]))


def test_an_uneven_grid_is_an_error(phantom_of, case_of):
    phantom = phantom_of()
    fields = place_fields(case_of(0.0), phantom)
    uneven = phantom["x"].values.copy()
    uneven[3] += 0.5
    with pytest.raises(InputError, match="evenly spaced x"):
        water_equivalent_depth(phantom.assign_coords(x=uneven), fields, np.zeros((1, 3)))
