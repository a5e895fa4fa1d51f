"""The table of comparisons under pytest-benchmark: `pytest benchmarks ... --benchmark-json FILE`."""

import pytest

from .comparisons import COMPARISONS
from .contest import on

SMALL = [(work, way) for work, row in COMPARISONS.items() if row.small for way in ("naive", "kernel")]


@pytest.mark.parametrize(("work", "way"), SMALL)
def test_small(benchmark, work, way):
    row = COMPARISONS[work]
    run = row.prepare(**row.small).ways[way]
    benchmark.group = f"{work}, small"
    run()
    benchmark(run)


@pytest.mark.parametrize("work", COMPARISONS)
def test_full_size(benchmark, work):
    ways = COMPARISONS[work].prepare().ways
    benchmark.group = f"{work}, one thread"
    run = on(1, ways["kernel"])
    run()
    benchmark(run)
