"""Clinical dose of the NIRS scale.

Closed form of Inaniwa et al. 2015 (doi:10.1088/0031-9155/60/8/3271), worked out independently.
"""

import numpy as np
import pytest

from doseplan.biology import nirs_dose

# absorbed dose per fraction [Gy] along, z* [Gy] down: clinical dose [Gy(RBE)] with alpha0 0.172, beta 0.0615,
# alpha_r 0.764, F 2.41 (Inaniwa et al. 2015, doi:10.1088/0031-9155/60/8/3271).
DOSES = (0.2, 0.5, 1.0, 2.0, 4.0)
TABLE = {
    2.0: (0.193, 0.505, 1.085, 2.439, 5.730),
    5.0: (0.307, 0.784, 1.619, 3.412, 7.350),
    9.626: (0.482, 1.205, 2.410, 4.820, 9.640),
    20.0: (0.867, 2.111, 4.065, 7.661, 14.128),
}


@pytest.mark.parametrize("z_star", TABLE)
def test_closed_forms(compare, z_star: float) -> None:
    for dose, expected in zip(DOSES, TABLE[z_star], strict=True):
        compare(
            f"Clinical dose of {dose:g} Gy at z* {z_star:g} Gy, one fraction",
            nirs_dose(dose, z_star * dose, fractions=1),
            expected,
            tolerance=3e-3,
            unit="GyE",
            why="three printed digits",
        )
        # sixteen equal fractions give sixteen times as much
        total = nirs_dose(16 * dose, 16 * z_star * dose, fractions=16)
        assert total == pytest.approx(16 * nirs_dose(dose, z_star * dose, fractions=1), rel=1e-12)


def test_the_reference_beam_has_the_clinical_factor_at_any_dose() -> None:
    dose = np.geomspace(1e-6, 100.0, 30)
    reference = (0.764 - 0.172) / 0.0615
    # rounding only
    assert nirs_dose(dose, reference * dose, fractions=16) == pytest.approx(2.41 * dose, rel=1e-12)


def test_fifty_in_sixteen_fractions_as_absorbed_dose(compare) -> None:
    compare(
        "Clinical dose of 20.7 Gy at z* 9.6 Gy in 16 fractions",
        nirs_dose(20.7, 9.6 * 20.7, fractions=16),
        50.0,
        tolerance=5e-3,
        unit="GyE",
        why="both numbers are rounded: 0.24 % of the dose, 0.27 % of z*",
    )
