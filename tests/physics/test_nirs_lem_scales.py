"""From a dose of the NIRS scale to LEM I: the whole chain, from energy and LET.

The absorbed dose of mono-energetic carbon that reaches a NIRS total in 16 equal fractions, and the LEM I dose
(CNS, alpha/beta 2 Gy) of that absorbed dose, against an earlier implementation of both models by the same
project: no measurement, and no fragments. First with the LET of that table, so that only the models differ;
then as a beam is computed, with our own stopping power and the tables that transport reads.
"""

import numpy as np
import pytest

from doseplan.biology import mkm, rbe_model
from doseplan.biology.lem import alpha_beta
from doseplan.biology.mkm import HSG
from doseplan.biology.models import largest_factor

FRACTIONS = 16
TABLE = (  # MeV/u, LET [keV/um], NIRS total [GyE], absorbed total [Gy], LEM I total [Gy(RBE)]
    (299.6, 12.7, 16.0, 12.44, 30.8),
    (299.6, 12.7, 50.0, 34.58, 63.4),
    (299.6, 12.7, 64.0, 42.77, 73.7),
    (151.3, 19.5, 16.0, 9.80, 30.1),
    (151.3, 19.5, 50.0, 28.80, 62.7),
    (151.3, 19.5, 64.0, 36.16, 73.0),
    (100.8, 26.1, 16.0, 8.06, 28.7),
    (100.8, 26.1, 50.0, 24.54, 60.7),
    (100.8, 26.1, 64.0, 31.14, 70.9),
    (60.4, 38.6, 16.0, 6.01, 26.3),
    (60.4, 38.6, 50.0, 18.99, 56.6),
    (60.4, 38.6, 64.0, 24.40, 66.5),
    (40.3, 53.3, 16.0, 4.68, 24.1),
    (40.3, 53.3, 50.0, 15.08, 52.8),
    (40.3, 53.3, 64.0, 19.52, 62.1),
    (25.2, 77.8, 16.0, 3.56, 22.0),
    (25.2, 77.8, 50.0, 11.65, 48.7),
    (25.2, 77.8, 64.0, 15.17, 57.5),
    (15.1, 117.9, 16.0, 2.94, 21.0),
    (15.1, 117.9, 50.0, 9.69, 46.9),
    (15.1, 117.9, 64.0, 12.65, 55.4),
)
"""Radiobiology reference of the project, section 5, nirs_lem_conversion.csv (computed, 12C of one energy)."""


def _identify(row):
    return f"{row[0]:g}-{row[2]:g}"


@pytest.mark.parametrize("row", TABLE, ids=_identify)
def test_with_the_let_of_the_table(compare, row):
    energy, let, nirs_total, absorbed, lem_total = row
    z_star = float(mkm.z_star("12C", energy, let=let))
    alpha, beta = (float(value) for value in alpha_beta("12C", energy, let=let))
    linear = HSG.alpha0 + HSG.beta * z_star
    dose = largest_factor(
        rbe_model("NIRS"), linear, np.sqrt(HSG.beta), nirs_total, fractions=FRACTIONS
    )  # Gy, since the channels are those of 1 Gy
    why = "energy, LET and doses printed with three digits"
    compare(
        f"absorbed dose for {nirs_total:g} GyE, {energy:g} MeV/u, LET given",
        dose,
        absorbed,
        tolerance=0.005,
        unit="Gy",
        why=why,
    )
    compare(
        f"LEM I dose for {nirs_total:g} GyE, {energy:g} MeV/u, LET given",
        rbe_model("LEM1").dose(alpha * dose, np.sqrt(beta) * dose, fractions=FRACTIONS),
        lem_total,
        tolerance=0.005,
        unit="Gy(RBE)",
        why=why,
    )


@pytest.mark.parametrize("row", TABLE, ids=_identify)
def test_as_a_beam_is_computed(compare, row):
    energy, _, nirs_total, _, lem_total = row
    nirs, lem1, at = rbe_model("NIRS"), rbe_model("LEM1"), np.array([energy])
    dose = largest_factor(
        nirs, nirs.linear_factor("12C", at), nirs.root_factor("12C", at), nirs_total, fractions=FRACTIONS
    )
    linear, root = lem1.linear_factor("12C", at) * dose, lem1.root_factor("12C", at) * dose
    compare(
        f"LEM I dose for {nirs_total:g} GyE, {energy:g} MeV/u, own LET",
        lem1.dose(linear, root, fractions=FRACTIONS)[0],
        lem_total,
        tolerance=0.015,
        unit="Gy(RBE)",
        why="LET of two stopping power tables, 0.5 % apart at 300 and 1.7 % at 15 MeV/u, and three digits",
    )
