# ruff: noqa: E501 - one set of findings a line reads best
"""Scores of what the case states, and staging in the summary."""

import pytest

from doseplan.case.clinical_spec import Dumbbell, DumbbellPoints, Sins
from doseplan.evaluation import dumbbell_score, sins

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
