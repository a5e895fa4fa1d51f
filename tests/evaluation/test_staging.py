# ruff: noqa: E501 - one set of findings a line reads best
"""Scores of what the case states, and staging in the summary."""

import math
import sys
from dataclasses import replace

import pytest
import xarray as xr

from doseplan.case import Case
from doseplan.case.clinical_spec import Clinical, Dumbbell, DumbbellPoints, Sins
from doseplan.evaluation import dumbbell_score, phantom_numbers, sins
from doseplan.evaluation.staging import staging

WORST = {
    "location": "junctional",
    "pain": "mechanical",
    "lesion": "lytic",
    "alignment": "subluxation",
    "collapse": "over_half",
    "posterolateral": "both_sides",
}
BEST = {
    "location": "rigid",
    "pain": "none",
    "lesion": "blastic",
    "alignment": "normal",
    "collapse": "none",
    "posterolateral": "none",
}


@pytest.mark.parametrize(
    ("changes", "score", "name", "flag"),
    [
        (BEST, 0, "stable", False),
        (WORST, 18, "unstable", True),
        ({**BEST, "pain": "mechanical", "collapse": "over_half"}, 6, "stable", False),
        ({**BEST, "pain": "mechanical", "alignment": "subluxation"}, 7, "potentially unstable", False),
        ({**BEST, "pain": "mechanical", "alignment": "subluxation", "location": "semirigid"}, 8, "potentially unstable", True),
        ({**WORST, "pain": "none", "collapse": "none"}, 12, "potentially unstable", True),
        ({**WORST, "pain": "none", "collapse": "body_involved"}, 13, "unstable", True),
    ],
)  # fmt: skip
def test_sins_and_its_classes(changes: dict[str, str], score: int, name: str, flag: bool) -> None:
    found = sins(Sins(**changes))  # type: ignore[arg-type]
    assert (found["score"], found["class"], found["fracture_flag"]) == (score, name, flag)
    assert "n = 30" in found["fractures"]


def test_five_centimetres_count_as_large() -> None:
    features = {"lobulated": False, "boundary_lost": False, "osteolysis": False}
    below, at = (dumbbell_score(Dumbbell(diameter_mm=size, **features)) for size in (49.9, 50.0))
    assert (below["points"]["diameter"], at["points"]["diameter"]) == (0, 2)


def test_malignancy_is_suspected_from_three_points_on() -> None:
    features = {"diameter_mm": 60.0, "lobulated": True, "boundary_lost": False, "osteolysis": False}
    three = dumbbell_score(Dumbbell(**features))
    two = dumbbell_score(Dumbbell(**{**features, "lobulated": False}))
    assert (three["score"], three["malignancy_suspected"]) == (3, True)
    assert (two["score"], two["malignancy_suspected"]) == (2, False)
    own = dumbbell_score(Dumbbell(**features, points=DumbbellPoints(diameter=1, lobulated=1)))
    assert (own["score"], own["malignancy_suspected"]) == (2, False)


def test_points_are_told_by_feature() -> None:
    assert sins(Sins(**WORST))["points"] == {  # type: ignore[arg-type]
        "location": 3,
        "pain": 3,
        "lesion": 2,
        "alignment": 4,
        "collapse": 3,
        "posterolateral": 3,
    }
    features = Dumbbell(diameter_mm=60.0, lobulated=False, boundary_lost=True, osteolysis=True)
    assert dumbbell_score(features)["points"] == {
        "diameter": 2,
        "lobulated": 0,
        "boundary_lost": 1,
        "osteolysis": 2,
    }


CLINICAL = Clinical(
    histology="MPNST",
    frankel="C",
    imaging_uncertainty_mm=1.5,
    sins=Sins(**WORST),  # type: ignore[arg-type]
    dumbbell=Dumbbell(diameter_mm=60.0, lobulated=True, boundary_lost=False, osteolysis=False),
)


@pytest.fixture
def arms(monkeypatch: pytest.MonkeyPatch) -> dict[str, xr.Dataset]:
    """Two arms whose own staging is only who was compared with whom."""

    def compared(phantom: xr.Dataset, reference: xr.Dataset) -> dict[str, object]:
        return {"escc": f"{phantom.attrs['arm']} beside {reference.attrs['arm']}"}

    monkeypatch.setattr(sys.modules["doseplan.evaluation.staging"], "stage", compared)
    attributes = {
        "separation_mm": math.nan,
        "neural_structure": "spinal cord",
        "target_cm3": 101.0,
        "gap_target_dura_mm": 3.0,
        "gap_tumour_cord_mm": math.nan,
        "voxel_mm": 1.0,
    }
    return {
        name: xr.Dataset({"region": ("x", [0])}, attrs={**attributes, "arm": name})
        for name in ("none", "decompressed")
    }


def test_every_arm_is_staged_beside_the_decompressed_one(case: Case, arms: dict[str, xr.Dataset]) -> None:
    assert staging(replace(case, clinical=None), arms) == {
        "arms": {
            "none": {"escc": "none beside decompressed"},
            "decompressed": {"escc": "decompressed beside decompressed"},
        }
    }


def test_arms_are_left_out_where_they_cannot_be_judged(case: Case, arms: dict[str, xr.Dataset]) -> None:
    stated = replace(case, clinical=None)
    assert staging(stated, {"none": arms["none"]}) == {"arms": {}}
    assert staging(stated, {**arms, "none": arms["none"].drop_vars("region")}) == {"arms": {}}


def test_what_the_case_states_stands_beside(case: Case, arms: dict[str, xr.Dataset]) -> None:
    found = staging(replace(case, clinical=CLINICAL), arms)
    assert list(found) == ["arms", "histology", "frankel", "imaging_uncertainty_mm", "sins", "dumbbell"]
    assert (found["histology"], found["frankel"], found["imaging_uncertainty_mm"]) == ("MPNST", "C", 1.5)
    assert (found["sins"]["score"], found["dumbbell"]["score"]) == (18, 3)
    unknown = staging(replace(case, clinical=Clinical(frankel="E")), arms)
    assert (unknown["sins"], unknown["dumbbell"], unknown["frankel"]) == (None, None, "E")


def test_numbers_of_a_phantom_are_gathered_by_kind(case: Case, arms: dict[str, xr.Dataset]) -> None:
    stated = replace(case, clinical=Clinical(frankel="E"))
    found = phantom_numbers(stated, arms)
    assert found == {
        "case": case.name,
        "arms": {
            name: {
                "separation_mm": None,
                "neural_structure": "spinal cord",
                "volumes_cm3": {"target": 101.0},
                "gaps_mm": {"target_dura": 3.0, "tumour_cord": None},
                "staging": {"escc": f"{name} beside decompressed"},
            }
            for name in arms
        },
        "histology": None,
        "frankel": "E",
        "imaging_uncertainty_mm": None,
        "sins": None,
        "dumbbell": None,
        "assumptions": list(case.assumptions),
    }
    arms["none"].attrs["separation_mm"] = 4.0
    assert phantom_numbers(stated, arms)["arms"]["none"]["separation_mm"] == 4.0
