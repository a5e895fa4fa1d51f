"""What a proof rests on: the dense influence of all spots on a few hundred samples, and their limits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doseplan.biology.models import rbe_model

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Rows of target samples, then rows of samples with a limit; one column for each spot.

    A target sample can be in both parts. Channels are per fraction, so that a sample's effect is
    linear + root^2.

    Attributes
    ----------
    linear, root : (row, spot) float64 [1 per 1e6 ions]
        Without cut-off.
    targets
        Number of target rows.
    most : (limited row,)
        Effect per fraction that the sample may not exceed.
    scale, fractions
        Of the dose; they turn effects into Gy(RBE).
    """

    linear: Array
    root: Array
    targets: int
    most: Array
    scale: str
    fractions: int

    def effect(self, level_gye: float) -> float:
        """Compute the effect per fraction of a dose [Gy(RBE)]."""
        return float(rbe_model(self.scale).effect_limit(level_gye, fractions=self.fractions))

    def part(self, target_rows: NDArray[np.int64], limited_rows: NDArray[np.int64]) -> "Evidence":
        """Keep some target rows and some limited rows, numbered within their part."""
        rows = np.concatenate([target_rows, self.targets + limited_rows])
        return Evidence(
            linear=self.linear[rows],
            root=self.root[rows],
            targets=target_rows.size,
            most=self.most[limited_rows],
            scale=self.scale,
            fractions=self.fractions,
        )
