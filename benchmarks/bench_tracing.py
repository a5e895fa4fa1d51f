"""Time water-equivalent ray tracing."""

import importlib.util
from pathlib import Path

import numba
import pytest

_path = Path(__file__).parent / "comparisons.py"
_spec = importlib.util.spec_from_file_location("comparisons", _path)
assert _spec is not None
assert _spec.loader is not None
comparisons = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(comparisons)

THREADS = sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)})


@pytest.mark.parametrize("work", ["tracing"])
@pytest.mark.parametrize("way", ["naive", "kernel"])
def test_small(benchmark, work, way):
    run = comparisons.COMPARISONS[work]("small")[way]
    run()
    benchmark.group = f"{work}, small"
    benchmark(run)


@pytest.mark.parametrize("work", ["tracing"])
@pytest.mark.parametrize("threads", THREADS)
def test_large(benchmark, work, threads):
    run = comparisons.COMPARISONS[work]("large")["kernel"]
    numba.set_num_threads(threads)
    run()
    benchmark.group = f"{work}, large"
    benchmark(run)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
