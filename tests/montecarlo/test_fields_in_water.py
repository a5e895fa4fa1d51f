"""A scanned field in water: Monte Carlo and pencil beam, both with the whole chain of spots and voxels."""

import numpy as np
import pytest

from doseplan.case import bundled_cases, load_case
from doseplan.dose import grid_dose
from doseplan.evaluation import gamma_percent
from doseplan.montecarlo import recalculate


@pytest.mark.slow
def test_gamma_of_a_field_in_water(water_field):
    case, (library, phantom, spots) = load_case(bundled_cases()["t11_t12_mpnst"]), water_field
    pencil = grid_dose(case, phantom, spots, library)
    found = recalculate(case, phantom, spots, histories=400_000, seed=5, score_mm=4.0)
    high = found["dose"].values > 0.5 * float(found["dose"].max())
    factor = np.array([2, 2, 2])
    # asked for: 98 % at 2 %/1 mm; the pencil beam, whose water is one of 0.998 g/cm3, ends 0.2 mm deeper
    assert found["dose_uncertainty"].values[high].mean() < 0.02
    for name in ("dose", "dose_rbe"):
        highest = float(found[name].max())
        assert gamma_percent(pencil[name], found[name], factor, full_dose=highest) >= 98.0
    total = [float(data["dose"].sum()) * edge**3 for data, edge in ((pencil, 2.0), (found, 4.0))]
    # wide fragments that leave the box
    assert total[1] / total[0] == pytest.approx(1.0, abs=0.01)
