"""All that a plan has to answer for: every sample of the case, and cord and target in each scenario."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan import schema
from doseplan.biology.courses import course_dose
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.dose import (
    DoseOperator,
    RayPairs,
    Rays,
    Scenario,
    course_channels,
    error_scenarios,
    find_pairs,
    influence_rows,
    spot_courses,
)
from doseplan.dose.curves import peak_root
from doseplan.evaluation.agreement import at_points
from doseplan.messages import InputError
from doseplan.planning.correction import STAY_BELOW, CorrectedOperator
from doseplan.planning.limits import upper_limits
from doseplan.planning.problem import Channels, Problem, influence_channels

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Chosen = NDArray[np.bool_]

MEMORY_GIB = 6.0
"""[GiB] pairs of rays and rows of one scenario may take this much."""

REACHED = 1e-3
"""[1] a target sample that all spots together give less than this part of the usual is out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Samples of a case in its scenarios, row after row: all of them as planned, then those of each scenario.

    Attributes
    ----------
    spots
        Their fields and energies; weights are not used.
    rays
        Of each scenario, the nominal one first.
    scenario, number : (row,)
        Of the row; and of its sample among all of the case.
    points : (row, 3) [mm]
    structure : (row,)
        Code of `schema.STRUCTURES`.
    planned : (row,)
    upper : (row,) [Gy(RBE)]
        What the final dose must stay below, infinite where nothing limits it.
    bound : (row,) [Gy(RBE)]
        What planning stays below: lower where limits of a structure as a whole ask for it.
    volume : (row,) [cm3]
    factor : (row,), optional
        Multiplies both channels.
    lowered
        Limits of structures as a whole are multiplied by it.
    """

    case: Case
    spots: xr.Dataset
    library: xr.Dataset
    rays: Sequence[Rays]
    scenario: Indices
    number: Indices
    points: Array
    structure: Indices
    planned: Chosen
    upper: Array
    bound: Array
    volume: Array
    factor: Array | None = None
    lowered: float = 1.0

    @property
    def is_target(self) -> Chosen:
        """Tell which rows are of the target."""
        return np.asarray(self.structure == schema.STRUCTURES["target"])

    @property
    def nominal(self) -> Chosen:
        """Tell which rows are as planned."""
        return np.asarray(self.scenario == 0)

    def exact(self, weight: Array, chosen: Indices) -> Channels:
        """Compute both channels of some rows in float64, (course, row) each."""
        weighted = self.spots.assign(weight=schema.variable("weight", weight))
        found = [
            course_channels(self.case, self.points[rows], rays, weighted, self.library)
            for rays, rows in self._by_scenario(chosen)
        ]
        linear, root = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return self._times(linear, chosen), self._times(root, chosen)

    def gye(self, channels: Channels) -> Array:
        """Compute Gy(RBE) of rows from their channels."""
        fractions = spot_courses(self.case, self.spots)[1]
        return course_dose(rbe_model(self.case.prescription.scale), *channels, fractions)

    def pairs(self, chosen: Indices) -> list[RayPairs]:
        """Find the rays near some rows, in each scenario that they are of."""
        scale = self.case.prescription.scale
        return [
            find_pairs(self.points[rows], rays, self.library, scale=scale, memory_gib=MEMORY_GIB)
            for rays, rows in self._by_scenario(chosen)
        ]

    def problem(self, operators: Sequence[DoseOperator], chosen: Indices) -> Problem:
        """Put operators for some rows, one for each scenario that they are of, into a problem."""
        scale = self.case.prescription.scale
        course, fractions = spot_courses(self.case, self.spots)
        parts = zip(operators, self._by_scenario(chosen), strict=True)
        return Problem(
            operators=[self._corrected(operator, rows) for operator, (_, rows) in parts],
            peak=peak_root(self.library, scale)[self.spots["energy_index"].values],
            upper=self.bound[chosen],
            target=np.flatnonzero(self.is_target[chosen]).astype(np.int64),
            course=course,
            fractions=fractions,
            prescription_gye=self.case.prescription.total_gy_rbe,
            scale=scale,
        )

    def written_out(self, chosen: Indices) -> Channels:
        """Write out what each spot gives to some rows, (row, spot) each."""
        scale = self.case.prescription.scale
        found = [
            influence_rows(self.points[rows], rays, self.spots, self.library, scale=scale)
            for rays, rows in self._by_scenario(chosen)
        ]
        linear, root = (np.concatenate(parts).T for parts in zip(*found, strict=True))
        return self._times(linear, chosen).T, self._times(root, chosen).T

    def _times(self, channel: Array, chosen: Indices) -> Array:
        """Correct a channel of some rows, (..., row)."""
        return channel if self.factor is None else channel * self.factor[chosen]

    def _corrected(self, operator: DoseOperator, chosen: Indices) -> DoseOperator | CorrectedOperator:
        if self.factor is None:
            return operator
        return CorrectedOperator(operator=operator, factor=self.factor[chosen])

    def _by_scenario(self, chosen: Indices) -> list[tuple[Rays, Indices]]:
        """Take rows, in rising order, apart by scenario."""
        parts = [(rays, chosen[self.scenario[chosen] == index]) for index, rays in enumerate(self.rays)]
        return [(rays, rows) for rays, rows in parts if rows.size > 0]

    def require_reach(self, problem: Problem, chosen: Indices) -> None:
        """Refuse target samples that no spot reaches.

        Raises
        ------
        InputError
            Says where.
        """
        together = influence_channels(problem, np.ones(problem.spots))[1].sum(axis=0)[problem.target]
        unreached = together <= REACHED * np.median(together) if together.size else np.zeros(0, np.bool_)
        if unreached.any():
            where = self.points[chosen[problem.target[np.argmax(unreached)]]].round(1).tolist()
            raise InputError(
                f"target: expected every sample within reach of a spot, got {int(unreached.sum())} out of "
                f"reach, the first at {where} mm; more spot_margin_mm or another field may reach them"
            )


def planned_errors(case: Case) -> tuple[Scenario, ...]:
    """List the errors that a case wants to be planned for: the systematic ones, if any."""
    if case.robustness is None or not case.robustness.plan:
        return ()
    return error_scenarios(replace(case.robustness, random=0))


def seen_samples(
    case: Case, samples: xr.Dataset, spots: xr.Dataset, library: xr.Dataset, rays: Sequence[Rays]
) -> Seen:
    """Line up what a plan has to answer for.

    All limits hold as planned. In the other scenarios the limits of organs do, and the target's dose counts
    for its minimum; its hot spots and other tissue are judged as planned.

    Parameters
    ----------
    rays
        Of each scenario, the nominal one first.
    """
    structure = samples["sample_structure"].values.astype(np.int64)
    is_target = structure == schema.STRUCTURES["target"]
    upper = upper_limits(case, samples)
    elsewhere = np.flatnonzero(is_target | (structure == schema.STRUCTURES["cord"]))
    rows = [np.arange(structure.size), *[elsewhere] * (len(rays) - 1)]
    row = np.concatenate(rows)
    scenario = np.repeat(np.arange(len(rays)), [each.size for each in rows])
    free = is_target[row] & (scenario > 0)
    limit = np.where(free, np.inf, upper[row])
    return Seen(
        case=case,
        spots=spots,
        library=library,
        rays=rays,
        scenario=scenario,
        number=row,
        points=samples["sample_position"].values[row],
        structure=structure[row],
        planned=samples["planned"].values[row].astype(bool),
        upper=limit,
        bound=limit,
        volume=samples["sample_volume"].values[row],
    )


def corrected(seen: Seen, correction: xr.Dataset) -> Seen:
    """Multiply what rows get by a correction at their place, and lower limits by its uncertainty."""
    below = STAY_BELOW * at_points(correction["correction_uncertainty"], seen.points)
    return replace(
        seen,
        factor=at_points(correction["correction"], seen.points),
        upper=seen.upper * (1.0 - below),
        bound=seen.bound * (1.0 - below),
        lowered=float(1.0 - below.max(initial=0.0)),
    )
