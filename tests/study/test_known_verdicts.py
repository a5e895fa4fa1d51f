"""Cases whose answer is known: what is easy is found feasible, what can't be is proven so."""

import json

import pytest

from doseplan.anatomy import build_phantom, place_samples
from doseplan.case import bundled_cases, load_case, varied
from doseplan.case.spec import DEFAULT_FIELDS
from doseplan.dose import beam_library, place_fields, place_spots
from doseplan.planning import optimise
from doseplan.planning.bound import prove
from doseplan.planning.stored import check_record, proof_record

pytestmark = pytest.mark.slow

GOAL_GYE = 57.6


def test_a_full_ring_on_the_cord_cannot_get_its_goal() -> None:
    """ESCC 3, no fluid left: the ring touches what must stay below 50 GyE, all around."""
    case = load_case(bundled_cases()["t12_ring"])
    assert case.fields == DEFAULT_FIELDS
    assert case.check is not None
    assert case.check.escc == "3"
    assert case.tumour.wrap_deg == 360.0
    assert case.tumour.csf_left_mm == 0.0
    # coarse voxels and spots, for the time that it takes
    coarse = {"grid.voxel_mm": 2.0, "delivery.spot_spacing_mm": 6.0, "delivery.layer_spacing_mm": 5.0}
    case = varied(case, coarse)
    library, phantom = beam_library(), build_phantom(case, separation_mm=None)
    samples = place_samples(phantom, case)
    spots = place_spots(case, phantom, place_fields(case, phantom), library)
    planned = optimise(case, phantom, samples, spots, library)
    bound = prove(case, phantom, samples, planned, library, programs=1)
    assert planned.attrs["limits_met"]
    assert planned.attrs["target_minimum_gye"] < bound.upper_gye < GOAL_GYE
    record = json.loads(json.dumps(proof_record(bound)))
    assert check_record(record, case, phantom, samples, planned, library)
