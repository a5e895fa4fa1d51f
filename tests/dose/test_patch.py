"""Patch fields: parts of the target meet at the cord, and so do the spots of their fields."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from doseplan import schema
from doseplan.case.spec import BeamField, Course, Delivery
from doseplan.dose import spot_courses
from doseplan.dose.curves import beams_eye_view
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.fields import place_fields
from doseplan.dose.patch import part_of_target
from doseplan.dose.spots import place_spots
from doseplan.messages import InputError

MIDDLE = (4.0, -6.0, 2.0)
"""(x, y, z) of the cord's middle and of the target around it [mm]; a corner of voxels."""

CORD_MM, INNER_MM, OUTER_MM, HALF_MM = 4.0, 5.0, 12.0, 13.0


def at(position, middle=MIDDLE):
    return [position[:, axis] - middle[axis] for axis in range(3)]


@pytest.fixture
def ring(phantom_of):
    """A tube of target around a straight cord in water, with mirror planes through the cord's middle."""
    phantom = phantom_of()
    z, y, x = (phantom[name].values - MIDDLE["xyz".index(name)] for name in "zyx")
    radius = np.hypot(y[:, None], x)
    along = np.abs(z)[:, None, None] < HALF_MM
    target = (radius > INNER_MM) & (radius < OUTER_MM) & along
    cord = (radius < CORD_MM) & np.ones_like(along)
    return phantom.assign(
        spot_target=schema.variable("spot_target", target), cord=schema.variable("cord", cord)
    )


def patched(case_of, *fields, **delivery):
    case = case_of(**delivery)
    case.fields = tuple(BeamField(gantry_deg=gantry, part=part) for gantry, part in fields)
    return case


def target_of(phantom):
    z, y, x = np.nonzero(phantom["spot_target"].values >= 0.5)
    return np.column_stack([phantom["x"].values[x], phantom["y"].values[y], phantom["z"].values[z]])


def place(case, phantom, beams):
    return place_spots(case, phantom, place_fields(case, phantom), beams)


def places_of(spots, field, beams):
    """(u, v, range) of the spots of a field."""
    own = spots["field_index"].values == field
    depth = beams["r80"].values[spots["energy_index"].values[own]]
    return np.column_stack([spots["spot_u"].values[own], spots["spot_v"].values[own], depth])


def seen_by(phantom, spots, field, points):
    """(u, v, depth) of points."""
    depth = water_equivalent_depth(phantom, spots, points)[field]
    return np.column_stack([beams_eye_view(spots, points)[field], depth])


LEFT_RIGHT = ((120.0, "left"), (240.0, "right"))
FRONT_BACK = ((180.0, "posterior"), (90.0, "anterior"))


@pytest.mark.parametrize("fields", [LEFT_RIGHT, FRONT_BACK], ids=["left_right", "anterior_posterior"])
def test_parts_make_up_the_target_and_abut_at_the_cord(ring, case_of, fields):
    case, points = patched(case_of, *fields), target_of(ring)
    one, other = (part_of_target(case, ring, field, points) for field in (0, 1))
    # voxel centres lie 1 mm on either side of the plane, so that every voxel is in exactly one part
    np.testing.assert_array_equal(one, ~other)
    x, y, _ = at(points)
    expected = {"left": x > 0, "posterior": y > 0}[fields[0][1]]
    np.testing.assert_array_equal(one, expected)


def test_the_overlap_lies_half_on_either_side_of_the_cords_middle(ring, case_of):
    case, points = patched(case_of, *LEFT_RIGHT, patch_overlap_mm=6.0), target_of(ring)
    left, right = (part_of_target(case, ring, field, points) for field in (0, 1))
    x = at(points)[0]
    np.testing.assert_array_equal(left, x >= -3.0)
    np.testing.assert_array_equal(right, x <= 3.0)


