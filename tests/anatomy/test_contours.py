"""Shapes from contours: volumes and distances of bodies that are known exactly."""

import numpy as np
import pytest

from doseplan.anatomy.contours import Planes, contour_shape, inside_contours
from doseplan.anatomy.surface import distance, find_surface

LIMITS = ((-40.0, 40.0), (-40.0, 40.0), (-40.0, 40.0))


def circle(radius: float, middle: tuple[float, float] = (0.0, 0.0), points: int = 240) -> np.ndarray:
    angle = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([middle[0] + radius * np.sin(angle), middle[1] + radius * np.cos(angle)])


def cylinder(radius: float, slices: int = 11, step: float = 2.0) -> Planes:
    z = step * (np.arange(slices) - (slices - 1) / 2)
    return Planes(z=z, contours=tuple((circle(radius),) for _ in z))


def ball(radius: float, step: float) -> Planes:
    z = np.arange(-radius + step / 2, radius, step)
    return Planes(z=z, contours=tuple((circle(float(np.sqrt(radius**2 - h**2))),) for h in z))


def measured(planes: Planes, step: float, points: np.ndarray) -> np.ndarray:
    shape, box = contour_shape(planes, step)
    surface = find_surface(shape, box, LIMITS, reach_mm=12.0, splits=3)
    assert surface is not None
    return distance(surface, points, sign=shape(*points.T))


def volume_cm3(planes: Planes, step: float) -> float:
    shape, box = contour_shape(planes, step)
    axes = [np.arange(low, high, 0.25) + 0.125 for low, high in box]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return float((shape(z, y, x) < 0.0).sum()) * 0.25**3 / 1000.0


def test_a_cylinder_has_its_volume_with_half_a_slice_at_each_end() -> None:
    # the lattice rounds the rims off: 2 x 56 mm of length by (0.75 mm)^2 / 2 are 0.6 %
    assert volume_cm3(cylinder(9.0), 2.0) == pytest.approx(np.pi * 81.0 * 22.0 / 1000.0, rel=0.007)


@pytest.mark.parametrize("step", [1.0, 2.0, 3.0])
def test_a_ball_has_its_volume_whatever_the_slices(step: float) -> None:
    radius = 15.0
    # chords of the profile between planes cut off step^2 / 8 r of the radius, the flat ends add about as much
    assert volume_cm3(ball(radius, step), step) == pytest.approx(
        4.0 / 3.0 * np.pi * radius**3 / 1000.0, rel=0.005 + 0.002 * step**2
    )


def test_distances_beside_a_cylinder_are_sub_voxel() -> None:
    away = np.array([-2.0, -0.5, 0.5, 1.0, 3.0, 7.5])
    points = np.column_stack([np.full(6, 0.7), np.zeros(6), 9.0 + away])
    # lattice of 0.5 mm: a circle of 9 mm is 0.5^2 / 8 r = 0.004 mm off between nodes
    np.testing.assert_allclose(measured(cylinder(9.0), 2.0, points), away, atol=0.03)


def test_distances_beyond_the_end_of_a_cylinder() -> None:
    points = np.array([[11.0 + 2.0, 0.0, 0.0], [-11.0 - 3.0, 1.0, 2.0]])
    np.testing.assert_allclose(measured(cylinder(9.0), 2.0, points), [2.0, 3.0], atol=0.05)


def test_half_a_millimetre_of_the_contour_is_half_a_millimetre_of_distance() -> None:
    points = np.column_stack([np.linspace(-6.0, 6.0, 40), np.zeros(40), np.full(40, 14.0)])
    near, far = (measured(cylinder(radius), 2.0, points) for radius in (9.5, 9.0))
    np.testing.assert_allclose(far - near, 0.5, atol=0.02)


def test_a_hole_is_outside() -> None:
    ring = Planes(z=np.arange(5.0), contours=tuple((circle(10.0), circle(4.0)) for _ in range(5)))
    shape, _ = contour_shape(ring, 1.0)
    value = shape(np.full(3, 2.0), np.zeros(3), np.array([0.0, 7.0, 12.0]))
    np.testing.assert_allclose(value, [4.0, -3.0, 2.0], atol=0.6)  # the end of the ring is 2.5 mm away
    assert (np.sign(value) == [1, -1, 1]).all()


def test_parts_far_apart_stay_apart() -> None:
    z = np.array([0.0, 2.0, 4.0, 30.0, 32.0])
    shape, _ = contour_shape(Planes(z=z, contours=((circle(5.0),),) * 5), 2.0)
    assert shape(np.array([2.0, 15.0, 31.0]), np.zeros(3), np.zeros(3))[1] > 5.0


def test_a_missing_plane_is_bridged() -> None:
    z = np.array([0.0, 2.0, 6.0, 8.0])
    shape, _ = contour_shape(Planes(z=z, contours=((circle(5.0),),) * 4), 2.0)
    assert shape(np.array([4.0]), np.zeros(1), np.zeros(1))[0] == pytest.approx(-5.0, abs=0.1)


def test_a_step_between_slices_does_not_open_the_surface() -> None:
    """Neighbouring planes that differ by a lot: every point of the surface is still found."""
    z = np.arange(0.0, 12.0, 2.0)
    radii = [4.0, 4.0, 4.0, 15.0, 15.0, 15.0]
    planes = Planes(z=z, contours=tuple((circle(radius),) for radius in radii))
    # in the middle of the slope, and well above it, the nearest surface is no further than the shape says
    points = np.column_stack([np.full(9, 5.0), np.zeros(9), np.linspace(5.0, 14.0, 9)])
    assert np.abs(measured(planes, 2.0, points)).max() < 1.0


def test_rasterising_counts_voxels_by_the_even_odd_rule() -> None:
    ring = Planes(z=np.array([0.0, 1.0]), contours=((circle(10.0), circle(4.0)),) * 2)
    axis = np.arange(-12.0, 12.1, 0.5)
    found = inside_contours(ring, np.array([0.0, 1.0, 5.0]), axis, axis)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    away = np.hypot(x, y)
    sure = (np.abs(away - 10.0) > 0.02) & (np.abs(away - 4.0) > 0.02)
    np.testing.assert_array_equal(found[0][sure], ((away < 10.0) & (away > 4.0))[sure])
    assert not found[2].any()
