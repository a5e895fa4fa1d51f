"""Bounds for many sets of fields: the influence of each field is written out once, for the same samples.

A set has the columns of its fields. Leaving samples out only weakens a bound, so that few are enough to tell
sets apart, and the programs of a set take seconds where its plan takes a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from doseplan.planning.evidence import Evidence
from doseplan.planning.pool import Pool, worst_of_cells
from doseplan.planning.programs import make_bench, with_rows
from doseplan.planning.proof import dose_of_effect, limited_root, proven
from doseplan.planning.relaxation import Proof, chord
from doseplan.schema import STRUCTURES

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

NEAR_MM, MOST_NEAR = 3.0, 60
"""[mm] cells where target and cord are near each other, and how many of them; one sample of each is taken."""

TARGET_MM, LIMITED_MM = 12.0, 18.0
"""[mm] cells everywhere else in the target, and of samples with a limit, which bound the weights of spots."""

ROUGH = 1e-3
"""[1] tolerance of the programs that choose rows."""

ROUNDS = 3
"""Programs of a set: each takes its tangents and its level from the one before."""

FIRST_COLUMNS = 800
"""Spots in the first program, evenly among all."""

EVERY = 4
"""Rows of the first program: every so many-th."""

BOUNDING = 3
"""Of the rows with a limit every so many-th stays, for they bound the weights of single spots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What is proven of one set of fields, and a plan for the samples of the proof.

    Attributes
    ----------
    target, limited : (row,)
        Rows of the proof, numbered within their part of the evidence.
    weight : (spot,) [1e6 ions]
        Other samples may be cold or hot: where a sharper proof begins.
    """

    proof: Proof
    target: Indices
    limited: Indices
    weight: Array

    @property
    def upper_gye(self) -> float:
        """Target minimum that no plan of this set reaches [Gy(RBE)]."""
        return self.proof.level_gye


def screening_samples(pool: Pool) -> tuple[Indices, Indices]:
    """Choose samples of the pool where target and cord are near each other, and some everywhere.

    Returns
    -------
    target, limited : (row,)
    """
    structure = pool.seen.structure[pool.row]
    target, limited = np.flatnonzero(pool.is_target), np.flatnonzero(np.isfinite(pool.most_gye))
    cord = limited[structure[limited] == STRUCTURES["cord"]]
    return (
        np.union1d(_near(pool, target, cord), _everywhere(pool, target, TARGET_MM)),
        np.union1d(_near(pool, cord, target), _everywhere(pool, limited, LIMITED_MM)),
    )


def _near(pool: Pool, among: Indices, other: Indices) -> Indices:
    """Take the sample of each cell that is nearest to others, the nearest cells only."""
    if among.size == 0 or other.size == 0:
        return among[:0]
    distance = np.asarray(cKDTree(pool.points[other]).query(pool.points[among])[0])
    return worst_of_cells(pool.points, among, -distance, cell_mm=NEAR_MM, count=MOST_NEAR)


def _everywhere(pool: Pool, among: Indices, cell_mm: float) -> Indices:
    return worst_of_cells(pool.points, among, np.zeros(among.size), cell_mm=cell_mm, count=among.size)


def side_by_side(fields: Sequence[Evidence]) -> Evidence:
    """Put the columns of fields, with the same rows each, beside one another."""
    return replace(
        fields[0],
        linear=np.hstack([each.linear for each in fields]),
        root=np.hstack([each.root for each in fields]),
    )


def screen(evidence: Evidence, level_gye: float) -> Screened:
    """Bound the target minimum of a set of fields, from above, with a few programs.

    Parameters
    ----------
    level_gye
        Where the search begins; the bound hardly depends on it.

    Raises
    ------
    InputError
        No multipliers were found that refute any level.
    """
    count, limits = evidence.targets, evidence.most.size
    spots = evidence.linear.shape[1]
    columns = np.arange(0, spots, max(1, spots // FIRST_COLUMNS))
    active = (np.arange(0, count, EVERY), np.arange(0, limits, EVERY))
    tangent = _tangent_at_limit(evidence)
    with threadpool_limits(1, user_api="blas"):
        for _ in range(ROUNDS):
            bench = make_bench(evidence, level_gye)
            lines = chord(bench.mixture, bench.effect)
            out, active = with_rows(bench, lines, tangent, active, columns, tolerance=ROUGH)
            columns, tangent = out.columns, limited_root(evidence, out.weight)
            level_gye = dose_of_effect(evidence, max(out.part, 0.1) * bench.effect)
        limited = np.union1d(active[1], np.arange(0, limits, BOUNDING))
        few = evidence.part(active[0], limited)
        proof = proven(make_bench(few, level_gye), limited_root(few, out.weight), columns, programs=1)
    return Screened(proof=proof, target=active[0], limited=limited, weight=out.weight)


def _tangent_at_limit(evidence: Evidence) -> Array:
    """Give the root channel that each row has at its limit if all spots weigh alike."""
    linear, root = (each[evidence.targets :].sum(axis=1) for each in (evidence.linear, evidence.root))
    mixture = linear / np.maximum(root, 1e-30)
    return np.asarray(0.5 * (np.sqrt(mixture**2 + 4.0 * evidence.most) - mixture))
