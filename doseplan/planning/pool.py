"""Samples that a proof may draw on, and which of them it needs: a few hundred carry all the multipliers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose import Rays
from doseplan.planning.evidence import Evidence
from doseplan.planning.limits import AIM_BELOW_GYE
from doseplan.planning.seen import Seen, seen_samples

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Samples of the target and samples with a limit, as planned and in the errors that a case plans for.

    Attributes
    ----------
    seen
        Where they come from.
    row : (sample,)
        Their rows there, rising.
    """

    seen: Seen
    row: Indices

    def channels(self, weight: Array, chosen: Indices | None = None) -> tuple[Array, Array]:
        """Compute both channels per fraction for given weights, without cut-off in float64.

        Parameters
        ----------
        chosen
            Samples, rising; all of them if not given.
        """
        linear, root = self.seen.exact(weight, self.row if chosen is None else self.row[chosen])
        return linear[0] / self.fractions, root[0] / self.fractions

    def names(self, chosen: Indices) -> Indices:
        """Give the number of each sample in the case, and that of its scenario: (sample, 2)."""
        row = self.row[chosen]
        return np.column_stack([self.seen.number[row], self.seen.scenario[row]])

    @property
    def points(self) -> Array:
        """Positions (sample, 3) [mm]."""
        return self.seen.points[self.row]

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """Tell which are of the target."""
        return self.seen.is_target[self.row]

    @property
    def planned(self) -> NDArray[np.bool_]:
        """Tell which are planned with."""
        return self.seen.planned[self.row]

    @property
    def most_gye(self) -> Array:
        """The case's limit itself [Gy(RBE)], infinite where it states none."""
        return self.seen.upper[self.row] + AIM_BELOW_GYE

    @property
    def most_effect(self) -> Array:
        """Effect per fraction at each sample's limit, infinite where there is none."""
        some = np.isfinite(self.most_gye)
        at_limit = rbe_model(self.scale).effect_limit(
            np.where(some, self.most_gye, 0.0), fractions=self.fractions
        )
        return np.where(some, at_limit, np.inf)

    @property
    def scale(self) -> str:
        """Scale of the prescription."""
        return self.seen.case.prescription.scale

    @property
    def fractions(self) -> int:
        """Number of fractions."""
        return self.seen.case.prescription.fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Indices of samples in the pool, and their rows."""

    target: Indices
    limited: Indices
    evidence: Evidence


def make_pool(
    case: Case, samples: xr.Dataset, rays: Sequence[Rays], spots: xr.Dataset, library: xr.Dataset
) -> Pool:
    """Take all samples of a case that belong to the target or have a limit.

    Parameters
    ----------
    rays
        Of the spots: as planned, then in each error that is planned for.
    """
    seen = seen_samples(case, samples, spots, library, rays)
    return Pool(seen=seen, row=np.flatnonzero(seen.is_target | np.isfinite(seen.upper)))


def choose(pool: Pool, target: Indices, limited: Indices, before: Chosen | None = None) -> Chosen:
    """Compute the rows of samples, and put them behind those that were chosen before."""
    if before is not None:
        target = np.setdiff1d(target, before.target)
        limited = np.setdiff1d(limited, before.limited)
    # a sample can be in both parts
    rows, place = np.unique(pool.row[np.concatenate([target, limited])], return_inverse=True)
    linear, root = (channel[place] / pool.fractions for channel in pool.seen.written_out(rows))
    found = Evidence(
        linear=linear,
        root=root,
        targets=target.size,
        most=rbe_model(pool.scale).effect_limit(pool.most_gye[limited], fractions=pool.fractions),
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
    cell -= cell.min(axis=0, initial=0)
    _, first = np.unique(np.ravel_multi_index(cell.T, cell.max(axis=0, initial=0) + 1), return_index=True)
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
