"""Time the rows of the table: ways by turns, so that a busy minute slows all of them alike.

What is kept of a row are ratios of times of the same run. On one thread the processor's time counts, not the
clock's, so that programs beside this one take little part in it; on two threads only the clock can tell. Of
every way the quickest of many short turns counts, as other programs can only slow it down.
"""

import math
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from .roofline import reading
from .table import Row, Run, Work

SERIAL = ("naive", "scipy", "numpy")
"""Ways that run on one core whatever numba is told."""

TURN_S = 0.02
"""A turn shorter than this is repeated until it takes this long: clocks and calls cost microseconds."""

LONG_S = 1.0
"""A first turn longer than this counts as one, since the quickest is kept; shorter ones only warm up."""

LEAST_TURNS = 3

GROWTH_PART = 0.5
"""Of the time for a comparison: a power of the size is told from a square sooner than ratios are steady."""

BUSY = 0.85
"""Processor time per thread and second below which the cores were not ours while two threads ran."""

Record = dict[str, Any]


class Turns(NamedTuple):
    """Every turn of one way: seconds on the processor and by the clock."""

    cpu: list[float]
    wall: list[float]


def measure(rows: Mapping[str, Row], *, seconds: float, tell: Callable[[str], None]) -> Record:
    """Time all rows.

    Parameters
    ----------
    seconds
        What the turns of one comparison may take; each row has up to four (large, small, growth).

    Returns
    -------
    dict
        `threads`, `read_gb_per_s` by threads, `busy` (other programs had a part of the cores), `rows`.
    """
    threads = sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)})
    read, read_bytes = reading()
    tell("benchmark memory")
    with threadpool_limits(limits=1, user_api="blas"):
        turns = interleaved({str(count): on(count, read) for count in threads}, seconds)
        speed = {count: read_bytes / _quickest(found, int(count)) * 1e-9 for count, found in turns.items()}
        rowwise: dict[str, Record] = {}
        for name, row in rows.items():
            tell(f"benchmark {name}")
            rowwise[name] = _measure(row, read, read_bytes, threads, seconds)
    busy = min(row["own_share"] for row in rowwise.values()) < BUSY
    return {"threads": threads, "read_gb_per_s": speed, "busy": busy, "rows": rowwise}


def _measure(row: Row, read: Run, read_bytes: float, threads: list[int], seconds: float) -> Record:
    start = time.process_time()
    small = row.prepare(**row.small)
    small.ways["kernel"]()
    first = time.process_time() - start
    compile_s = max(first - _cpu(small.ways["kernel"]), 0.0)
    work = row.prepare()
    turns = interleaved(_runs(work, read, threads), seconds)
    times = {way: _quickest(found, _threads_of(way)) for way, found in turns.items()}
    ratios = _ratios(times, work, read_bytes, threads)
    if "naive" in small.ways:
        runs = {way: on(1, small.ways[way]) for way in ("kernel", "naive")}
        slow = {way: min(found.cpu) for way, found in interleaved(runs, seconds).items()}
        ratios["naive / kernel, small size"] = slow["naive"] / slow["kernel"]
    many = turns[label("kernel", threads[-1])]
    return {
        "unit": row.unit,
        "pieces": work.pieces,
        "bytes_per_piece": work.moved_bytes / work.pieces,
        "ns_per_piece": {
            way: 1e9 * turn / work.pieces for way, turn in times.items() if not way.startswith("read")
        },
        "compile_s": compile_s,
        "peak_mib": peak_mib(work.ways["kernel"]),
        "own_share": max(cpu / wall for cpu, wall in zip(*many, strict=True)) / threads[-1],
        "ratios": ratios,
        "growth": {axis: _growth(row, axis, seconds) for axis in row.growth},
    }


def _quickest(turns: Turns, threads: int) -> float:
    return min(turns.wall if threads > 1 else turns.cpu)


def _threads_of(way: str) -> int:
    return 1 if way in SERIAL else int(way.split(", ")[1].split()[0])


def _runs(work: Work, read: Run, threads: list[int]) -> dict[str, Run]:
    """List what takes turns: serial ways once, others and reading on every number of threads."""
    found = {way: on(1, run) for way, run in work.ways.items() if way in SERIAL and way != "naive"}
    ours = {way: run for way, run in work.ways.items() if way not in SERIAL}
    if work.moved_bytes > 0.0:
        ours["read"] = read
    for (way, run), count in product(ours.items(), threads):
        found[label(way, count)] = on(count, run)
    return found


def _ratios(
    times: Mapping[str, float], work: Work, read_bytes: float, threads: list[int]
) -> dict[str, float]:
    """Compare the quickest turns; the larger a ratio, the better for the kernel."""
    found: dict[str, float] = {}
    for count in threads:
        kernel = times[label("kernel", count)]
        for way in work.ways:
            other = way if way in SERIAL else label(way, count)
            if way != "kernel" and other in times:
                found[f"{way} / {label('kernel', count)}"] = times[other] / kernel
        if work.moved_bytes > 0.0:
            streaming = times[label("read", count)] * work.moved_bytes / read_bytes
            found[f"roofline / {label('kernel', count)}"] = streaming / kernel
    if len(threads) > 1:
        one, two = (times[label("kernel", count)] for count in threads)
        found["1 / 2 threads"] = one / two
    return found


def _growth(row: Row, axis: str, seconds: float) -> Record:
    """Time the kernel on one thread along one size, the sizes by turns, and fit the exponent."""
    works = {size: row.prepare(**{axis: size}) for size in row.growth[axis]}
    runs = {str(size): on(1, work.ways["kernel"]) for size, work in works.items()}
    times = [min(found.cpu) for found in interleaved(runs, GROWTH_PART * seconds).values()]
    pieces = [work.pieces for work in works.values()]
    return {
        "sizes": list(works),
        "pieces": pieces,
        "seconds": times,
        "exponent": float(np.polyfit(np.log(pieces), np.log(times), 1)[0]),
    }


def interleaved(runs: Mapping[str, Run], seconds: float) -> dict[str, Turns]:
    """Let runs take turns for some seconds, forwards and backwards."""
    turns = {name: Turns([], []) for name in runs}
    repeats = dict.fromkeys(runs, 1)
    for name, run in runs.items():
        _turn(run, 1, turns[name])  # compiled, in the caches, its pages there
        if turns[name].wall[0] < LONG_S:
            turns[name] = Turns([], [])
            repeats[name] = max(1, math.ceil(TURN_S / max(_once(run), 1e-7)))
    end = time.perf_counter() + seconds

    def due(name: str) -> bool:
        return len(turns[name].cpu) < LEAST_TURNS or time.perf_counter() < end

    order = list(runs)
    while any(map(due, order)):
        for name in filter(due, order):
            _turn(runs[name], repeats[name], turns[name])
        order.reverse()
    return turns


def _turn(run: Run, repeats: int, turns: Turns) -> None:
    """Let a way have its turn, and add what one of its repeats took."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    turns.cpu.append((time.process_time() - cpu) / repeats)
    turns.wall.append((time.perf_counter() - wall) / repeats)


def on(count: int, run: Run) -> Run:
    """Run on so many threads."""

    def limited() -> np.ndarray:
        with threads_limited(count):
            return run()

    return limited


@contextmanager
def threads_limited(count: int) -> Iterator[None]:
    """Let numba use so many threads inside."""
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def peak_mib(run: Run) -> float:
    """Measure what one turn allocates at most, beside what was there before [MiB]; it has run before."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def label(way: str, count: int) -> str:
    """Name a way on a number of threads."""
    return f"{way}, {_threads(count)}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _cpu(run: Run) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _once(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
