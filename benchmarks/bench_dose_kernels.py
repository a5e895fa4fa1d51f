"""Time the dose kernels against their naive twins, on one and two threads, and against scipy."""

import numba
import pytest

WORK = ("tracing", "influence", "point_dose", "forward_product", "adjoint_product")
IN_SCIPY = ("point_dose", "forward_product", "adjoint_product")
THREADS = sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)})


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("way", ["naive", "kernel"])
def test_small(benchmark, comparisons, work, way):
    run = comparisons.COMPARISONS[work]("small")[way]
    run()
    benchmark.group = f"{work}, small"
    benchmark(run)


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("threads", THREADS)
def test_large(benchmark, comparisons, work, threads):
    run = comparisons.COMPARISONS[work]("large")["kernel"]
    numba.set_num_threads(threads)
    run()
    benchmark.group = f"{work}, large"
    benchmark(run)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


@pytest.mark.parametrize("work", IN_SCIPY)
def test_large_in_scipy(benchmark, comparisons, work):
    run = comparisons.COMPARISONS[work]("large")["scipy"]
    run()
    benchmark.group = f"{work}, large"
    benchmark(run)
