"""Time the Monte Carlo: straight flights against the naive twin; histories on one core and on two."""

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
HISTORIES = 32_000


@pytest.mark.parametrize("way", ["naive", "kernel"])
def test_small(benchmark, way):
    run = comparisons.COMPARISONS["flight"]("small")[way]
    run()
    benchmark.group = "flight, small"
    benchmark(run)


@pytest.mark.parametrize("threads", THREADS)
def test_histories(benchmark, threads):
    run = comparisons.histories(HISTORIES)
    numba.set_num_threads(threads)
    run()
    benchmark.group = "histories of 200 MeV/u"
    benchmark(run)
    if benchmark.stats is not None:
        benchmark.extra_info["histories_per_s"] = HISTORIES / benchmark.stats.stats.median
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
