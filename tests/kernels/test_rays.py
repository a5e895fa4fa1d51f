"""What rays meet: equal to integrals cut piece by piece, exact in water."""

import numpy as np

from doseplan.kernels.rays import trace_rays

LOWER = np.array([-11.0, 4.0, 2.5])
SPACING = np.array([2.0, 1.5, 2.5])
FIRST, STEP, NODES = -20.0, 0.9, 60


def _matter(shape=(7, 9, 8), seed=0):
    return np.random.default_rng(seed).uniform(0.2, 2.0, (*shape, 3)).astype(np.float32)


def _trace(matter, start, direction, reference=60.0):
    out = np.full((len(start), NODES, 4), np.nan, np.float32)
    trace_rays(matter, LOWER, SPACING, start, direction, FIRST, STEP, np.full(len(start), reference), out)
    return out


def _directions():
    oblique = np.random.default_rng(1).normal(size=(8, 3))
    along = np.concatenate([np.eye(3), -np.eye(3)])
    every = np.concatenate([oblique, along, [[1.0, 1e-17, 0.0], [-1e-9, -1.0, 1e-12]]])
    return every / np.linalg.norm(every, axis=1)[:, np.newaxis]


def test_rays_equal_their_slow_twin(naive):
    matter, directions = _matter(), _directions()
    middle = LOWER + 0.5 * SPACING * np.array(matter.shape[2::-1])
    start = middle + np.random.default_rng(2).uniform(-3.0, 3.0, directions.shape)
    found = _trace(matter, start, directions)
    trace = naive("naive_dose").trace_ray
    for ray, (point, direction) in enumerate(zip(start, directions, strict=True)):
        for node in range(0, NODES, 7):
            expected = trace(matter, LOWER, SPACING, point, direction, FIRST + node * STEP, 60.0)
            # stored as float32: 6e-8, moments are sums of positive terms
            np.testing.assert_allclose(found[ray, node], expected, rtol=1e-6, atol=1e-6)


def test_water_adds_up_to_closed_forms():
    matter = np.ones((7, 9, 8, 3), np.float32)
    start, direction = np.array([[-3.0, 4.0, 10.0]]), np.array([[0.0, 1.0, 0.0]])
    depth, variance, lever, reactions = _trace(matter, start, direction, reference=1e9)[0].T
    path = np.clip(FIRST + STEP * np.arange(NODES), 0.0, None)
    inside = path <= 9 * 1.5
    np.testing.assert_allclose(depth[inside], path[inside], rtol=1e-6)
    np.testing.assert_allclose(reactions[inside], path[inside], rtol=1e-6)
    # a residual range that hardly changes: variance path^3 / 3 per range; reactions lie path^2 / 3 upstream
    np.testing.assert_allclose(variance[inside] * 1e9, path[inside] ** 3 / 3.0, rtol=1e-5)
    np.testing.assert_allclose(lever[inside], path[inside] ** 2 / 3.0, rtol=1e-5)
    # behind the grid ions drift on: nothing is added to the depth, and the beam goes on to widen
    assert np.all(
        depth[~inside] == depth[inside][-1:].max() if inside.all() else depth[~inside] >= depth[inside].max()
    )
    assert np.all(np.diff(variance[~inside]) > 0.0)


def test_rays_beside_the_grid_meet_nothing():
    direction = np.array([[0.0, 1.0, 0.0], [0.0, 0.6, 0.8]])
    start = np.array([[-30.0, 4.0, 10.0], [-3.0, 4.0, -90.0]])
    assert np.all(_trace(_matter(), start, direction) == 0.0)


def test_one_and_two_threads_give_the_same_bits(naive):
    rng = np.random.default_rng(6)
    direction = rng.normal(size=(300, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, np.newaxis]
    start = LOWER + rng.uniform(0.0, 15.0, (300, 3))
    threads = naive("naive_dose").with_threads
    one, two = (threads(count, lambda: _trace(_matter(), start, direction)) for count in (1, 2))
    np.testing.assert_array_equal(one, two)
