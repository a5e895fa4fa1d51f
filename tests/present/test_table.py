"""The terminal table and what it says of improvement."""

import io
from typing import Any

import pytest
from rich.console import Console

from doseplan.present import summary_table
from doseplan.present.table import bound_lines, improvements


def arm(separation_mm: float | None, lowest: float, *, strip: bool = True) -> dict[str, Any]:
    names = ("max", "d0_03cc", "d0_1cc", "d1cc", "dmin", "d98", "d95", "d50", "d2")
    doses = {f"{name}_gye": lowest + step for step, name in enumerate(names)}
    beside = {
        f"{name}_{unit}": 20.0 for name in names for unit in ("lem1_gy_rbe", "absorbed_gy", "let_d_kev_um")
    }
    part = {
        **doses,
        **beside,
        "volume_cm3": 70.0,
        "v95_percent": 90.0,
        "v90_percent": 95.0,
        "limit_gye": 50.0,
    }
    labels = {"scale": "NIRS", "fractions": 16}
    goals = [
        {
            "name": "cord maximum",
            "value": lowest,
            "limit": 50.0,
            "unit": "Gy(RBE)",
            "hard": True,
            "met": True,
            "comparator": "<",
            **labels,
        },
        {
            "name": "target minimum",
            "value": 80.0,
            "limit": 90.0,
            "unit": "% of prescription",
            "hard": False,
            "met": False,
            "comparator": ">=",
            **labels,
        },
    ]
    return {
        "separation_mm": separation_mm,
        "cord": part,
        "tumour": part,
        "strip": part if strip else None,
        "strip_reason": None if strip else "no target there",
        "goals": goals,
        "structure": "thecal sac",
    }


def summary(*, strip: bool = True) -> dict[str, Any]:
    arms = {"none": arm(None, 40.0), "decompressed": arm(0.0, 44.0), "separated": arm(3.0, 47.0, strip=strip)}
    return {"case": "made_up", "scale": "NIRS", "fractions": 16, "prescription_gye": 64.0, "arms": arms}


def printed(content: dict[str, Any]) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary_table(content))
    return console.export_text()


def test_table_names_arms_verdicts_and_scale() -> None:
    text = printed(summary())
    for wanted in (
        "none",
        "decompressed (0 mm)",
        "separated (3 mm)",
        "NOT met",
        "64 GyE in 16 fractions (NIRS",
    ):
        assert wanted in text
    assert "limit: cord maximum < 50 Gy(RBE)" in text
    assert "cord: thecal sac" in text
    assert "Not for clinical use" in text


def test_empty_strip_is_said_with_its_reason() -> None:
    assert "no target there" in printed(summary(strip=False))


def test_improvement_is_a_difference_with_its_sign() -> None:
    lines = improvements(summary())
    assert lines[0].startswith("separated against none: target minimum +7.0 GyE")
    assert lines[1].startswith("separated against decompressed: target minimum +3.0 GyE")
    assert "strip" not in improvements(summary(strip=False))[0]


def _proven(upper_gye: float) -> dict[str, Any]:
    content = summary()
    none = content["arms"]["none"]
    for goal, limit_gye in zip(none["goals"], (50.0, 57.6), strict=True):
        goal.update(structure="cord" if goal["hard"] else "target", limit_gye=limit_gye)
    none["bound"] = {
        "dmin_gye": 53.0,
        "dmin_upper_gye": upper_gye,
        "gap_percent": 0.8,
        "held_by": [
            {"kind": "level", "structure": "target", "position_mm": [1.0, 2.0, 3.0], "share": 0.2},
            {"kind": "limit", "structure": "cord", "position_mm": [0.0, 1.0, 3.0], "share": 0.1},
        ],
        "left_out": [],
        "scenarios": 1,
    }
    return content


def test_a_proof_is_a_row_and_a_line_and_other_arms_are_not_proven() -> None:
    text = printed(_proven(53.5))
    assert "53.50 (gap 0.8 %)" in text
    assert text.count("not proven") == 2
    assert bound_lines(_proven(53.5)["arms"])[0] == (
        "none: target minimum: achieved 53.00 GyE, proven maximum 53.50 GyE, gap 0.8 % of the prescription"
    )


def test_a_goal_above_the_bound_is_infeasible_with_its_cause_and_one_below_is_not() -> None:
    said = bound_lines(_proven(53.5)["arms"])[1]
    assert said == (
        "none: goal 57.6 GyE infeasible: with these fields and this spot grid no plan gives the coldest part "
        "more than 53.50 GyE while the cord is below 50 GyE; coldest at (1.0, 2.0, 3.0) mm, held back by "
        "the cord at (0.0, 1.0, 3.0) mm"
    )
    assert len(bound_lines(_proven(58.0)["arms"])) == 1
    content = _proven(53.5)["arms"]
    content["none"]["bound"]["left_out"] = ["cord D0.1cc"]
    assert bound_lines(content)[-1] == (
        "none: the proof leaves out the limit of cord D0.1cc: it holds, but may be loose"
    )
    assert bound_lines(summary()["arms"]) == []


@pytest.mark.parametrize(
    ("finer_gye", "end"),
    [
        (54.0, "54.00 GyE: spots that are left out hardly matter"),
        (54.1, "54.10 GyE; `doseplan run CASE.toml --finer-spots` plans with them"),
    ],
)
def test_finer_spots_that_move_the_bound_by_a_per_cent_are_named(finer_gye: float, end: str) -> None:
    content = _proven(53.5)["arms"]
    content["none"]["bound"]["finer_upper_gye"] = finer_gye
    said = bound_lines(content)[-1]
    assert said.startswith("none: with spots of half the spacing and half the step of energies: ")
    assert said.endswith(f"proven maximum {end}")


def test_without_a_proof_no_row_speaks_of_one() -> None:
    assert "proven" not in printed(summary())
