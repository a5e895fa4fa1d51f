"""Voxel models of 200 x 200 x 160 voxels of 1 mm: before surgery, and separated with laminectomy.

Rounds after the first find tumour and target before surgery there, as the further arms of a run do.
"""

import pytest

from doseplan.anatomy import build_phantom
from doseplan.case import parse_case

CASE = """
anatomy = { levels = "T8-L3", origin_below = "T12" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0, ctv_margin_mm = 2.0 }
tumour = { side = "left" }
grid = { x_mm = [-100.0, 100.0], y_mm = [-140.0, 60.0], z_mm = [-80.0, 80.0] }
"""


@pytest.mark.benchmark(group="voxel model, 200 x 200 x 160")
@pytest.mark.parametrize("separation_mm", [None, 3.0])
def test_build_phantom(benchmark, separation_mm: float | None) -> None:
    case = parse_case(CASE, None)
    phantom = benchmark.pedantic(
        build_phantom, args=(case,), kwargs={"separation_mm": separation_mm}, rounds=3, warmup_rounds=1
    )
    assert phantom["rsp"].shape == (160, 200, 200)
