"""The transport kernel: equal to its slow twin, same bits on any number of threads."""

import numba
import numpy as np
import pytest

from doseplan.kernels.transport import transport


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_transport_equals_its_slow_twin(naive, seed):
    twin = naive("naive_transport")
    arguments = twin.problem(seed)
    found, expected = twin.outputs(arguments), twin.outputs(arguments)
    transport(*arguments, *found)
    twin.transport(arguments, expected)
    for each, wanted in zip(found, expected, strict=True):
        # float64 sums of some hundred terms of size up to 1e3 in another order
        np.testing.assert_allclose(each, wanted, rtol=1e-11, atol=1e-11)


def test_transport_gives_the_same_bits_on_one_and_two_threads(naive):
    twin = naive("naive_transport")
    arguments = twin.problem(energies=5)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(twin.outputs(arguments))
            transport(*arguments, *results[-1])
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes()


def test_no_reactions_leave_the_primary_ions_alone(naive):
    twin = naive("naive_transport")
    arguments = twin.problem()
    arguments[2][:] = 1.0
    found = twin.outputs(arguments)
    transport(*arguments, *found)
    assert not found[2].any()
    assert not found[7].any()
    # every ion that starts in fine cell i is there for i whole steps and half a step more
    cells = np.arange(arguments[0].shape[1])
    path = np.minimum(cells + 0.5, found[1].shape[1])
    np.testing.assert_allclose(found[1].sum(axis=1), arguments[0] @ path, rtol=1e-12)
