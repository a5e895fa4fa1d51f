"""LEM I: alpha and beta, and what a dose of the NIRS scale means in it.

Alpha and beta of the low-dose approximation (CNS, alpha/beta 2 Gy) against an independent implementation
that is itself within 0.9 % of the Survival code (INFN). Translation: mono-energetic carbon in water
without fragments, 16 equal fractions, both scales computed from one absorbed dose with rounded inputs.
"""

import numpy as np
import pytest

from doseplan.beam import stopping_power
from doseplan.biology.lem import alpha_beta
from doseplan.biology.mkm import HSG
from doseplan.biology.models import rbe_model

TABLE = (  # ion, MeV/u, LET [keV/um], alpha [1/Gy], beta [1/Gy2]
    ("1H", 1, 24.02, 2.7543, 0.0020394),
    ("1H", 7, 6.206, 0.95616, 0.035203),
    ("1H", 50, 1.261, 0.27152, 0.047107),
    ("1H", 250, 0.3949, 0.094043, 0.050095),
    ("4He", 1, 106.5, 2.2395, 0.00028279),
    ("4He", 15, 13.38, 0.9078, 0.035447),
    ("4He", 100, 2.938, 0.34646, 0.045791),
    ("4He", 430, 1.18, 0.14739, 0.049192),
    ("7Li", 7, 56.41, 1.4191, 0.02168),
    ("7Li", 100, 6.629, 0.46557, 0.043607),
    ("9Be", 15, 54.143, 1.143, 0.027392),
    ("9Be", 250, 6.073, 0.37454, 0.045199),
    ("10B", 15, 85.109, 1.1795, 0.023698),
    ("10B", 100, 17.88, 0.60681, 0.040524),
    ("12C", 1, 746.6, 0.6507, 3.3459e-06),
    ("12C", 7, 230.27, 1.2661, 0.0085069),
    ("12C", 15, 122.5, 1.1803, 0.020197),
    ("12C", 30, 67.334, 0.98258, 0.029527),
    ("12C", 50, 44.56, 0.83409, 0.034406),
    ("12C", 100, 25.92, 0.6568, 0.039122),
    ("12C", 250, 13.82, 0.47749, 0.043067),
    ("12C", 430, 10.345, 0.40057, 0.044582),
)
TRANSLATION = (  # MeV/u, z* [Gy], LEM alpha, beta, NIRS total [GyE], absorbed total [Gy], LEM total [Gy(RBE)]
    (299.6, 3.27, 0.452, 0.0436, 16, 12.44, 30.8),
    (299.6, 3.27, 0.452, 0.0436, 50, 34.58, 63.4),
    (299.6, 3.27, 0.452, 0.0436, 64, 42.77, 73.7),
    (299.6, 3.27, 0.452, 0.0436, 70.4, 46.40, 78.1),
    (151.3, 5.29, 0.570, 0.0411, 16, 9.80, 30.1),
    (151.3, 5.29, 0.570, 0.0411, 50, 28.80, 62.7),
    (151.3, 5.29, 0.570, 0.0411, 64, 36.16, 73.0),
    (151.3, 5.29, 0.570, 0.0411, 70.4, 39.46, 77.5),
    (100.8, 7.27, 0.657, 0.0391, 16, 8.06, 28.7),
    (100.8, 7.27, 0.657, 0.0391, 50, 24.54, 60.7),
    (100.8, 7.27, 0.657, 0.0391, 64, 31.14, 70.9),
    (100.8, 7.27, 0.657, 0.0391, 70.4, 34.12, 75.3),
    (60.4, 11.01, 0.783, 0.0358, 16, 6.01, 26.3),
    (60.4, 11.01, 0.783, 0.0358, 50, 18.99, 56.6),
    (60.4, 11.01, 0.783, 0.0358, 64, 24.40, 66.5),
    (60.4, 11.01, 0.783, 0.0358, 70.4, 26.88, 70.7),
    (40.3, 15.14, 0.896, 0.0325, 16, 4.68, 24.1),
    (40.3, 15.14, 0.896, 0.0325, 50, 15.08, 52.8),
    (40.3, 15.14, 0.896, 0.0325, 64, 19.52, 62.1),
    (40.3, 15.14, 0.896, 0.0325, 70.4, 21.58, 66.1),
    (25.2, 20.90, 1.035, 0.0275, 16, 3.56, 22.0),
    (25.2, 20.90, 1.035, 0.0275, 50, 11.65, 48.7),
    (25.2, 20.90, 1.035, 0.0275, 64, 15.17, 57.5),
    (25.2, 20.90, 1.035, 0.0275, 70.4, 16.82, 61.3),
    (15.1, 25.97, 1.180, 0.0206, 16, 2.94, 21.0),
    (15.1, 25.97, 1.180, 0.0206, 50, 9.69, 46.9),
    (15.1, 25.97, 1.180, 0.0206, 64, 12.65, 55.4),
    (15.1, 25.97, 1.180, 0.0206, 70.4, 14.04, 59.1),
)
RAT_CORD = (  # LETd [keV/um], RBE of rat cord for two fractions: 34.2 Gy of photons over TD50
    (16.0, 1.28), (21.0, 1.43), (36.0, 1.52), (45.0, 1.70), (66.0, 1.93), (99.0, 2.30),
)  # fmt: skip
"""Saager et al., Radiat. Oncol. 15 (2020) 6; ends printed, middle from the printed TD50."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_alpha_and_beta(compare, row):
    ion, energy, let, alpha, beta = row
    found = alpha_beta(ion, energy, let=let)
    why = "two implementations differ by 0.9 %; ours takes the integral in closed form"
    compare(f"LEM I alpha of {ion}, {energy:g} MeV/u", found[0], alpha, tolerance=0.02, unit="1/Gy", why=why)
    compare(
        f"LEM I beta of {ion}, {energy:g} MeV/u",
        found[1],
        beta,
        tolerance=1e-4,
        absolute=True,
        unit="1/Gy2",
        why="2 per mille of beta_x, as beta goes to zero at high LET",
    )


@pytest.mark.parametrize("row", TRANSLATION, ids=lambda row: f"{row[0]:g}-{row[4]:g}")
def test_one_dose_on_both_scales(compare, row):
    energy, z_star, alpha, beta, nirs_total, absorbed, lem_total = row
    nirs, lem1 = rbe_model("NIRS"), rbe_model("LEM1")
    linear, root = (HSG.alpha0 + HSG.beta * z_star) * absorbed, np.sqrt(HSG.beta) * absorbed
    compare(
        f"NIRS dose of {absorbed:g} Gy of carbon, {energy:g} MeV/u",
        nirs.dose(linear, root, fractions=16),
        nirs_total,
        tolerance=0.005,
        unit="GyE",
        why="inputs of three digits",
    )
    compare(
        f"LEM I dose of {absorbed:g} Gy of carbon, {energy:g} MeV/u",
        lem1.dose(alpha * absorbed, np.sqrt(beta) * absorbed, fractions=16),
        lem_total,
        tolerance=0.005,
        unit="Gy(RBE)",
        why="inputs of three digits",
    )


@pytest.mark.parametrize(("let_d", "measured"), RAT_CORD)
def test_rat_cord(compare, let_d, measured):
    """An external check, never fitted to: carbon of that LET, the dose of equal effect to 34.2 Gy."""
    energy = np.geomspace(5.0, 430.0, 4000)
    let = 0.1 * stopping_power("12C", energy)
    at = float(np.exp(np.interp(-let_d, -let, np.log(energy))))
    alpha, beta = (float(value) for value in alpha_beta("12C", at))
    wanted = float(rbe_model("LEM1").effect_limit(34.2, fractions=2))
    dose = 2.0 * 2.0 * wanted / (alpha + np.sqrt(alpha**2 + 4.0 * beta * wanted))
    ours = 34.2 / dose
    known = {
        "disagrees": "LEM I finds less in the rat's cord than was measured, more so at high LET, as the "
        "authors of the experiment say of it too; a limit in LEM I dose is therefore optimistic where ions "
        "stop in the cord, and LETd stands beside every cord dose. Ours is for mono-energetic ions, theirs a "
        "spread-out peak.",
        "at_most": 0.40,
    }
    compare(
        f"RBE of rat cord, two fractions, LETd {let_d:g} keV/um",
        ours,
        measured,
        tolerance=0.05,
        why="printed TD50 have errors of 2 to 5 %",
        **(known if abs(ours / measured - 1.0) > 0.05 else {}),
    )
