"""From rows to a proof: search, then the least level that the leaves refute, as the checker sees it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from doseplan.biology.models import rbe_model
from doseplan.messages import InputError
from doseplan.planning.branching import TOLERANCE, Found, search
from doseplan.planning.checker import holds, margin
from doseplan.planning.evidence import Evidence
from doseplan.planning.programs import Bench, Outcome, largest_part, make_bench, relaxed
from doseplan.planning.relaxation import Leaf, Proof, row_effects

Array = NDArray[np.float64]

STEP_GYE = 1e-3
"""[Gy(RBE)] resolution of the level that is stated."""

STEPS = 5
"""Programs for the first guess of the level, and again for a plan near it."""

PASSES = 5
"""Times that all leaves are gone through for a level that each of them refutes."""

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
        effect, outcome = float(np.median(evidence.most)), None
        for _ in range(STEPS):
            bench = make_bench(evidence, effect)
            weight = bench.unit / columns.size if outcome is None else outcome.weight
            outcome = relaxed(bench, (), _limited_root(evidence, weight), columns, tolerance=TOLERANCE)
            effect = max(outcome.part, 0.1) * effect
        assert outcome is not None, "there is at least one step"
        best = max(_within_limits(evidence, each) for each in _plans(evidence, outcome, columns))
        bench = make_bench(evidence, (1.0 + ABOVE) * best)
        tangent = _limited_root(evidence, outcome.weight)
        root = relaxed(bench, (), tangent, columns, tolerance=TOLERANCE)
        found = search(bench, root, more=lambda solved, part: solved < programs)
        return checked(*renewed(bench, found), evidence)


def renewed(bench: Bench, found: Found) -> tuple[tuple[Leaf, ...], float]:
    """Solve anew what refutes the level of the search, but not the one that is now within reach.

    Chords turn with the level, and multipliers are right for the chords that they were found with.

    Returns
    -------
    leaves, level
        The level [Gy(RBE)] that they are to refute.
    """
    evidence = bench.evidence
    level = (1.0 + NEAR) * dose_of_effect(evidence, max(found.part, 1.0) * bench.effect)
    later = make_bench(evidence, evidence.effect(level))
    leaves = []
    for leaf in found.leaves:
        if margin(Proof(level_gye=level, leaves=(leaf,)), evidence) >= 0.0:
            leaf = relaxed(later, leaf.path, leaf.tangent, found.columns, tolerance=TOLERANCE).leaf
        leaves.append(leaf)
    return tuple(leaves), level


def checked(leaves: tuple[Leaf, ...], level: float, evidence: Evidence) -> Proof:
    """Raise the level [Gy(RBE)] until every leaf refutes it.

    Raises
    ------
    InputError
        The multipliers refute no level; more time for the search may help.
    """
    for _ in range(PASSES):
        for leaf in leaves:
            level = _raised(leaf, evidence, level)
        proof = Proof(level_gye=level, leaves=leaves)
        # a leaf that was raised for may undo one before it: chords turn with the level
        if holds(proof, evidence):
            return proof
    raise InputError(NOTHING)


def dose_of_effect(evidence: Evidence, effect: float) -> float:
    """Compute the dose [Gy(RBE)] of an effect per fraction."""
    model = rbe_model(evidence.scale)
    return float(model.dose(max(effect, 0.0) * evidence.fractions, 0.0, fractions=evidence.fractions))


def _plans(evidence: Evidence, outcome: Outcome, columns: NDArray[np.int64]) -> list[Array]:
    """Go from a relaxed plan to better ones: the target's parabola becomes its tangent at the plan before."""
    found = [outcome.weight]
    bench = make_bench(evidence, float(np.median(evidence.most)))
    for _ in range(STEPS):
        root = evidence.root @ found[-1]
        at, tangent = root[: evidence.targets], root[evidence.targets :]
        step = largest_part(bench, (), (2.0 * at, at * at), tangent, columns, tolerance=TOLERANCE)
        found.append(step.weight)
    return found


def _within_limits(evidence: Evidence, weight: Array) -> float:
    """Scale a plan down to its limits, and find the target's least effect per fraction."""
    linear, root = evidence.linear @ weight, evidence.root @ weight
    count, most = evidence.targets, evidence.most
    below = linear[count:] + np.sqrt(linear[count:] ** 2 + 4.0 * root[count:] ** 2 * most)
    factor = min(1.0, float((2.0 * most / np.maximum(below, 1e-30)).min()))
    return float(row_effects(evidence, factor * weight)[:count].min())


def _limited_root(evidence: Evidence, weight: Array) -> Array:
    return np.asarray(evidence.root[evidence.targets :] @ weight)


def _raised(leaf: Leaf, evidence: Evidence, level: float) -> float:
    """Raise a level until the leaf refutes it: by growing steps, then by bisection."""

    def refuted(gye: float) -> bool:
        return margin(Proof(level_gye=gye, leaves=(leaf,)), evidence) < 0.0

    return level if refuted(level) else _first(refuted, level)


def _first(holds_at: Callable[[float], bool], low: float) -> float:
    # a leaf refutes a range of levels, for its chords turn: small steps, so as not to pass over it
    step = 4.0 * STEP_GYE
    while not holds_at(low + step):
        low, step = low + step, 1.3 * step
        if step > 1e6:
            raise InputError(NOTHING)
    high = low + step
    while high - low > STEP_GYE:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if holds_at(middle) else (middle, high)
    return high
