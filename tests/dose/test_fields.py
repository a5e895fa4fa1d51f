"""Fields against the definitions of IEC 61217, step by step with rotation matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doseplan.dose.fields import beam_axes, place_fields
from doseplan.messages import InputError


def _rotation(axis, degrees):
    """Right-handed rotation matrix about a unit axis, by Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


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
    axes = beam_axes(np.array([gantry]), np.array([couch]))
    for found, expected in zip(axes, (-source, gantry_x, gantry_y), strict=True):
        # rounding of a few sines and cosines
        np.testing.assert_allclose(found[0], _iec_to_patient(expected, couch), atol=1e-14)


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
    found = beam_axes(np.array([gantry]), np.array([couch]))[0][0]
    np.testing.assert_allclose(found, direction, atol=1e-15)


@given(gantry=st.floats(0.0, 359.9), couch=st.floats(0.0, 359.9))
def test_axes_are_orthonormal_and_the_beam_comes_from_u_cross_v(gantry, couch):
    direction, u, v = (axis[0] for axis in beam_axes(np.array([gantry]), np.array([couch])))
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


def test_no_target_is_an_error(phantom_of, case_of):
    with pytest.raises(InputError, match="spot_target: expected a target of some volume, got 0 cm3"):
        place_fields(case_of(0.0), phantom_of(radius=0.1))
