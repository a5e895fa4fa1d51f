"""Ray tracing through voxels: equal to its slow twin, exact in a uniform medium, same bits on any threads."""

import numpy as np

from doseplan.kernels.tracing import water_equivalent_depth

LOWER = np.array([-11.0, 4.0, 2.5])
SPACING = np.array([2.0, 1.5, 2.5])


def _grid(seed=0, shape=(7, 9, 8)):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def _directions():
    oblique = np.random.default_rng(1).normal(size=(6, 3))
    along = np.concatenate([np.eye(3), -np.eye(3)])
    nearly = [[1.0, 1e-17, 0.0], [-1e-9, -1.0, 1e-12]]
    all_of_them = np.concatenate([oblique, along, nearly])
    return all_of_them / np.linalg.norm(all_of_them, axis=1)[:, np.newaxis]


def _points(rsp, count=25):
    """Random points inside, a voxel corner, and a voxel centre."""
    rng = np.random.default_rng(2)
    size = SPACING * np.array(rsp.shape[::-1])
    inside = LOWER + size * rng.uniform(0.001, 0.999, (count, 3))
    return np.concatenate([inside, [LOWER + 3 * SPACING, LOWER + 3.5 * SPACING]])


def _trace(rsp, points, directions):
    out = np.full((len(directions), len(points)), np.nan)
    water_equivalent_depth(rsp, LOWER, SPACING, points, directions, out)
    return out


def test_tracing_equals_its_slow_twin(naive):
    rsp = _grid()
    points, directions = _points(rsp), _directions()
    # a ray that runs exactly in a face between two voxels may take either: leave the corner to oblique rays
    twin = naive("naive_dose").water_equivalent_depth
    found = _trace(rsp, points, directions)
    for field, direction in enumerate(directions):
        for point in range(len(points) - (2 if field >= 6 else 0)):
            expected = twin(rsp, LOWER, SPACING, points[point], direction)
            # the twin sorts rounded cuts: pieces of 1e-14 mm may fall to the neighbour
            assert abs(found[field, point] - expected) < 1e-11


def test_depth_is_the_distance_to_the_edge_in_water():
    rsp = np.ones((7, 9, 8), np.float32)
    points, directions = _points(rsp), _directions()[:6]
    size = SPACING * np.array(rsp.shape[::-1])
    with np.errstate(divide="ignore"):
        to_face = np.where(
            directions[:, np.newaxis] > 0.0,
            (points - LOWER) / directions[:, np.newaxis],
            (points - LOWER - size) / directions[:, np.newaxis],
        )
    # float64 sum of about 20 pieces of a few mm
    np.testing.assert_allclose(_trace(rsp, points, directions), to_face.min(axis=2), rtol=0, atol=1e-12)


def test_path_is_additive_along_a_ray():
    """The depth of a point further down exceeds that of the first by the pieces between, in a fixed order."""
    rsp = _grid(5, (20, 20, 20))
    direction = np.array([[0.6, 0.64, 0.48]])
    start = LOWER + SPACING * np.array([6.3, 7.1, 5.7])
    way = np.linspace(0.0, 10.0, 4001)
    points = start + way[:, np.newaxis] * direction
    depth = _trace(rsp, points, direction)[0]
    index = np.floor((points - LOWER) / SPACING).astype(int)
    ratio = rsp[index[:, 2], index[:, 1], index[:, 0]]
    middle = 0.5 * (ratio[1:] + ratio[:-1]) * np.diff(way)
    # a step of 0.0025 mm that crosses a face is split at its middle: error up to 0.00125 mm per crossing of
    # which there are at most 15, random in sign
    assert np.all(np.diff(depth) > 0.0)
    np.testing.assert_allclose(depth - depth[0], np.concatenate([[0.0], np.cumsum(middle)]), atol=0.01)


def test_tracing_gives_the_same_bits_on_one_and_two_threads(naive):
    with_threads = naive("naive_dose").with_threads
    rsp = _grid()
    points, directions = _points(rsp, 400), _directions()
    one, two = (with_threads(count, lambda: _trace(rsp, points, directions)) for count in (1, 2))
    np.testing.assert_array_equal(one, two)
