"""Ways of doing the same work that take turns: what their times are compared by."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numba
import numpy as np

from .table import Run

TURN_S = 0.004
"""A turn shorter than this is repeated until it takes this long: clocks and calls cost microseconds, and both
cores of a shared machine are seldom ours for much longer."""

LONG_S = 1.0
"""A first turn longer than this counts as one, since the quickest is kept; shorter ones only warm up."""

SPELLS = 8
"""How often each comparison has a part of its time."""

LEAST_TURNS = 3
"""However long one takes: one in each of the first spells."""


class Turns(NamedTuple):
    """Every turn of one way: seconds on the processor and by the clock."""

    cpu: list[float]
    wall: list[float]


class Contest:
    """Ways that take turns, so that each has the same time: quick ones have more turns."""

    def __init__(self, runs: Mapping[str, Run], seconds: float) -> None:
        self.runs = runs
        self.turns = {name: Turns([], []) for name in runs}
        self._seconds = seconds
        self._repeats = dict.fromkeys(runs, 1)
        self._spent = dict.fromkeys(runs, 0.0)
        self._spells = 0
        for name, run in runs.items():
            _turn(run, 1, self.turns[name])  # compiled, in the caches, its pages there
            if self.turns[name].wall[0] < LONG_S:
                self.turns[name] = Turns([], [])
                self._repeats[name] = max(1, math.ceil(TURN_S / max(_once(run), 1e-7)))

    def spell(self) -> None:
        """Let each way have its part of the time; whoever had least so far is next."""
        self._spells += 1
        least = min(LEAST_TURNS, self._spells)
        share = self._seconds / len(self.runs) * self._spells / SPELLS

        def due(name: str) -> bool:
            return self._spent[name] < share or len(self.turns[name].wall) < least

        while waiting := list(filter(due, self.runs)):
            name = min(waiting, key=self._spent.__getitem__)
            _turn(self.runs[name], self._repeats[name], self.turns[name])
            self._spent[name] += self._repeats[name] * self.turns[name].wall[-1]

    def quickest(self, way: str, threads: int = 1) -> float:
        """Give the time that counts of a way [s].

        On one thread the processor's time, but not more than the clock's: it counts threads that wait, too.
        """
        turns = self.turns[way]
        return min(turns.wall if threads > 1 else map(min, *turns))


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


def _once(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