def test_the_plane_follows_the_cord_from_slice_to_slice_and_goes_on_beyond_its_ends(ring, case_of):
    case, points = patched(case_of, *LEFT_RIGHT), target_of(ring)
    z = ring["z"].values
    shift = np.round(np.clip(z - MIDDLE[2], -4.0, 4.0) / 2).astype(int)  # whole voxels of 2 mm
    cord = np.stack([np.roll(ring["cord"].values[i], shift[i], axis=1) for i in range(z.size)])
    cord[z > 8.0] = 0.0
    bent = ring.assign(cord=schema.variable("cord", cord))
    left = part_of_target(case, bent, 0, points)
    highest = 2.0 * shift[z <= 8.0][-1]
    middle = np.where(points[:, 2] > 8.0, highest, 2.0 * np.interp(points[:, 2], z, shift))
    np.testing.assert_array_equal(left, at(points)[0] >= middle)


@pytest.mark.parametrize("fields", [LEFT_RIGHT, FRONT_BACK], ids=["left_right", "anterior_posterior"])
def test_no_voxel_is_left_without_the_spots_that_an_undivided_field_has_for_it(ring, case_of, beams, fields):
    case, points = patched(case_of, *fields), target_of(ring)
    whole = patched(case_of, *((gantry, None) for gantry, _ in fields))
    spots, every = place(case, ring, beams), place(whole, ring, beams)
    reached = np.zeros(points.shape[0], dtype=bool)
    for field in (0, 1):
        own = part_of_target(case, ring, field, points)
        seen = seen_by(ring, spots, field, points[own])
        found = cKDTree(places_of(spots, field, beams)).query(seen)[0]
        wanted = cKDTree(places_of(every, field, beams)).query(seen)[0]
        np.testing.assert_allclose(found, wanted, atol=1e-5)  # rsp is float32: depths are true to 1e-6
        reached |= own
    assert reached.all()


def test_spots_keep_their_margin_outside_and_end_at_the_plane_inside(ring, case_of, beams):
    spacing, layer = 3.0, 4.0
    delivery = {"spot_spacing_mm": spacing, "layer_spacing_mm": layer, "spot_margin_mm": 5.0}
    case = patched(case_of, (90.0, "left"), (270.0, "right"), **delivery)
    whole = patched(case_of, (90.0, None), (270.0, None), **delivery)
    spots, every = place(case, ring, beams), place(whole, ring, beams)
    found, wanted = places_of(spots, 0, beams), places_of(every, 0, beams)
    # from the left the plane is at a depth of its own: the grid's edge at x = 50 is 46 mm from it
    plane = 50.0 - MIDDLE[0]
    # centres of voxels end half a voxel (1 mm) before the plane, and a spot is half a layer from its voxel
    assert abs(found[:, 2].max() - plane) <= layer / 2 + 1.0
    assert wanted[:, 2].max() > plane + OUTER_MM - layer
    # every spot of the whole target that stops in front of the plane is there: the margin outside is whole
    before = {tuple(row) for row in wanted.tolist() if row[2] < plane - layer / 2}
    assert before <= {tuple(row) for row in found.tolist()}
    assert np.abs(found[:, 1]).max() > HALF_MM  # beyond both ends along the cord


def test_mirrored_bodies_get_the_very_same_spots(case_of, beams, phantom_of):
    phantom = phantom_of()
    z, y, x = (phantom[name].values - (0.0, -6.0, 2.0)["xyz".index(name)] for name in "zyx")
    radius = np.hypot(y[:, None], x)
    along = np.abs(z)[:, None, None] < HALF_MM
    made = {
        "spot_target": (radius > INNER_MM) & (radius < OUTER_MM) & along,
        "cord": (radius < CORD_MM) & np.ones_like(along),
    }
    phantom = phantom.assign({name: schema.variable(name, values) for name, values in made.items()})
    spots = place(patched(case_of, *LEFT_RIGHT), phantom, beams)
    left, right = (places_of(spots, field, beams) for field in (0, 1))
    assert sorted(map(tuple, left.tolist())) == sorted(map(tuple, (right * [-1.0, 1.0, 1.0]).tolist()))


