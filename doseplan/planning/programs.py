"""Linear programs of one path of mixtures: solved on the columns that matter, priced on all of them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doseplan.planning.core import worst_and_spread
from doseplan.planning.evidence import Evidence
from doseplan.planning.interior import solve_program
from doseplan.planning.relaxation import Leaf, Path, chord, heaviest, mixture_range, narrowed, tangent_lines

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

PRICINGS = 3
"""Times that columns which the multipliers misprice join and the program is solved again."""

JOINING = 300
"""Columns that join at a time."""

ROW_ROUNDS = 12
"""Times that missed rows join."""

ROUGH_ROUNDS = 3
"""First of them, in which programs are solved roughly."""

MOST_COLUMNS = 800
"""Spots that go on from program to program."""

ROWS_JOINING = 100
"""Rows that join at a time, of the target and of those with a limit."""

MISSED = 3e-3
"""[1] of level or limit: rows that are off by more join."""

STRENGTHENINGS = np.concatenate([[0.0], np.geomspace(1e-7, 1e-1, 25)])
"""[1] parts by which the limits' multipliers may grow, so that fewer spots are mispriced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all programs of one search share.

    Attributes
    ----------
    mixture : two of (target row,)
        Least and largest a / b.
    level_gye, effect
        The level that is to be refuted [Gy(RBE)], and its effect per fraction.
    settled
        Cuts that hold already; the mixtures lie within them.
    unit : (spot,) [1e6 ions]
        Weight that gives each column a norm near 1.
    heaviest : (spot,) [1e6 ions]
    """

    evidence: Evidence
    mixture: tuple[Array, Array]
    level_gye: float
    effect: float
    unit: Array
    heaviest: Array
    settled: Path = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Solution of a program.

    Attributes
    ----------
    weight : (spot,) [1e6 ions]
        Primal point, of limited precision.
    part
        Part of the level that its rows reach, as far as is proven; below 1 refutes the level on this path.
    leaf
        The multipliers that prove it.
    columns
        Spots that mattered.
    """

    weight: Array
    part: float
    leaf: Leaf
    columns: Indices


def make_bench(evidence: Evidence, level_gye: float) -> Bench:
    """Prepare the programs of a level."""
    return Bench(
        evidence=evidence,
        mixture=mixture_range(evidence),
        level_gye=level_gye,
        effect=evidence.effect(level_gye),
        unit=unit_weights(evidence),
        heaviest=heaviest(evidence),
    )


def unit_weights(evidence: Evidence) -> Array:
    """Give each spot the weight that makes its root-sum-square root channel 1."""
    return np.asarray(1.0 / np.maximum(np.sqrt(np.sum(np.square(evidence.root), axis=0)), 1e-30))


def settled_with(bench: Bench, cuts: Path) -> Bench:
    """Take cuts as given from here on."""
    return replace(bench, mixture=narrowed(bench.mixture, cuts), settled=(*bench.settled, *cuts))


def relaxed(bench: Bench, path: Path, tangent: Array, columns: Indices, *, tolerance: float) -> Outcome:
    """Find the largest part of the level that the relaxation of a path, behind what is settled, allows."""
    slope, offset = chord(narrowed(bench.mixture, path), bench.effect)
    return largest_part(bench, path, (slope, offset), tangent, columns, tolerance=tolerance)


def largest_part(
    bench: Bench,
    path: Path,
    lines: tuple[Array, Array],
    tangent: Array,
    columns: Indices,
    *,
    tolerance: float,
    pricings: int = PRICINGS,
) -> Outcome:
    """Maximise the part p in a + slope b - offset >= p effect under limits and cuts.

    Parameters
    ----------
    lines : two of (target row,)
        Slope and offset.
    tangent : (limited row,)
    columns
        Spots to begin with.
    """
    full, limit = program_rows(bench, path, lines, tangent)
    count = bench.evidence.targets
    for _ in range(pricings):
        chosen = np.empty((limit.size, columns.size + 1))
        chosen[:, :-1] = full[:, columns]
        chosen[:, -1] = np.arange(limit.size) < count
        gain = np.zeros(columns.size + 1)
        gain[-1] = 1.0
        solution = solve_program(chosen, limit, gain, tolerance=tolerance)
        taken, held = priced(full, solution.dual, count, tangent.size)
        mispriced = -taken - tolerance * held
        mispriced[columns] = 0.0
        joining = worst_and_spread(mispriced, JOINING)
        if joining.size == 0:
            break
        columns = np.sort(np.concatenate([columns, joining]))
    # the last columns to join were not solved for
    solved = solution.primal.size - 1
    weight = np.zeros(bench.unit.size)
    if solved == columns.size:
        weight[columns] = solution.primal[:-1] * bench.unit[columns]
    else:
        before = np.setdiff1d(columns, joining, assume_unique=True)
        weight[before] = solution.primal[:-1] * bench.unit[before]
    part, leaf = strengthened(bench, path, limit, tangent, solution.dual, taken, held)
    return Outcome(weight=weight, part=part, leaf=leaf, columns=columns)


