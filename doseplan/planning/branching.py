"""Search for a proof: split the mixture of the sample where the chord gives most away, worst leaf first."""

import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from doseplan.planning.programs import Bench, Outcome, relaxed
from doseplan.planning.relaxation import Cut, Leaf, Path, narrowed, other_side, root_on_arc

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TOLERANCE = 2e-4
"""[1] of the programs, in parts of the level."""

MARGIN = 0.15
"""[1] a split stays this part of the chord away from its ends."""

LITTLE = 0.1
"""[1] part of all that chords give away that may be left to rows which are not narrowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Leaves of a search that cover all mixtures, and the largest part of the level that one allows."""

    leaves: tuple[Leaf, ...]
    part: float
    programs: int
    columns: Indices


def search(
    bench: Bench, root: Outcome, *, more: Callable[[int, float], bool], tolerance: float = TOLERANCE
) -> Found:
    """Split until every leaf refutes the level, or `more` says stop.

    Parameters
    ----------
    more
        Called with the number of programs solved and the largest part; tells whether to go on.
    """
    done: list[Leaf] = []
    waiting = [(-root.part, 0, root)]
    programs = 1
    columns = root.columns
    while waiting and more(programs, -waiting[0][0]):
        parent_part, _, outcome = heapq.heappop(waiting)
        cuts = _split(bench, outcome)
        if cuts is None:
            done.append(outcome.leaf)
            continue
        columns = outcome.columns
        tangent = bench.evidence.root[bench.evidence.targets :] @ outcome.weight
        own = outcome.leaf.path[len(bench.settled) :]
        for child in _solved(bench, [(*own, cut) for cut in cuts], tangent, columns, tolerance):
            programs += 1
            kept = _inherited(child, outcome) if child.part > -parent_part else child
            if kept.part < 1.0:
                done.append(kept.leaf)
            else:
                heapq.heappush(waiting, (-kept.part, programs, kept))
    worst = -waiting[0][0] if waiting else 1.0
    return Found(
        leaves=(*done, *(each[2].leaf for each in waiting)), part=worst, programs=programs, columns=columns
    )


def _solved(
    bench: Bench, paths: Sequence[Path], tangent: Array, columns: Indices, tolerance: float
) -> list[Outcome]:
    """Solve the programs of some paths beside each other."""
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        return list(pool.map(lambda path: relaxed(bench, path, tangent, columns, tolerance=tolerance), paths))


def _inherited(child: Outcome, parent: Outcome) -> Outcome:
    """Give a child, whose program went wrong, its parent's multipliers, which hold for it too."""
    leaf = replace(
        parent.leaf, path=child.leaf.path, cut=np.append(parent.leaf.cut, np.zeros(1, dtype=np.float64))
    )
    return replace(child, part=parent.part, leaf=leaf)


def _split(bench: Bench, outcome: Outcome) -> tuple[Cut, Cut] | None:
    """Split the mixture of the target row that the chord flatters most, at the mixture it has."""
    low, at, high = _on_chord(bench, outcome)
    row = int(np.argmax(_given_away(bench, outcome)))
    width = high[row] - low[row]
    if width < 1e-6:
        return None
    place = float(np.clip(at[row], low[row] + MARGIN * width, high[row] - MARGIN * width))
    cut = Cut(row=row, ratio=bench.effect / place - place, at_least=True)
    return cut, other_side(cut)


def flattered(bench: Bench, outcome: Outcome) -> Indices:
    """Find the rows that the chord flatters, those that matter most first, until little is left."""
    given_away = _given_away(bench, outcome)
    order = np.argsort(-given_away, kind="stable")
    left = 1.0 - np.cumsum(given_away[order]) / max(float(given_away.sum()), 1e-30)
    return order[: int(np.count_nonzero(left > LITTLE)) + 1]


def _given_away(bench: Bench, outcome: Outcome) -> Array:
    """Compute what the chord of each target row adds to the sum that bounds the level."""
    low, at, high = _on_chord(bench, outcome)
    return np.asarray(outcome.leaf.target * (at - low) * (high - at))


def _on_chord(bench: Bench, outcome: Outcome) -> tuple[Array, Array, Array]:
    """Find b at one end of each target row's chord, at the mixture of the solution, and at the other end."""
    evidence = bench.evidence
    mixture = narrowed(bench.mixture, outcome.leaf.path)
    linear = evidence.linear[: evidence.targets] @ outcome.weight
    root = evidence.root[: evidence.targets] @ outcome.weight
    ratio = np.clip(linear / np.maximum(root, 1e-30), *mixture)
    low, at, high = (root_on_arc(each, bench.effect) for each in (mixture[1], ratio, mixture[0]))
    return low, at, high
