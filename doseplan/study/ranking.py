"""What drives the margin: rank measures that hold for given draws and don't mind values above the range."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

FEWEST = 20
"""Anatomies with a verdict below which nothing is ranked: correlations of 0.44 are still chance then."""

DRAWS = 1000
"""Bootstrap draws of an interval."""

LEVEL = 0.05
"""A driver is told from chance below this, with all drivers of an outcome counted (Holm)."""

HOW = (
    "rank correlation: Spearman's, 'none in range' ranked above every number, with a 95 % bootstrap interval "
    "(percentiles); share: the part of the variance of ranks that one number alone explains, the larger of "
    "the squared correlation and epsilon squared of Kruskal and Wallis in thirds, which sees effects that "
    "do not rise or fall throughout; told from chance: both tests at 5 %, corrected for both tests and "
    "all numbers (Bonferroni, Holm)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What one drawn number does to an outcome.

    Attributes
    ----------
    correlation, low, high
        Spearman's rank correlation and its 95 % interval.
    share
        Part of the variance of ranks that the number alone explains, 0 to 1.
    chance
        Probability of as much without any effect, corrected for the number of drivers.
    """

    name: str
    correlation: float
    low: float
    high: float
    share: float
    chance: float

    @property
    def told(self) -> bool:
        """Whether it is told from chance."""
        return self.chance < LEVEL


def rank_drivers(drawn: Mapping[str, Sequence[float]], outcome: Sequence[float]) -> tuple[Driver, ...]:
    """Rank drawn numbers by the share of an outcome's ranks that each explains; none if too few are given.

    Parameters
    ----------
    drawn
        By name, one for each anatomy.
    outcome
        One for each anatomy; infinity ranks above every number, NaN leaves the anatomy out.

    Returns
    -------
    Drivers, the largest share first; empty below `FEWEST` anatomies or if every outcome is the same.
    """
    found = np.asarray(outcome, np.float64)
    there = ~np.isnan(found)
    found = found[there]
    if found.size < FEWEST or np.unique(found).size < 2:
        return ()
    ranks = stats.rankdata(found)
    every = {name: np.asarray(values, np.float64)[there] for name, values in drawn.items()}
    raw = [_driver(name, values, ranks) for name, values in every.items()]
    chances = _holm([driver.chance for driver in raw])
    drivers = [
        Driver(
            name=driver.name,
            correlation=driver.correlation,
            low=driver.low,
            high=driver.high,
            share=driver.share,
            chance=chance,
        )
        for driver, chance in zip(raw, chances, strict=True)
    ]
    return tuple(sorted(drivers, key=lambda driver: -driver.share))


def why_not_ranked(outcome: Sequence[float]) -> str:
    """Say why nothing is ranked; empty if it is."""
    found = np.asarray(outcome, np.float64)
    found = found[~np.isnan(found)]
    if found.size < FEWEST:
        return f"expected at least {FEWEST} anatomies with a verdict to rank by, got {found.size}"
    return "" if np.unique(found).size > 1 else "every anatomy has the same outcome"


def _driver(name: str, values: Array, outcome: Array) -> Driver:
    if np.unique(values).size < 2:
        return Driver(name=name, correlation=0.0, low=0.0, high=0.0, share=0.0, chance=1.0)
    ranks = stats.rankdata(values)
    correlation = _correlation(ranks, outcome)
    low, high = _interval(ranks, outcome)
    monotone = float(stats.spearmanr(ranks, outcome).pvalue)
    explained, grouped = _of_thirds(ranks, outcome)
    return Driver(
        name=name,
        correlation=correlation,
        low=low,
        high=high,
        share=max(correlation**2, explained),
        chance=min(1.0, 2.0 * min(monotone, grouped)),
    )


def _correlation(first: Array, second: Array) -> float:
    """Correlate ranks, 0 where one does not differ."""
    a, b = first - first.mean(), second - second.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0.0 else 0.0


def _interval(first: Array, second: Array) -> tuple[float, float]:
    """Draw anatomies again with replacement and rank them anew; the same draws for every driver."""
    chosen = np.random.default_rng(first.size).integers(0, first.size, (DRAWS, first.size))
    a, b = (stats.rankdata(each[chosen], axis=1) - 0.5 * (first.size + 1) for each in (first, second))
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found = np.divide((a * b).sum(axis=1), size, out=np.zeros(DRAWS), where=size > 0.0)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _of_thirds(ranks: Array, outcome: Array) -> tuple[float, float]:
    """Give epsilon squared, (H - k + 1) / (n - k), and the probability of H, of k groups by a driver.

    Groups are thirds by rank, or the values themselves if there are three or fewer.

    References
    ----------
    W. H. Kruskal and W. A. Wallis, J. Am. Stat. Assoc. 47 (1952) 583; epsilon squared as M. Tomczak and
    E. Tomczak, Trends in Sport Sciences 1 (2014) 19.
    """
    values = np.unique(ranks)
    if values.size <= 3:
        groups = [outcome[ranks == value] for value in values]
    else:
        third = np.minimum((3.0 * (ranks - 0.5) / ranks.size).astype(np.int64), 2)
        groups = [outcome[third == each] for each in np.unique(third)]
    if np.unique(outcome).size < 2 or len(groups) < 2:
        return 0.0, 1.0
    h = stats.kruskal(*groups)
    explained = (float(h.statistic) - len(groups) + 1.0) / (outcome.size - len(groups))
    return min(max(explained, 0.0), 1.0), float(h.pvalue)


def _holm(chances: Sequence[float]) -> list[float]:
    """Correct probabilities for their number (S. Holm, Scand. J. Stat. 6 (1979) 65)."""
    order = np.argsort(chances)
    corrected, largest = [1.0] * len(chances), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(chances) - place) * chances[index]))
        corrected[index] = largest
    return corrected
