"""Limits that speak of a structure as a whole: its mean dose, and the dose at a volume of it.

A mean is a constraint of the planner's own. For a dose at a volume it chooses the part that may be hotter:
the one that a plan without the limit makes hottest. All other samples get the limit as their maximum, which
is stricter than the limit itself; what is left of that in the end is judged, and scaled, exactly.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from doseplan import schema
from doseplan.case.limits import limit_gy_rbe
from doseplan.case.spec import Constraint
from doseplan.evaluation.goals import limited_value
from doseplan.planning.limits import AIM_BELOW_GYE
from doseplan.planning.point import Mean
from doseplan.planning.seen import Seen

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

HALVINGS = 60
"""Steps of the bisection for the factor that keeps a limit."""


def require_volumes(seen: Seen) -> None:
    """Refuse limits at more volume than there is.

    Raises
    ------
    InputError
        Says how much there is.
    """
    for limit, rows in _limits(seen, "volume"):
        limited_value(limit, np.zeros(rows.size), seen.volume[rows])


def mean_limits(seen: Seen, rows: Indices) -> tuple[Mean, ...]:
    """Write the limits of means as shares of some rows, rising, which stand for all."""
    found = []
    for limit, own in _limits(seen, "mean"):
        share = np.where(np.isin(rows, own), seen.volume[rows], 0.0)
        found.append(Mean(share=share / share.sum(), upper=_aim(seen, limit)))
    return tuple(found)


def has_volume_limits(seen: Seen) -> bool:
    """Tell whether a case limits a dose at a volume."""
    return any(limit.kind == "volume" for limit in seen.case.constraint)


def with_hottest_left_out(seen: Seen, gye: Array) -> Seen:
    """Bound all rows of a structure whose dose at a volume is limited, but for the part that is hottest now.

    Parameters
    ----------
    gye : (row,)
        Of a plan.
    """
    bound = seen.upper.copy()
    for limit, rows in _limits(seen, "volume"):
        assert limit.volume_cm3 is not None
        rows = rows[seen.volume[rows] > 0.0]
        order = rows[np.argsort(-gye[rows], kind="stable")]
        volume = seen.volume[order]
        # rows stand at the middle of their volumes: the last one up to the limit's volume is bound already
        middle = np.cumsum(volume) - 0.5 * volume
        kept = order[max(0, int(np.searchsorted(middle, limit.volume_cm3, side="right")) - 1) :]
        bound[kept] = np.minimum(bound[kept], _aim(seen, limit))
    return replace(seen, bound=bound)


def largest_part(seen: Seen, gye_of: Callable[[float], Array], most: float) -> float:
    """Find the largest factor on all weights with which limits of means and at volumes hold.

    Parameters
    ----------
    gye_of
        Gives the dose of all rows [Gy(RBE)] for a factor.
    most
        The factor is not larger.
    """
    if whole_limits_kept(seen, gye_of(most)):
        return most
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if whole_limits_kept(seen, gye_of(middle)) else (low, middle)
    return low


def whole_limits_kept(seen: Seen, gye: Array, *, slack_gye: float = 0.0) -> bool:
    """Tell whether limits of means and at volumes hold, in every scenario in which they are looked at."""
    return all(
        limited_value(limit, gye[rows], seen.volume[rows]) <= _aim(seen, limit) + slack_gye
        for kind in ("mean", "volume")
        for limit, rows in _limits(seen, kind)
    )


def _aim(seen: Seen, limit: Constraint) -> float:
    return (limit_gy_rbe(seen.case, limit) - AIM_BELOW_GYE) * seen.lowered


def _limits(seen: Seen, kind: str) -> list[tuple[Constraint, Indices]]:
    """List limits of a kind with the rows of their structure, in one scenario after another."""
    found = []
    for limit in seen.case.constraint:
        if limit.kind == kind:
            own = seen.structure == schema.STRUCTURES[limit.structure]
            # in error scenarios the limits of organs hold
            scenarios = np.unique(seen.scenario[own]) if limit.structure == "cord" else [0]
            found += [(limit, np.flatnonzero(own & (seen.scenario == each))) for each in scenarios]
    return found
