import numba
import numpy as np
import pytest
from scipy.spatial import cKDTree

from doseplan.kernels.distance import nearest_points, surface_distance


@pytest.fixture(scope="module")
def ellipsoid():
    """Points on an ellipsoid of 4, 6 and 9 mm, evenly enough, with normals and neighbours."""
    n = 6000
    k = np.arange(n) + 0.5
    polar, turn = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
    unit = np.column_stack([np.cos(polar), np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn)])
    axes = np.array([4.0, 6.0, 9.0])
    points = unit * axes
    normals = unit / axes
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    neighbours = cKDTree(points).query(points, k=12)[1].astype(np.int32)
    origin = np.array([-12.0, -14.0, -16.0])
    nearest = np.empty((13, 15, 17), np.int32)
    squared = np.empty(nearest.shape)
    nearest_points((points - origin) / 2.0, nearest, squared)
    return points, normals, neighbours, nearest, squared, origin


def positions(count: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(-12.0, 12.0, (count, 3))


def measure(ellipsoid, position):
    points, normals, neighbours, nearest, _, origin = ellipsoid
    out, clear = np.empty(len(position)), np.empty(len(position), bool)
    surface_distance(position, points, normals, neighbours, nearest, origin, 2.0, 0.35, clear, out)
    return out, clear


def test_nodes_keep_a_point_near_the_nearest(ellipsoid, naive):
    points, _, _, nearest, squared, origin = ellipsoid
    twin = naive("naive_distance")
    some = np.random.default_rng(3).integers(0, nearest.shape, (60, 3))
    for node in some:
        best = twin.nearest_distance(points, origin + 2.0 * node)
        kept = 2.0 * np.sqrt(squared[tuple(node)])
        # the method may keep a neighbour of the nearest point: points are 0.3 to 0.4 mm apart
        assert best - 1e-9 <= kept <= best + 0.4


def test_distance_equals_its_twin(ellipsoid, naive):
    points, normals = ellipsoid[:2]
    twin = naive("naive_distance")
    position = positions(80)
    slow = [twin.surface_distance(points, normals, where, 0.35) for where in position]
    # the walk may stop at another point that is as near; planes through both differ by 0.01 mm
    np.testing.assert_allclose(measure(ellipsoid, position)[0], slow, atol=0.02)


def test_sign_is_that_of_the_ellipsoid_where_it_is_clear(ellipsoid):
    position = positions(2000)
    found, clear = measure(ellipsoid, position)
    inside = np.sum((position / [4.0, 6.0, 9.0]) ** 2, axis=1) < 1.0
    np.testing.assert_array_equal((found < 0.0)[clear], inside[clear])
    near = np.abs(found) < 2.0
    assert clear[near].mean() > 0.9  # a smooth surface has no edges; points on it or deep inside are unclear
    assert not clear[~near].any()


def test_one_and_two_threads_give_the_same_bits(ellipsoid):
    position = positions(5000)
    before = numba.get_num_threads()
    found = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        found.append(measure(ellipsoid, position)[0])
    numba.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_no_points_are_infinitely_far():
    nearest = np.empty((3, 3, 3), np.int32)
    squared = np.empty((3, 3, 3))
    none = np.empty((0, 3))
    nearest_points(none, nearest, squared)
    assert (nearest == -1).all()
    out, clear = np.empty(1), np.empty(1, bool)
    neighbours = np.empty((0, 1), np.int32)
    surface_distance(np.ones((1, 3)), none, none, neighbours, nearest, np.zeros(3), 1.0, 0.3, clear, out)
    assert np.isinf(out[0])
