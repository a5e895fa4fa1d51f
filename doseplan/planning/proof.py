"""From rows to a proof: search, then the least level that the leaves refute, as the checker sees it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from doseplan.biology.models import rbe_model
from doseplan.messages import InputError
from doseplan.planning.branching import TOLERANCE, Found, flattered, search
from doseplan.planning.checker import holds, sums
from doseplan.planning.evidence import Evidence
from doseplan.planning.narrowing import narrow
from doseplan.planning.programs import (
    Bench,
    Outcome,
    heavy_columns,
    largest_part,
    make_bench,
    relaxed,
    settled_with,
)
from doseplan.planning.relaxation import Leaf, Proof, row_effects

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

Watch = Callable[[int, float], None]
"""Told the number of programs and the part of the level within reach."""


def unwatched(programs: int, part: float) -> None:
    """Tell nobody."""


STEP_GYE = 1e-3
"""[Gy(RBE)] resolution of the level that is stated."""

STEPS = 5
"""Programs for the first guess of the level, and again for a plan near it."""

ROUNDS = 3
"""Most times that the mixtures of all rows are narrowed before any is split."""

GAIN, NEARLY = 5e-4, 5e-3
"""[1] of the level: a round of narrowing that lowers the bound by less is the last, and so is one that brings
it this near to the level: splits do the rest in less time."""

NOTHING = "proof: expected multipliers that refute a level, got none; a longer search may find them"

NEAR = 3e-4
"""[1] the level for which leaves are solved anew lies this far above the bound that the search saw."""

ABOVE = 1e-3
"""[1] the search tries to refute what lies this far above the best plan that is known."""


def prove_rows(evidence: Evidence, *, programs: int) -> Proof:
    """Bound what any plan gives the worst target row, from above.

    For a few rows and spots, all of which take part; `doseplan.planning.bound.prove` chooses them for a case.

    Parameters
    ----------
    programs
        Most linear programs that the search may solve; the bound falls with them.

    Returns
    -------
    Proof
        Checked.
    """
    columns = np.arange(evidence.linear.shape[1])
    with threadpool_limits(1, user_api="blas"):
        level, outcome = dose_of_effect(evidence, float(np.median(evidence.most))), None
        for _ in range(STEPS):
            bench = make_bench(evidence, level)
            weight = bench.unit / columns.size if outcome is None else outcome.weight
            outcome = relaxed(bench, (), limited_root(evidence, weight), columns, tolerance=TOLERANCE)
            level = dose_of_effect(evidence, max(outcome.part, 0.1) * bench.effect)
        assert outcome is not None, "there is at least one step"
        best = max(within_limits(evidence, each) for each in _plans(evidence, outcome, columns))
        bench = make_bench(evidence, dose_of_effect(evidence, (1.0 + ABOVE) * best))
        return proven(bench, limited_root(evidence, outcome.weight), columns, programs=programs)


def proven(
    bench: Bench, tangent: Array, columns: Indices, *, programs: int, watch: Watch = unwatched
) -> Proof:
    """Narrow mixtures, split what is left, and state the level that all of it refutes.

    Parameters
    ----------
    tangent : (limited row,)
    columns
        Spots to begin with.
    programs
        Most linear programs of the splits.
    watch
        Told the part of the bench's level that is within reach.
    """
    steps: tuple[Leaf, ...] = ()
    root = relaxed(bench, (), tangent, columns, tolerance=TOLERANCE)
    for _ in range(ROUNDS if programs > 1 else 0):
        watch(0, root.part)
        before = root.part
        bench, narrower = narrow(bench, flattered(bench, root), tangent, root)
        steps = (*steps, *narrower)
        tangent = limited_root(bench.evidence, root.weight)
        root = relaxed(bench, (), tangent, heavy_columns(bench, root), tolerance=TOLERANCE)
        if root.part < 1.0 + NEARLY or before - root.part < GAIN:
            break

    def more(solved: int, part: float) -> bool:
        watch(solved, part)
        return solved < programs

    found = search(bench, root, more=more)
    return checked(steps, renewed(bench, found), bench.evidence)


def renewed(bench: Bench, found: Found) -> tuple[Leaf, ...]:
    """Solve leaves that do not refute the level of the search anew, for the one that is within reach.

    Chords turn with the level, and multipliers are right for the chords that they were found with.
    """
    within = sums(found.leaves, bench.evidence) < 0.0
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        anew = pool.map(
            lambda leaf, good: leaf if good else _for_its_level(bench, leaf, found), found.leaves, within
        )
        return tuple(anew)


def _for_its_level(bench: Bench, leaf: Leaf, found: Found) -> Leaf:
    part, own = found.part, len(bench.settled)
    later = bench
    for _ in range(STEPS):
        level = (1.0 + NEAR) * dose_of_effect(bench.evidence, max(part, 1.0) * later.effect)
        later = settled_with(make_bench(bench.evidence, level), bench.settled)
        outcome = relaxed(later, leaf.path[own:], leaf.tangent, found.columns, tolerance=TOLERANCE)
        part = outcome.part
        if part < 1.0:
            break
    return outcome.leaf


def checked(steps: tuple[Leaf, ...], leaves: tuple[Leaf, ...], evidence: Evidence) -> Proof:
    """Raise the level of each leaf [Gy(RBE)] until it is refuted as the checker sees it.

    Raises
    ------
    InputError
        The multipliers refute no level; more time for the search may help.
    """
    parts = refuted((*steps, *leaves), evidence)
    proof = Proof(
        level_gye=max(leaf.level_gye for leaf in parts),
        steps=parts[: len(steps)],
        leaves=parts[len(steps) :],
    )
    if not holds(proof, evidence):
        raise InputError(NOTHING)
    return proof


def refuted(leaves: tuple[Leaf, ...], evidence: Evidence) -> tuple[Leaf, ...]:
    """Raise levels until each leaf refutes its own: by growing steps, then by bisection.

    Raises
    ------
    InputError
        A leaf refutes none.
    """

    def at(levels: Array, which: Indices) -> NDArray[np.bool_]:
        changed = [replace(leaves[number], level_gye=float(levels[number])) for number in which]
        return np.asarray(sums(changed, evidence) < 0.0)

    low = np.array([leaf.level_gye for leaf in leaves])
    high = low.copy()
    every = np.arange(low.size)
    waiting = every[~at(high, every)]
    raised = waiting
    # a leaf refutes a range of levels, for its chords turn: small steps, so as not to pass over it
    step = 4.0 * STEP_GYE
    while waiting.size > 0:
        if step > 1e6:
            raise InputError(NOTHING)
        low[waiting], high[waiting] = high[waiting], high[waiting] + step
        step *= 1.3
        waiting = waiting[~at(high, waiting)]
    while raised.size > 0:
        raised = raised[high[raised] - low[raised] > STEP_GYE]
        middle = 0.5 * (low + high)
        good = at(middle, raised)
        high[raised[good]], low[raised[~good]] = middle[raised[good]], middle[raised[~good]]
    return tuple(replace(leaf, level_gye=float(level)) for leaf, level in zip(leaves, high, strict=True))


def dose_of_effect(evidence: Evidence, effect: float) -> float:
    """Compute the dose [Gy(RBE)] of an effect per fraction."""
    model = rbe_model(evidence.scale)
    return float(model.dose(max(effect, 0.0) * evidence.fractions, 0.0, fractions=evidence.fractions))


def _plans(evidence: Evidence, outcome: Outcome, columns: Indices) -> list[Array]:
    """Go from a relaxed plan to better ones: the target's parabola becomes its tangent at the plan before."""
    found = [outcome.weight]
    bench = make_bench(evidence, dose_of_effect(evidence, float(np.median(evidence.most))))
    for _ in range(STEPS):
        root = evidence.root @ found[-1]
        at, tangent = root[: evidence.targets], root[evidence.targets :]
        step = largest_part(bench, (), (2.0 * at, at * at), tangent, columns, tolerance=TOLERANCE)
        found.append(step.weight)
    return found


def within_limits(evidence: Evidence, weight: Array) -> float:
    """Scale a plan down to its limits, and find the target's least effect per fraction."""
    linear, root = evidence.linear @ weight, evidence.root @ weight
    count, most = evidence.targets, evidence.most
    below = linear[count:] + np.sqrt(linear[count:] ** 2 + 4.0 * root[count:] ** 2 * most)
    factor = min(1.0, float((2.0 * most / np.maximum(below, 1e-30)).min()))
    return float(row_effects(evidence, factor * weight)[:count].min())


def limited_root(evidence: Evidence, weight: Array) -> Array:
    """Compute the root channel that weights [1e6 ions] give to rows with a limit, where tangents touch."""
    return np.asarray(evidence.root[evidence.targets :] @ weight)