def with_rows(
    bench: Bench,
    lines: tuple[Array, Array],
    tangent: Array,
    active: tuple[Indices, Indices],
    columns: Indices,
    *,
    tolerance: float,
) -> tuple[Outcome, tuple[Indices, Indices]]:
    """Solve the program of all rows on a few that grow by those that the solution misses.

    Parameters
    ----------
    active
        Target rows and limited rows to begin with.

    Returns
    -------
    Outcome
        Its leaf speaks of all rows.
    two of (row,)
        Rows with multipliers.
    """
    count = bench.evidence.targets
    for number in range(ROW_ROUNDS):
        target, limited = active
        rough = 5.0 * tolerance if number < ROUGH_ROUNDS else tolerance
        small = part_of(bench, target, limited)
        few = (lines[0][target], lines[1][target])
        out = largest_part(small, (), few, tangent[limited], columns, tolerance=rough)
        columns = heavy_columns(bench, out)
        linear, root = bench.evidence.linear @ out.weight, bench.evidence.root @ out.weight
        reached = (linear[:count] + lines[0] * root[:count] - lines[1]) / bench.effect
        share = (linear[count:] + 2.0 * tangent * root[count:]) / (bench.evidence.most + tangent**2)
        cold = np.setdiff1d(np.flatnonzero(reached < out.part - MISSED), target)
        hot = np.setdiff1d(np.flatnonzero(share > 1.0 + MISSED), limited)
        if cold.size == 0 and hot.size == 0 and number >= ROUGH_ROUNDS:
            break
        cold = cold[np.argsort(reached[cold], kind="stable")[:ROWS_JOINING]]
        hot = hot[np.argsort(-share[hot], kind="stable")[:ROWS_JOINING]]
        active = (np.union1d(target, cold), np.union1d(limited, hot))
    leaf = Leaf(
        level_gye=bench.level_gye,
        path=bench.settled,
        chords=len(bench.settled),
        target=_spread(out.leaf.target, target, count),
        limit=_spread(out.leaf.limit, limited, tangent.size),
        cut=np.zeros(len(bench.settled)),
        tangent=tangent,
    )
    out = Outcome(weight=out.weight, part=out.part, leaf=leaf, columns=columns)
    return out, (_binding(leaf.target), _binding(leaf.limit))


def _spread(values: Array, rows: Indices, size: int) -> Array:
    out = np.zeros(size)
    out[rows] = values
    return out


def _binding(dual: Array) -> Indices:
    return np.flatnonzero(dual > 1e-4 * dual.sum())


def heavy_columns(bench: Bench, out: Outcome, *, most: int = MOST_COLUMNS) -> Indices:
    """Keep the spots of largest weight among those that mattered."""
    amount = out.weight[out.columns] / bench.unit[out.columns]
    return np.sort(out.columns[np.argsort(-amount, kind="stable")[:most]])


def part_of(bench: Bench, target: Indices, limited: Indices) -> Bench:
    """Keep some rows; units and heaviest weights stay those of all rows."""
    return Bench(
        evidence=bench.evidence.part(target, limited),
        mixture=(bench.mixture[0][target], bench.mixture[1][target]),
        level_gye=bench.level_gye,
        effect=bench.effect,
        unit=bench.unit,
        heaviest=bench.heaviest,
    )


def program_rows(bench: Bench, path: Path, lines: tuple[Array, Array], tangent: Array) -> tuple[Array, Array]:
    """Build the rows for scaled weights, in units of the level or the limit: targets, limits, cuts."""
    evidence = bench.evidence
    slope, right = tangent_lines(evidence, tangent)
    signs = [-1.0 if cut.at_least else 1.0 for cut in path]
    sample = [*range(evidence.linear.shape[0]), *(cut.row for cut in path)]
    of_root = np.concatenate([lines[0], slope, [-cut.ratio for cut in path]])
    factor = np.concatenate([np.full(lines[0].size, -1.0 / bench.effect), 1.0 / right, signs])
    factor[evidence.linear.shape[0] :] /= bench.effect
    rows = np.empty((len(sample), bench.unit.size))
    for row, number in enumerate(sample):  # one after the other, so that each stays in the processor's cache
        np.multiply(evidence.root[number], of_root[row], out=rows[row])
        rows[row] += evidence.linear[number]
        rows[row] *= factor[row]
        rows[row] *= bench.unit
    return rows, np.concatenate([-lines[1] / bench.effect, np.ones(right.size), np.zeros(len(path))])


def priced(full: Array, dual: Array, targets: int, limits: int) -> tuple[Array, Array]:
    """Sum the rows with their multipliers, all of them and those of the limits: (spot,) each."""
    held = full[targets : targets + limits].T @ dual[targets : targets + limits]
    rest = full[:targets].T @ dual[:targets] + full[targets + limits :].T @ dual[targets + limits :]
    return rest + held, held


def strengthened(
    bench: Bench,
    path: Path,
    limit: Array,
    tangent: Array,
    dual: Array,
    taken: Array,
    held: Array,
) -> tuple[float, Leaf]:
    """Strengthen the limits' multipliers as far as it lowers the bound, and undo the units.

    Parameters
    ----------
    limit, dual : (row,)
        Right sides and multipliers: targets, limits, cuts.
    taken, held : (spot,)
        See `priced`.

    Returns
    -------
    float
        Part of the level that is proven to be the most.
    Leaf
    """
    count, limits = bench.evidence.targets, tangent.size
    total = max(float(dual[:count].sum()), 1e-30)
    dual, excess, held = dual / total, -taken / total, held / total
    most = bench.heaviest / bench.unit
    allowed = float(dual[count : count + limits].sum())
    offset = float(dual[:count] @ limit[:count])
    parts = [
        offset + (1.0 + more) * allowed + float(np.sum(np.maximum(excess - more * held, 0.0) * most))
        for more in STRENGTHENINGS
    ]
    best = int(np.argmin(parts))
    leaf = Leaf(
        level_gye=bench.level_gye,
        path=(*bench.settled, *path),
        chords=len(bench.settled) + len(path),
        target=dual[:count] / bench.effect,
        limit=(1.0 + STRENGTHENINGS[best])
        * dual[count : count + limits]
        / (bench.evidence.most + tangent * tangent),
        cut=np.concatenate([np.zeros(len(bench.settled)), dual[count + limits :] / bench.effect]),
        tangent=tangent,
    )
    return parts[best], leaf
