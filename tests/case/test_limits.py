"""What limits say in Gy(RBE), and the one that every case has."""

from dataclasses import replace

import pytest

from doseplan.case import Case, bundled_cases, load_case
from doseplan.case.limits import cord_limit, limit_gy_rbe, with_tissue_limit
from doseplan.case.spec import TISSUE_LIMIT, Constraint, Prescription

CORD, TARGET = (
    Constraint(structure="cord", max_gy_rbe=50.0),
    Constraint(structure="target", max_percent=110.0),
)


def case_of(*limits: Constraint) -> Case:
    bundled = load_case(bundled_cases()["t11_t12_mpnst"])
    return replace(bundled, prescription=Prescription(total_gy_rbe=60.0), constraint=limits)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"max_gy_rbe": 50.0}, 50.0),
        ({"max_gy_rbe": 45.0, "volume_cm3": 0.1}, 45.0),
        ({"mean_gy_rbe": 20.0}, 20.0),
        # of a prescription of 60
        ({"max_percent": 75.0}, 45.0),
        ({"mean_percent": 50.0}, 30.0),
    ],
)
def test_limits_are_stated_in_dose_or_in_per_cent_of_the_prescription(
    stated: dict[str, float], expected: float
) -> None:
    limit = Constraint(structure="cord", **stated)  # type: ignore[arg-type]
    # one product of three factors: rounding only
    assert limit_gy_rbe(case_of(limit), limit) == pytest.approx(expected, rel=1e-15)


def test_other_tissue_is_limited_unless_the_case_says_how() -> None:
    own = Constraint(structure="other", max_gy_rbe=30.0)
    assert with_tissue_limit([CORD, TARGET]) == (CORD, TARGET, TISSUE_LIMIT)
    assert with_tissue_limit([]) == (TISSUE_LIMIT,)
    assert with_tissue_limit([CORD, own]) == (CORD, own)
    assert with_tissue_limit([own, CORD]) == (own, CORD)


def test_the_tightest_limit_of_the_cords_hottest_part_counts() -> None:
    volume = Constraint(structure="cord", max_percent=75.0, volume_cm3=0.1)
    mean = Constraint(structure="cord", mean_gy_rbe=10.0)
    assert cord_limit(case_of(CORD, mean, TARGET)) == 50.0
    assert cord_limit(case_of(CORD, volume)) == pytest.approx(45.0)
    assert cord_limit(case_of(volume, CORD)) == pytest.approx(45.0)
    assert cord_limit(case_of(Constraint(structure="target", max_gy_rbe=40.0), mean)) is None
