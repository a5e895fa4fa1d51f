"""Cases of the gallery through the whole program, as coarse as makes sense: one of each kind of anatomy."""

import json
from dataclasses import replace

import pytest

from doseplan.case import Case, bundled_cases, load_case
from doseplan.evaluation import evaluate
from doseplan.planning import plan
from doseplan.present import report_markdown
from doseplan.study import plan_case

pytestmark = pytest.mark.slow

SHOWN = ("l3_cauda_equina", "t11_implants")

MOST_STEPS = 9
"""Limits hold and fields reach the target after a few steps as after many."""


def small(case: Case) -> Case:
    """Give a case a smaller tumour and make everything coarse."""
    tumour = replace(
        case.tumour,
        epidural_length_mm=14.0,
        bone_diameter_mm=12.0,
        paraspinal_width_mm=20.0,
        paraspinal_depth_mm=18.0,
        paraspinal_length_mm=16.0,
    )
    delivery = replace(case.delivery, spot_spacing_mm=10.0, layer_spacing_mm=10.0)
    return replace(case, tumour=tumour, grid=replace(case.grid, voxel_mm=3.0), delivery=delivery)


@pytest.mark.parametrize("name", SHOWN)
def test_a_case_runs_and_keeps_its_limits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MOST_STEPS", MOST_STEPS)
    case = small(load_case(bundled_cases()[name]))
    tree = plan_case(case)
    summary = evaluate(tree, case)
    json.dumps(summary, allow_nan=False)
    assert all(arm["limits_met"] for arm in summary["arms"].values())
    assert all(0.0 < arm["cord"]["max_gye"] < 50.0 for arm in summary["arms"].values())
    # a target that the beams reach in every arm: surgery must not put it out of range. Spots of 4 to 5 mm
    # (sigma) on a lattice of 10 mm leave cold holes; what is out of range gets next to nothing.
    assert all(arm["tumour"]["dmin_gye"] > 6.0 for arm in summary["arms"].values())
    report = report_markdown(summary, tree, case)
    assert "## Staging" in report
    assert ("## Implants in the path" in report) == (case.hardware is not None)
    if case.hardware is not None:
        implants = {arm: found["implants"] for arm, found in summary["arms"].items()}
        assert implants["none"] is None
        assert implants["separated_no_implant"] is None
        metal, soft = (
            max(abs(field["worst_error_mm"]) for field in implants[arm])
            for arm in ("separated", "separated_cfr_peek")
        )
        assert metal > 1.0  # a clipped CT number is worth millimetres behind titanium
        assert metal > soft
    if name == "l3_cauda_equina":
        assert summary["arms"]["none"]["structure"].startswith("cauda equina")
