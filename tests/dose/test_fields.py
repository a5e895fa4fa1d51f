"""Fields against the definitions of IEC 61217, step by step with rotation matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from doseplan.case.spec import BeamField, Course
from doseplan.dose.fields import beam_axes, place_fields
from doseplan.messages import InputError


def _rotation(axis, degrees):
    """Right-handed rotation matrix about a unit axis, by Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _axes(gantry, couch=0.0, roll=0.0):
    """Direction, u and v of one field."""
    return [axis[0] for axis in beam_axes(*(np.array([float(angle)]) for angle in (gantry, couch, roll)))]


def _iec_to_patient(vector, couch):
    """Fixed frame (x right, y to the gantry, z up) -> couch -> patient LPS, head first supine.

    The couch carries the patient, so in the patient's eyes the room turns the other way. On the couch the
    patient's left is +x, the head +y, the nose (anterior) +z.
    """
    x, y, z = _rotation((0, 0, 1), couch).T @ vector
    return np.array([x, -z, y])


@given(gantry=st.floats(0.0, 359.9), couch=st.floats(0.0, 359.9))
def test_axes_follow_iec_61217(gantry, couch):
    # the gantry turns clockwise as one faces it, from the source straight above: right-handed about +y
    turned = _rotation((0, 1, 0), gantry)
    source, gantry_x, gantry_y = turned @ [0, 0, 1], turned @ [1, 0, 0], turned @ [0, 1, 0]
    for found, expected in zip(_axes(gantry, couch), (-source, gantry_x, gantry_y), strict=True):
        # rounding of a few sines and cosines
        np.testing.assert_allclose(found, _iec_to_patient(expected, couch), atol=1e-14)


@given(gantry=st.floats(0.0, 359.9), couch=st.floats(0.0, 359.9), roll=st.floats(-45.0, 45.0))
def test_gantry_couch_and_roll_compose_as_in_scipy(gantry, couch, roll):
    # gantry to room; table top to table (about y) to room (about z): intrinsic turns from the room inwards
    to_room = Rotation.from_euler("Y", gantry, degrees=True)
    top_to_room = Rotation.from_euler("ZY", [couch, roll], degrees=True)
    on_top = (top_to_room.inv() * to_room).apply([[0, 0, -1], [1, 0, 0], [0, 1, 0]])
    expected = on_top[:, [0, 2, 1]] * [1, -1, 1]  # left, head, up to left, back, head
    np.testing.assert_allclose(_axes(gantry, couch, roll), expected, atol=1e-14)  # rounding


@given(gantry=st.floats(0.0, 359.9), roll=st.floats(-45.0, 45.0))
def test_a_roll_at_couch_0_is_a_gantry_turn_the_other_way(gantry, roll):
    np.testing.assert_allclose(_axes(gantry, 0.0, roll), _axes(gantry - roll), atol=1e-14)


def test_a_positive_roll_takes_the_left_down():
    # the left lies lower, so that a beam from straight above comes in from the patient's right front
    direction, _, _ = _axes(0.0, roll=20.0)
    np.testing.assert_allclose(direction, [np.sin(np.radians(20)), np.cos(np.radians(20)), 0.0], atol=1e-15)


@given(couch=st.floats(0.0, 359.9), roll=st.floats(-45.0, 45.0))
def test_a_roll_turns_about_the_patients_long_axis_at_any_couch_angle(couch, roll):
    flat, rolled = _axes(70.0, couch), _axes(70.0, couch, roll)
    np.testing.assert_array_equal(np.array(flat)[:, 2], np.array(rolled)[:, 2])


def test_without_roll_not_a_bit_differs_from_the_formulas_of_gantry_and_couch():
    angle = np.arange(0.0, 360.0, 7.5)
    gantry, couch = (turned.ravel() for turned in np.meshgrid(angle, angle))
    g, c = np.radians(gantry), np.radians(couch)
    expected = np.stack([-np.sin(g) * np.cos(c), np.cos(g), np.sin(g) * np.sin(c)], axis=1)
    found = beam_axes(gantry, couch, np.zeros_like(gantry))[0]
    assert found.tobytes() == expected.tobytes()  # signs of zero too


@pytest.mark.parametrize(
    ("gantry", "couch", "direction"),
    [
        (0.0, 0.0, (0, 1, 0)),  # from anterior, towards posterior
        (90.0, 0.0, (-1, 0, 0)),  # from the patient's left, towards the right
        (180.0, 0.0, (0, -1, 0)),  # from posterior
        (150.0, 0.0, (-0.5, -np.sqrt(0.75), 0)),  # from left posterior
        # couch 90 takes the head from the gantry to the left of one who faces it; the source is at the
        # right, which is where the feet are: the beam runs towards the head
        (90.0, 90.0, (0, 0, 1)),
    ],
)
def test_named_directions(gantry, couch, direction):
    found = _axes(gantry, couch)[0]
    np.testing.assert_allclose(found, direction, atol=1e-15)


@given(gantry=st.floats(0.0, 359.9), couch=st.floats(0.0, 359.9))
def test_axes_are_orthonormal_and_the_beam_comes_from_u_cross_v(gantry, couch):
    direction, u, v = _axes(gantry, couch)
    matrix = np.stack([u, v, -direction])
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-14)


def test_fields_meet_in_the_centroid_of_the_target(phantom_of, case_of):
    phantom = phantom_of(centre=(4.0, -6.0, 1.0))
    fields = place_fields(case_of(150.0, 210.0), phantom)
    # the ball's centre is a voxel corner or centre, so its voxels lie symmetrically around it... up to the
    # float32 of spot_target, which is exact for 0 and 1
    z, y, x = np.nonzero(phantom["spot_target"].values)
    mean = [phantom["x"].values[x].mean(), phantom["y"].values[y].mean(), phantom["z"].values[z].mean()]
    np.testing.assert_allclose(fields["isocentre"].values, mean, atol=1e-12)
    assert any("parallel beams" in line for line in fields.attrs["assumptions"])


def test_rolls_parts_names_and_days_are_in_the_fields(phantom_of, case_of):
    case = case_of()
    case.fields = (
        BeamField(gantry_deg=135.0, roll_deg=10.0, part="left", name="patch"),
        BeamField(gantry_deg=225.0, part="right"),
        BeamField(gantry_deg=180.0),
    )
    fields = place_fields(case, phantom_of())
    assert fields["roll"].values.tolist() == [10.0, 0.0, 0.0]
    assert fields["part"].values.tolist() == [1, 2, 0]
    assert fields.attrs["field_names"] == ["patch", "field 2", "field 3"]
    assert fields["course_index"].values.tolist() == [0, 0, 0]
    assert fields["course_fractions"].values.tolist() == [16]
    case.course = (
        Course(fields=("field 3",), fractions=5),
        Course(fields=("field 2", "patch"), fractions=11),
    )
    days = place_fields(case, phantom_of())
    assert days["course_index"].values.tolist() == [1, 1, 0]
    assert days["course_fractions"].values.tolist() == [5, 11]


def test_no_target_is_an_error(phantom_of, case_of):
    with pytest.raises(InputError, match="spot_target: expected a target of some volume, got 0 cm3"):
        place_fields(case_of(0.0), phantom_of(radius=0.1))
