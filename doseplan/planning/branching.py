"""Search for a proof: split the mixture of the sample where the chord gives most away, worst leaf first."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.programs import Bench, Outcome, relaxed
from doseplan.planning.relaxation import Cut, Leaf, narrowed, root_on_arc

Array = NDArray[np.float64]

TOLERANCE = 2e-4
"""[1] of the programs, in parts of the level."""

MARGIN = 0.15
"""[1] a split stays this part of the chord away from its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Leaves of a search that cover all mixtures, and the largest part of the level that one allows."""

    leaves: tuple[Leaf, ...]
    part: float
    programs: int
    columns: NDArray[np.int64]


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
        for cut in cuts:
            path = (*outcome.leaf.path, cut)
            child = relaxed(bench, path, tangent, columns, tolerance=tolerance)
            columns = child.columns
            programs += 1
            if child.part > -parent_part:
                child = _inherited(child, outcome)
            if child.part < 1.0:
                done.append(child.leaf)
            else:
                heapq.heappush(waiting, (-child.part, programs, child))
    worst = -waiting[0][0] if waiting else 1.0
    return Found(
        leaves=(*done, *(each[2].leaf for each in waiting)), part=worst, programs=programs, columns=columns
    )


def _inherited(child: Outcome, parent: Outcome) -> Outcome:
    """Give a child, whose program went wrong, its parent's multipliers, which hold for it too."""
    leaf = replace(
        parent.leaf, path=child.leaf.path, cut=np.append(parent.leaf.cut, np.zeros(1, dtype=np.float64))
    )
    return replace(child, part=parent.part, leaf=leaf)


def _split(bench: Bench, outcome: Outcome) -> tuple[Cut, Cut] | None:
    """Split the mixture of the target row that the chord flatters most, at the mixture it has."""
    evidence = bench.evidence
    mixture = narrowed(bench.mixture, outcome.leaf.path)
    low, high = root_on_arc(mixture[1], bench.effect), root_on_arc(mixture[0], bench.effect)
    linear = evidence.linear[: evidence.targets] @ outcome.weight
    root = evidence.root[: evidence.targets] @ outcome.weight
    ratio = np.clip(linear / np.maximum(root, 1e-30), *mixture)
    at = root_on_arc(ratio, bench.effect)
    given_away = outcome.leaf.target * (at - low) * (high - at)
    row = int(np.argmax(given_away))
    width = high[row] - low[row]
    if width < 1e-6:
        return None
    place = float(np.clip(at[row], low[row] + MARGIN * width, high[row] - MARGIN * width))
    cut = bench.effect / place - place
    return Cut(row=row, ratio=cut, at_least=True), Cut(row=row, ratio=cut, at_least=False)
