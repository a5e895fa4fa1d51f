"""Photon models of cord damage, which never come without the sentence that they are not for this scale."""

from dataclasses import dataclass, field

import numpy as np

from doseplan.evaluation.fractionation import eqd2

NOT_VALIDATED = "photon model, scale not validated: GyE of carbon ions is not photon gray"

OBSERVED = (
    "one grade 3 cord reaction in 47 (Matsumoto 2013) and two in 100 (Imai, CTOS); none in 11 after "
    "separation surgery, which excludes only rates above 24 %"
)
"""At 52.8 to 70.4 GyE in 16 fractions on the NIRS scale."""

TD5_GY, TD50_GY, ALPHA_BETA_GY = 59.3, 69.4, 0.87
"""[Gy] EQD2 of 5 and 50 % and alpha/beta: Schultheiss 2008, PubMed 18243570; whole cervical cord."""

RADIOSURGERY_EQD2_GY, RADIOSURGERY_ALPHA_BETA_GY = 44.6, 2.0
"""[Gy] what 12.4, 20.3 and 25.3 Gy in 1, 3 and 5 fractions have in common, 1 to 5 % risk of a small part of
the cord: Sahgal et al. (HyTEC), doi:10.1016/j.ijrobp.2019.09.038."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CordRisk:
    """A probability that is printed with its warning, which nobody can leave out when making one."""

    probability: float
    eqd2_gy: float
    model: str
    warning: str = field(default=NOT_VALIDATED, init=False)

    def __str__(self) -> str:
        """Say everything in one sentence."""
        return f"{_percent(self.probability)} ({self.model}, EQD2 {self.eqd2_gy:.1f} Gy; {self.warning})"


def schultheiss(total: float, *, fractions: int, alpha_beta: float = ALPHA_BETA_GY) -> CordRisk:
    """Compute the probability of myelopathy if a total [Gy] were photon dose to the whole cord.

    Parameters
    ----------
    total
        [Gy] over the whole course.
    fractions
        Of equal dose.
    alpha_beta
        [Gy] for the EQD2. The curve was fitted with its default; another one shows only how much hangs on it.

    Raises
    ------
    InputError
        A dose that is negative or not finite, or senseless fractions or alpha/beta.

    Notes
    -----
    p = 1 / (1 + (TD50 / D)^k), D the EQD2, k from the 5 % point: ln 19 / ln(TD50 / TD5) = 18.7.
    """
    equivalent = float(eqd2(total, fractions=fractions, alpha_beta=alpha_beta))
    steepness = np.log(19.0) / np.log(TD50_GY / TD5_GY)
    # in logarithms: the odds themselves overflow at high dose
    against = steepness * np.log(TD50_GY / equivalent) if equivalent > 0.0 else np.inf
    model = f"Schultheiss 2008, alpha/beta {alpha_beta:g} Gy"
    return CordRisk(probability=float(np.exp(-np.logaddexp(0.0, against))), eqd2_gy=equivalent, model=model)


def radiosurgery_share(total: float, *, fractions: int) -> float:
    """Compute the EQD2 of a total [Gy] as a part of the one that radiosurgery limits have in common."""
    equivalent = eqd2(total, fractions=fractions, alpha_beta=RADIOSURGERY_ALPHA_BETA_GY)
    return float(equivalent) / RADIOSURGERY_EQD2_GY


def _percent(probability: float) -> str:
    """Write a probability with two digits; its ends only as bounds, there the curve is extrapolated."""
    if probability < 1e-4:
        return "below 0.01 %"
    return "above 99 %" if probability > 0.99 else f"{100.0 * probability:.2g} %"