def test_a_field_without_part_is_not_touched(ring, case_of, beams):
    mixed = place(patched(case_of, (120.0, None), *LEFT_RIGHT), ring, beams)
    alone = place(patched(case_of, (120.0, None), (240.0, None)), ring, beams)
    np.testing.assert_array_equal(places_of(mixed, 0, beams), places_of(alone, 0, beams))


def test_what_lies_behind_the_cord_is_told(ring, case_of, beams):
    def notes(*fields):
        spots = place(patched(case_of, *fields), ring, beams)
        return [line for line in spots.attrs["assumptions"] if "behind the cord" in line]

    assert notes((90.0, "left"), (270.0, "right")) == []
    wrong = notes((270.0, "left"), (90.0, "right"))  # each from the other side
    assert [line.split(":")[0] for line in wrong] == ["fields[0]", "fields[1]"]
    percent = float(wrong[0].split()[1])
    # behind the cord lies the part of the half ring with |y| below its radius, behind at least 0.5 mm of it
    x, y, _ = at(target_of(ring))
    shadow = 100.0 * np.mean(np.abs(y[x > 0]) < CORD_MM)
    assert percent == pytest.approx(shadow, abs=0.1)  # one decimal is written


def test_no_cord_and_no_target_on_its_side_are_errors(ring, case_of, beams, phantom_of):
    case = patched(case_of, *LEFT_RIGHT)
    empty = ring.assign(cord=xr.zeros_like(ring["cord"]))
    with pytest.raises(InputError, match="cord: expected a cord or cauda equina to divide the target at"):
        place(case, empty, beams)
    beside = ring.assign(spot_target=ring["spot_target"] * (ring["x"] > MIDDLE[0] + 8.0).astype(np.float32))
    message = r"fields\[1\].part: expected target on the right of the cord, got none"
    with pytest.raises(InputError, match=message):
        place(case, beside.assign(spot_target=schema.variable("spot_target", beside["spot_target"])), beams)


def test_a_field_has_to_reach_its_own_part_only(case_of, beams, phantom_of):
    """From the left, the far side of the target lies 84 mm deep; the library reaches 80 mm."""
    phantom = phantom_of(centre=(-20.0, -6.0, 2.0), radius=15.0)
    x, y = phantom["x"].values + 20.0, phantom["y"].values + 6.0
    cord = np.broadcast_to(np.hypot(y[:, None], x) < CORD_MM, phantom["rsp"].shape)
    phantom = phantom.assign(cord=schema.variable("cord", cord))
    with pytest.raises(InputError, match=r"fields\[0\]: expected a target within 80.0 mm of water"):
        place(patched(case_of, (90.0, None), (270.0, None)), phantom, beams)
    spots = place(patched(case_of, (90.0, "left"), (270.0, "right")), phantom, beams)
    assert places_of(spots, 0, beams)[:, 2].max() <= 70.0 + 3.0  # the plane and a layer
    # the near side begins 15 mm behind the skin on the right, in front of the shortest range
    assert [line.split(":")[0] for line in spots.attrs["assumptions"] if "in front of" in line] == [
        "fields[1]"
    ]


def test_spots_carry_the_days_of_their_fields(ring, case_of, beams):
    case = patched(case_of, (90.0, None), (270.0, None))
    case.course = (Course(fields=("field 2",), fractions=10), Course(fields=("field 1",), fractions=6))
    spots = place(case, ring, beams)
    course, fractions = spot_courses(case, spots)
    assert fractions == (10, 6)
    assert np.array_equal(course, 1 - spots["field_index"].values)


def test_the_overlap_widens_both_sides(ring, case_of, beams):
    def count(overlap_mm):
        spots = place(patched(case_of, *LEFT_RIGHT, patch_overlap_mm=overlap_mm), ring, beams)
        return spots.sizes["spot"]

    assert Delivery().patch_overlap_mm == 0.0
    assert count(0.0) < count(8.0) < count(20.0)
