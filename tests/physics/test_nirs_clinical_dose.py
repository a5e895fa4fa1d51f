"""The clinical dose of the Japanese scanned beams against its closed form, worked out independently."""

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
@pytest.mark.parametrize("fractions", [1, 16])
def test_closed_forms(z_star: float, fractions: int) -> None:
    dose = fractions * np.array(DOSES)
    # 0.3 %: three printed digits
    assert nirs_dose(dose, z_star * dose, fractions=fractions) / fractions == pytest.approx(
        np.array(TABLE[z_star]), rel=3e-3
    )


def test_the_reference_beam_has_the_clinical_factor_at_any_dose() -> None:
    dose = np.geomspace(1e-6, 100.0, 30)
    reference = (0.764 - 0.172) / 0.0615
    # rounding only
    assert nirs_dose(dose, reference * dose, fractions=16) == pytest.approx(2.41 * dose, rel=1e-12)


@pytest.mark.parametrize(("z_star", "absorbed"), [(9.6, 20.7)])
def test_fifty_in_sixteen_fractions_as_absorbed_dose(z_star: float, absorbed: float) -> None:
    # both numbers are rounded: 0.05 of 20.7 is 0.24 %, 0.026 of 9.6 is 0.27 % of z*
    assert nirs_dose(absorbed, z_star * absorbed, fractions=16) == pytest.approx(50.0, rel=5e-3)
