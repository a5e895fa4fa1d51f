"""The two products: equal to their slow twins, adjoint to each other, same bits on any number of threads."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doseplan.kernels.products import adjoint, forward


def _ragged(seed, rows=60, columns=40, longest=30):
    """Random sparse rows; some are empty, among them the first and the last ones."""
    rng = np.random.default_rng(seed)
    length = rng.integers(0, longest, rows)
    length[[0, -2, -1]] = 0
    start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    index = rng.integers(0, columns, start[-1]).astype(np.int32)
    values = rng.random((2, start[-1])).astype(np.float32)
    return start, index, values[0], values[1], rng.normal(size=columns), rng.normal(size=columns)


def _forward(matrix, weight):
    out = np.full((2, matrix[0].size - 1), np.nan)
    forward(*matrix, weight, out[0], out[1])
    return out


def _adjoint(matrix, gradient):
    out = np.full(matrix[0].size - 1, np.nan)
    adjoint(*matrix, *gradient, out)
    return out


def test_products_equal_their_slow_twins(naive):
    *matrix, first, second = _ragged(3)
    # float64 sums of at most 60 terms in another order: a few 1e-16 of the terms' size, about 1
    twin = naive("naive_dose")
    np.testing.assert_allclose(_forward(matrix, first), twin.forward(*matrix, first), rtol=0, atol=1e-13)
    expected = twin.adjoint(*matrix, first, second)
    np.testing.assert_allclose(_adjoint(matrix, (first, second)), expected, rtol=0, atol=1e-13)


def test_products_give_the_same_bits_on_one_and_two_threads(naive):
    with_threads = naive("naive_dose").with_threads
    *matrix, first, second = _ragged(4, rows=3000, columns=500, longest=200)
    one, two = (with_threads(count, lambda: _forward(matrix, first)) for count in (1, 2))
    np.testing.assert_array_equal(one, two)
    one, two = (with_threads(count, lambda: _adjoint(matrix, (first, second))) for count in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("rows", [1, 7])
def test_products_of_nothing_are_zero(rows):
    empty = (
        np.zeros(rows + 1, np.int64),
        np.empty(0, np.int32),
        np.empty(0, np.float32),
        np.empty(0, np.float32),
    )
    np.testing.assert_array_equal(_forward(empty, np.ones(3)), np.zeros((2, rows)))
    np.testing.assert_array_equal(_adjoint(empty, (np.ones(3), np.ones(3))), np.zeros(rows))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), scale=st.floats(-3.0, 3.0))
def test_forward_is_linear(seed, scale):
    *matrix, first, second = _ragged(seed)
    together = _forward(matrix, first + scale * second)
    apart = _forward(matrix, first) + scale * _forward(matrix, second)
    # float64 rounding of sums of about 30 terms of size 10
    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-12)


def test_kernels_compile_once():
    *matrix, first, second = _ragged(5)
    _forward(matrix, first)
    _adjoint(matrix, (first, second))
    if numba.config.DISABLE_JIT:
        return
    assert len(forward.signatures) == 1
    assert len(adjoint.signatures) == 1
