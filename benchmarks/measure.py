"""Time the rows of the table: ways by turns, in spells spread over the whole run.

What is kept of a row are ratios of times of the same run. On one thread the processor's time counts, not the
clock's, so that programs beside this one take little part in it; on two threads only the clock can tell. Of
every way the quickest of many short turns counts, as other programs can only slow it down; and since these
stay busy for seconds or minutes, the turns of a row come in spells with those of all other rows between.

What a second thread gives is the machine's matter first: two cores of a shared machine are seldom twice one.
Sums of a few numbers, which take turns with each row, tell what it gives at the time; a row is compared with
them, and on one thread only with ways that run on one core and with the memory: how much two threads read
together changes by half between runs.
"""

import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, NamedTuple

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from .contest import SPELLS, Contest, on
from .machine import adding, reading
from .table import Row, Run, Work

SERIAL = ("naive", "scipy", "numpy")
"""Ways that run on one core whatever numba is told."""

READ, ADD = "read", "add"
"""What tells the machine's own speed: a large sum of numbers in memory, and sums of a few."""

SECOND = "2 threads for 1 / the same of sums"
"""Ratio: how much quicker two threads make the kernel, over how much quicker they make sums."""

GROWTH_PART = 0.5
"""Of the time for a comparison: a power of the size is told from a square sooner than ratios are steady."""

BUSY = 0.85
"""Processor time per thread and second below which the cores were not ours while two threads read."""

Record = dict[str, Any]


class Timed(NamedTuple):
    """A row that is ready, and its comparisons."""

    row: Row
    work: Work
    large: Contest
    small: Contest | None
    growth: dict[str, dict[int, Work]]
    growing: dict[str, Contest]
    compile_s: float

    def contests(self) -> list[Contest]:
        """List all that take turns."""
        small = [] if self.small is None else [self.small]
        return [self.large, *small, *self.growing.values()]


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
    own = {READ: read, ADD: adding()}
    with threadpool_limits(limits=1, user_api="blas"):
        memory = Contest({str(count): on(count, read) for count in threads}, seconds)
        timed: dict[str, Timed] = {}
        for name, row in rows.items():
            tell(f"prepare {name}")
            timed[name] = _prepared(row, own, threads, seconds)
        for spell in range(SPELLS):
            tell(f"benchmark, spell {spell + 1} of {SPELLS}")
            memory.spell()
            for each in timed.values():
                for contest in each.contests():
                    contest.spell()
        rowwise = {name: _result(each, read_bytes, threads) for name, each in timed.items()}
    many = memory.turns[str(threads[-1])]
    share = statistics.median(cpu / wall for cpu, wall in zip(*many, strict=True)) / threads[-1]
    speed = {str(count): read_bytes / memory.quickest(str(count), count) * 1e-9 for count in threads}
    return {
        "threads": threads,
        "read_gb_per_s": speed,
        "own_share": share,
        "busy": share < BUSY,
        "rows": rowwise,
    }


def _prepared(row: Row, own: Mapping[str, Run], threads: list[int], seconds: float) -> Timed:
    """Set a row up, and compile what it needs."""
    start = time.process_time()
    small = row.prepare(**row.small)
    small.ways["kernel"]()
    first = time.process_time() - start
    compile_s = max(first - _cpu(small.ways["kernel"]), 0.0)
    work = row.prepare()
    slow = {way: on(1, small.ways[way]) for way in ("kernel", "naive") if way in small.ways}
    growth = {
        axis: {size: row.prepare(**{axis: size}) for size in sizes} for axis, sizes in row.growth.items()
    }
    growing = {
        axis: Contest(
            {str(size): on(1, each.ways["kernel"]) for size, each in works.items()}, GROWTH_PART * seconds
        )
        for axis, works in growth.items()
    }
    return Timed(
        row=row,
        work=work,
        large=Contest(_runs(work, own, threads), seconds),
        small=Contest(slow, seconds) if "naive" in slow else None,
        growth=growth,
        growing=growing,
        compile_s=compile_s,
    )


def _result(timed: Timed, read_bytes: float, threads: list[int]) -> Record:
    """Say what the turns of a row tell."""
    work, large = timed.work, timed.large
    times = {way: large.quickest(way, _threads_of(way)) for way in large.turns}
    ratios = _ratios(times, work, read_bytes, threads)
    if timed.small is not None:
        ratios["naive / kernel, small size"] = timed.small.quickest("naive") / timed.small.quickest("kernel")
    return {
        "unit": timed.row.unit,
        "pieces": work.pieces,
        "bytes_per_piece": work.moved_bytes / work.pieces,
        "ns_per_piece": {
            way: 1e9 * turn / work.pieces for way, turn in times.items() if not way.startswith((READ, ADD))
        },
        "compile_s": timed.compile_s,
        "peak_mib": peak_mib(work.ways["kernel"]),
        "ratios": ratios,
        "growth": {axis: _growth(timed.growth[axis], found) for axis, found in timed.growing.items()},
    }


def _threads_of(way: str) -> int:
    return 1 if way in (*SERIAL, READ) else int(way.split(", ")[1].split()[0])


def _runs(work: Work, own: Mapping[str, Run], threads: list[int]) -> dict[str, Run]:
    """List what takes turns: serial ways once, others and the machine's own on every number of threads."""
    found = {way: on(1, run) for way, run in work.ways.items() if way in SERIAL and way != "naive"}
    if work.moved_bytes > 0.0:
        found[READ] = on(1, own[READ])
    ours = {way: run for way, run in work.ways.items() if way not in SERIAL}
    if len(threads) > 1:
        ours[ADD] = own[ADD]
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
            other = label(way, count) if way not in SERIAL else way if count == 1 else ""
            if way != "kernel" and other in times:
                found[f"{way} / {label('kernel', count)}"] = times[other] / kernel
    if work.moved_bytes > 0.0:
        streaming = times[READ] * work.moved_bytes / read_bytes
        found[f"roofline / {label('kernel', 1)}"] = streaming / times[label("kernel", 1)]
    if len(threads) > 1:
        gains = [times[label(way, 1)] / times[label(way, threads[-1])] for way in ("kernel", ADD)]
        found[SECOND] = gains[0] / gains[1]
    return found


def _growth(works: Mapping[int, Work], contest: Contest) -> Record:
    """Fit the exponent of the kernel's time on one thread along one size."""
    times = [contest.quickest(str(size)) for size in works]
    pieces = [work.pieces for work in works.values()]
    return {
        "sizes": list(works),
        "pieces": pieces,
        "seconds": times,
        "exponent": float(np.polyfit(np.log(pieces), np.log(times), 1)[0]),
    }


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
