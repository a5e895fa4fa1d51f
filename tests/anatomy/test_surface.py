import numpy as np
import pytest

from doseplan.anatomy.shapes import common, ellipse, ellipsoid, oblique_ellipse, slab, union
from doseplan.anatomy.surface import distance, find_surface, surface_points

LIMITS = ((-20.0, 20.0), (-20.0, 20.0), (-20.0, 20.0))


def positions(count: int = 4000) -> np.ndarray:
    return np.random.default_rng(11).uniform(-16.0, 16.0, (count, 3))


@pytest.mark.parametrize(("radius", "splits"), [(4.0, 3), (6.5, 3), (14.0, 2)])
def test_distance_to_a_sphere_is_true(radius: float, splits: int) -> None:
    # a wrong scale of the implicit function must not matter
    sphere = find_surface(
        lambda z, y, x: 0.8 * (np.sqrt(x * x + y * y + z * z) - radius),
        ((-radius - 1, radius + 1),) * 3,
        LIMITS,
        splits=splits,
    )
    assert sphere is not None
    where = positions()
    true = np.linalg.norm(where, axis=1) - radius
    kept = true > 1.0 - radius  # the centre is as far from every point
    # chord of a third of a millimetre on this sphere: below 0.05 mm, as promised near surfaces
    np.testing.assert_allclose(distance(sphere, where)[kept], true[kept], atol=0.05)


def test_distance_to_a_tube_is_true_and_goes_on_at_the_end_of_the_grid() -> None:
    tube = find_surface(
        lambda z, y, x: ellipse(x, y, 4.0, 4.0) + 0.0 * z,
        ((-25.0, 25.0), (-6.0, 6.0), (-6.0, 6.0)),
        LIMITS,
        splits=3,
    )
    assert tube is not None
    where = positions()
    true = np.hypot(where[:, 1], where[:, 2]) - 4.0
    np.testing.assert_allclose(distance(tube, where), true, atol=0.05)


def test_distance_to_a_ball_cut_by_a_plane_is_true_at_the_faces() -> None:
    half = find_surface(
        lambda z, y, x: common(np.sqrt(x * x + y * y + z * z) - 10.0, -x), ((-11.0, 11.0),) * 3, LIMITS
    )
    assert half is not None
    at = np.array([[0.0, 0.0, -3.0], [0.0, 0.0, 0.5], [0.0, 2.0, 2.0], [0.0, 0.0, 12.0]])
    # points half a millimetre apart: 0.02 mm on a ball of 10 mm
    np.testing.assert_allclose(distance(half, at), [3.0, -0.5, -2.0, 2.0], atol=0.03)


def test_surface_points_lie_on_the_surface_and_leave_no_hole() -> None:
    points, normals = surface_points(
        lambda z, y, x: ellipsoid(x, y, z, (9.0, 6.0, 4.0)), ((-5.0, 5.0), (-7.0, 7.0), (-10.0, 10.0))
    )
    on = np.sum((points / [4.0, 6.0, 9.0]) ** 2, axis=1)
    np.testing.assert_allclose(on, 1.0, atol=5e-3)  # 0.005 mm is the tolerance of arrival
    true = points / np.array([4.0, 6.0, 9.0]) ** 2
    true /= np.linalg.norm(true, axis=1)[:, None]
    assert np.sum(true * normals, axis=1).min() > 0.999
    random = np.random.default_rng(5).normal(size=(2000, 3))
    on_surface = random / np.linalg.norm(random / [4.0, 6.0, 9.0], axis=1)[:, None]
    gap = np.min(np.linalg.norm(on_surface[:, None] - points[None], axis=2), axis=1)
    assert gap.max() < 0.35


def test_nothing_to_find_gives_none() -> None:
    assert find_surface(lambda z, y, x: x + y + z + 1e3, LIMITS, LIMITS) is None


def test_first_order_distances_agree_with_circles_and_balls() -> None:
    u = np.linspace(0.5, 12.0, 40)
    np.testing.assert_allclose(ellipse(u, 0.0 * u, 5.0, 5.0), u - 5.0, atol=1e-6)
    np.testing.assert_allclose(ellipsoid(u, 0.0 * u, 0.0 * u, (5.0, 5.0, 5.0)), u - 5.0, atol=1e-6)
    turned = oblique_ellipse(u, 0.3 * u, 25.0, 9.0, 0.0)
    np.testing.assert_allclose(turned, ellipse(u, 0.3 * u, 5.0, 3.0), atol=1e-6)


def test_blends_touch_only_the_edge() -> None:
    a, b = slab(np.array([0.0, 3.0, 9.0]), -1.0, 1.0), slab(np.array([0.0, 3.0, 9.0]), 2.0, 4.0)
    np.testing.assert_allclose(union(a, b, 0.5), np.minimum(a, b))
    assert union(np.array(0.1), np.array(0.1), 1.0) < 0.1
