"""Products in blocks of columns: right, and the same bits for any number of threads."""

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from doseplan.planning.blocks import BLOCKS, Blocks


def products(matrix, left, right):
    blocks = Blocks(lambda columns: matrix[:, columns].copy(), matrix.shape[1])
    with threadpool_limits(1, user_api="blas"):
        return blocks.gram(), blocks.times(right), blocks.back(left)


@pytest.mark.parametrize("columns", [1, BLOCKS - 1, 1000])
def test_blocks_give_the_products_of_the_matrix(columns):
    rng = np.random.default_rng(columns)
    matrix, left, right = rng.random((7, columns)), rng.random(7), rng.random(columns)
    found = products(matrix, left, right)
    for mine, direct in zip(found, (matrix @ matrix.T, matrix @ right, matrix.T @ left), strict=True):
        # sums of positive numbers in another order
        np.testing.assert_allclose(mine, direct, rtol=1e-13)


def test_a_matrix_is_made_in_a_fixed_number_of_parts():
    made = []
    Blocks(lambda columns: made.append((columns.start, columns.stop)) or np.ones((2, 5)), 40)
    assert sorted(made) == [(5 * part, 5 * part + 5) for part in range(8)]


def test_one_thread_gives_the_bits_of_all():
    rng = np.random.default_rng(0)
    matrix, left, right = rng.random((60, 5000)), rng.random(60), rng.random(5000)
    several = products(matrix, left, right)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = products(matrix, left, right)
    finally:
        numba.set_num_threads(before)
    assert all(np.array_equal(one, other) for one, other in zip(several, alone, strict=True))
