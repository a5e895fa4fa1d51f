"""Samples that a proof may draw on, and which of them it needs: a few hundred carry all the multipliers."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.case.spec import Case
from doseplan.dose import Rays, point_effect
from doseplan.planning.evidence import Evidence, gather_evidence
from doseplan.planning.limits import AIM_BELOW_GYE, upper_limits

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Samples of the target and samples with a limit.

    Attributes
    ----------
    number : (sample,)
        Among all samples of the case.
    planned : (sample,)
    points : (sample, 3) [mm]
    rays
        Of the spots, in the arm's phantom.
    is_target : (sample,)
    most_gye : (sample,) [Gy(RBE)]
        The case's limit itself, infinite where it states none.
    """

    case: Case
    spots: xr.Dataset
    library: xr.Dataset
    number: Indices
    planned: NDArray[np.bool_]
    points: Array
    rays: Rays
    is_target: NDArray[np.bool_]
    most_gye: Array

    def channels(self, weight: Array, chosen: Indices | None = None) -> tuple[Array, Array]:
        """Compute both channels per fraction for given weights, without cut-off in float64."""
        points = self.points if chosen is None else self.points[chosen]
        weighted = self.spots.assign(weight=schema.variable("weight", weight))
        linear, root = point_effect(points, self.rays, weighted, self.library, scale=self.scale)
        return linear / self.fractions, root / self.fractions

    @property
    def scale(self) -> str:
        """Scale of the prescription."""
        return self.case.prescription.scale

    @property
    def fractions(self) -> int:
        """Number of fractions."""
        return self.case.prescription.fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Indices of samples in the pool, and their rows."""

    target: Indices
    limited: Indices
    evidence: Evidence


def make_pool(case: Case, samples: xr.Dataset, rays: Rays, spots: xr.Dataset, library: xr.Dataset) -> Pool:
    """Take all samples of a case that belong to the target or have a limit.

    Parameters
    ----------
    rays : Rays
        Of the spots, in the arm's phantom.
    """
    upper = upper_limits(case, samples) + AIM_BELOW_GYE
    is_target = samples["sample_structure"].values == schema.STRUCTURES["target"]
    used = is_target | np.isfinite(upper)
    return Pool(
        case=case,
        spots=spots,
        library=library,
        number=np.flatnonzero(used),
        planned=samples["planned"].values[used].astype(bool),
        points=samples["sample_position"].values[used],
        rays=rays,
        is_target=is_target[used],
        most_gye=upper[used],
    )


def choose(pool: Pool, target: Indices, limited: Indices, before: Chosen | None = None) -> Chosen:
    """Compute the rows of samples, and put them behind those that were chosen before."""
    if before is not None:
        target = np.setdiff1d(target, before.target)
        limited = np.setdiff1d(limited, before.limited)
    rows = np.concatenate([target, limited])
    found = gather_evidence(
        pool.points[rows],
        pool.rays,
        pool.spots,
        pool.library,
        targets=target.size,
        most_gye=pool.most_gye[limited],
        scale=pool.scale,
        fractions=pool.fractions,
    )
    if before is None:
        return Chosen(target=target, limited=limited, evidence=found)
    return Chosen(
        target=np.concatenate([before.target, target]),
        limited=np.concatenate([before.limited, limited]),
        evidence=_joined(before.evidence, found),
    )


def reduced(chosen: Chosen, target_rows: Indices, limited_rows: Indices) -> Chosen:
    """Keep some rows."""
    return Chosen(
        target=chosen.target[target_rows],
        limited=chosen.limited[limited_rows],
        evidence=chosen.evidence.part(target_rows, limited_rows),
    )


def worst_of_cells(points: Array, found: Indices, badness: Array, *, cell_mm: float, count: int) -> Indices:
    """Take the worst sample of each cell, the worst of them first.

    Parameters
    ----------
    points : (sample, 3) [mm]
    found
        Candidates.
    badness : (candidate,)
    """
    order = found[np.argsort(-badness, kind="stable")]
    cell = np.floor(points[order] / cell_mm).astype(np.int64)
    _, first = np.unique(cell, axis=0, return_index=True)
    return order[np.sort(first)][:count]


def _joined(first: Evidence, second: Evidence) -> Evidence:
    def stack(one: Array, two: Array) -> Array:
        edge, other = first.targets, second.targets
        return np.concatenate([one[:edge], two[:other], one[edge:], two[other:]])

    return Evidence(
        linear=stack(first.linear, second.linear),
        root=stack(first.root, second.root),
        targets=first.targets + second.targets,
        most=np.concatenate([first.most, second.most]),
        scale=first.scale,
        fractions=first.fractions,
    )
