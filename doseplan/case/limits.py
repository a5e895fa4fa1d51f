"""What the limits of a case say in Gy(RBE), and the one that every case has."""

from collections.abc import Sequence

from doseplan.case.spec import TISSUE_LIMIT, Case, Constraint


def limit_gy_rbe(case: Case, limit: Constraint) -> float:
    """Give the dose of a limit in Gy(RBE)."""
    if limit.percent is not None:
        return 0.01 * limit.percent * case.prescription.total_gy_rbe
    stated = limit.max_gy_rbe if limit.max_gy_rbe is not None else limit.mean_gy_rbe
    assert stated is not None, "a limit states exactly one dose"
    return stated


def with_tissue_limit(limits: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Add the limit of other tissue to those of a case that states none for it."""
    there = any(limit.structure == "other" for limit in limits)
    return tuple(limits) if there else (*limits, TISSUE_LIMIT)


def target_maximum_gye(case: Case) -> float:
    """Give the target's tightest maximum [Gy(RBE)]: no minimum is above it; infinite if none is stated."""
    own = [limit for limit in case.constraint if limit.structure == "target" and limit.kind == "max"]
    return min((limit_gy_rbe(case, limit) for limit in own), default=float("inf"))


def cord_limit(case: Case) -> float | None:
    """Give the tightest limit of the cord's maximum or hottest part [Gy(RBE)]; None if none is stated."""
    own = [limit for limit in case.constraint if limit.structure == "cord" and limit.kind != "mean"]
    return min((limit_gy_rbe(case, limit) for limit in own), default=None)
