"""The Monte Carlo kernel: chance by counters, flights, bits that do not depend on threads."""

import numba
import numpy as np
import pytest

from doseplan.kernels import montecarlo as kernel
from doseplan.montecarlo.simulate import Grid, Limits, Source, Voxels, simulate
from doseplan.montecarlo.tables import build_tables

WORDS = np.uint64


def _ones(species, energy):
    return np.ones_like(energy)


def _energy(species, energy):
    return 0.01 * energy


RESPONSES = {"dose": _ones, "fast": _energy}


@pytest.fixture(scope="module")
def tables():
    return build_tables(highest_energy=210.0, responses=RESPONSES, nodes=400)


def _silent(tables):
    """Nothing reacts, strays or scatters."""
    motion = tables.ladder.motion.copy()
    for column in (kernel.ATTENUATION, kernel.STRAGGLING, kernel.SCATTERING):
        motion[..., column] = 0.0
    return tables._replace(ladder=tables.ladder._replace(motion=motion))


def _voxels(seed=4):
    rng = np.random.default_rng(seed)
    shape = np.array([7, 6, 9])
    media = rng.uniform(0.8, 1.6, (9, 6, 7, 3)).astype(np.float32)
    place = (np.arange(7) // 2, np.arange(6) * 4, np.arange(9) * 24)
    grid = Grid(np.array([-10.0, -9.0, 0.0]), np.array([3.0, 2.5, 10.0]), shape)
    return Voxels(media, grid, place, 9 * 24)


def _source(direction, lateral, residual):
    direction = np.array(direction) / np.linalg.norm(direction)
    across = np.cross(direction, [0.3, 0.9, 0.1])
    across /= np.linalg.norm(across)
    return Source(
        field=np.zeros(1, np.int64),
        lateral=np.array([lateral], dtype=np.float64),
        size=np.zeros(1),
        range_mean=np.array([residual]),
        range_sigma=np.zeros(1),
        ripple=0.0,
        direction=direction[np.newaxis],
        u_axis=across[np.newaxis],
        v_axis=np.cross(direction, across)[np.newaxis],
    )


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers(naive, counter, key, expected):
    # the answers that come with Random123, the reference implementation of Salmon et al. 2011
    out = np.empty(4, WORDS)
    kernel.philox(np.array(counter, WORDS), np.array(key, WORDS), out)
    assert out.tolist() == expected
    assert naive("naive_montecarlo").philox(counter, key) == expected


def test_philox_is_that_of_its_slow_twin(naive):
    rng = np.random.default_rng(1)
    out = np.empty(4, WORDS)
    for words in rng.integers(0, 2**32, (50, 6), dtype=np.uint64):
        kernel.philox(words[:4], words[4:], out)
        assert out.tolist() == naive("naive_montecarlo").philox(
            [int(v) for v in words[:4]], [int(v) for v in words[4:]]
        )


def test_a_straight_flight_scores_what_its_slow_twin_does(naive, tables):
    voxels, silent = _voxels(), _silent(tables)
    source = _source([0.25, 0.15, 1.0], [-4.0, -3.0, 0.0], 6.0)
    found = [
        score.copy()
        for score, _ in simulate(silent, voxels, source, np.ones(1), histories=2, seed=0, batches=2)
    ]
    expected = naive("naive_montecarlo").straight(
        voxels.media, voxels.grid, voxels.place, silent.ladder.response[0].tolist(),
        silent.ladder.node_step[0],
        [-4.0, -3.0, 0.0], source.direction[0], 6.0, Limits().cut,
    )  # fmt: skip
    # pieces of 2 um that straddle a voxel face go to one side: half of one near the end is 0.08 MeV
    np.testing.assert_allclose(found[0], expected, atol=0.1)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.sum(expected) > 1000.0


@pytest.mark.parametrize("direction", [[0, 0, 1], [0, 0, -1], [1, 0, 0], [0, -1, 0], [-1, 0.3, 0.2]])
def test_all_energy_is_scored_from_every_side(tables, direction):
    voxels = _voxels()
    box = voxels._replace(
        media=np.ones((9, 6, 7, 3), np.float32), grid=voxels.grid._replace(edge=np.full(3, 40.0))
    )
    middle = box.grid.corner + 20.0 * box.grid.shape
    tallies, total = np.zeros(7), 0.0
    for score, tally in simulate(
        _silent(tables), box, _source(direction, middle, 6.0), np.ones(1), histories=8, seed=3, batches=2
    ):
        total += score[:, 0].sum() / 2
        tallies += tally / 2
    local = total - tallies[kernel.ENTERING]
    assert tallies[kernel.ESCAPING] == 0.0
    # slow target fragments: 35 to 43 MeV in a reaction of one in four ions, of 1930 MeV
    assert 0.003 * total < local < 0.01 * total


def test_bits_do_not_depend_on_threads_and_the_seed_matters(tables):
    voxels = _voxels()
    source = _source([0.1, -0.05, 1.0], [0.0, 0.0, 0.0], 5.0)

    def run(seed):
        count = 32 if numba.config.DISABLE_JIT else 640
        every = simulate(tables, voxels, source, np.ones(1), histories=count, seed=seed)
        return np.array([score.copy() for score, _ in every])

    numba.set_num_threads(1)
    one = run(5)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    many = run(5)
    np.testing.assert_array_equal(one, many)
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one, run(6))
    assert not np.array_equal(one, run(5 + 2**32))


def test_histories_compile_once(tables):
    if numba.config.DISABLE_JIT:
        return
    voxels = _voxels()
    list(simulate(tables, voxels, _source([0, 0, 1], [0, 0, 0], 5.0), np.ones(1), histories=16, seed=1))
    assert len(kernel.histories.signatures) == 1


def test_chance_of_a_step_has_mean_0_and_variance_1():
    words = np.random.default_rng(2).integers(0, 2**32, 50_000, dtype=np.uint64)
    drawn = np.array([kernel._triangle(word) for word in words])
    # five standard deviations of mean and variance
    assert abs(drawn.mean()) < 5.0 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1.0) < 5.0 * np.sqrt(1.4 / drawn.size)
