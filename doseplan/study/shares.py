"""Percentiles and shares of a population, each with how far so many draws leave it open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95

PERCENTS = (5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0)
"""Percentiles that are reported."""

HOW = (
    "percentiles are order statistics, 'none in range' above every number, with exact distribution-free "
    "95 % intervals of order statistics; shares have exact (Clopper-Pearson) ones; both take the draws as "
    "independent, while those of a Halton sequence are more even, so intervals are rather too wide than too "
    "narrow"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """A value between two that hold it at 95 %."""

    value: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float, *, least: float) -> Between:
    """Give a percentile of draws as one of them, never between two.

    Parameters
    ----------
    values
        Infinity for those above every number.
    least
        What no value is below: the low end where the draws do not hold it.

    Notes
    -----
    The l-th and u-th of n draws in order hold the quantile p at 1 - a if B(l - 1) <= a / 2 and
    B(u - 1) >= 1 - a / 2, with the binomial distribution B of n and p (David and Nagaraja, Order statistics,
    3rd ed., section 7.1).
    """
    ordered, part = np.sort(np.asarray(values, np.float64)), percent / 100.0
    count, tail = ordered.size, 0.5 * (1.0 - CONFIDENCE)
    place = max(math.ceil(part * count - 1e-9), 1)
    low, above = int(stats.binom.ppf(tail, count, part)), int(stats.binom.ppf(1.0 - tail, count, part))
    return Between(
        value=float(ordered[place - 1]),
        low=float(ordered[low - 1]) if low >= 1 else least,
        high=float(ordered[above]) if above < count else math.inf,
    )


def share(count: int, of: int) -> Between:
    """Give the share of a count, with the interval of Clopper and Pearson (Biometrika 26 (1934) 404)."""
    interval = stats.binomtest(count, of).proportion_ci(confidence_level=CONFIDENCE, method="exact")
    return Between(value=count / of, low=float(interval.low), high=float(interval.high))
