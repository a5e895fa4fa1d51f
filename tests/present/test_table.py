"""The terminal table and what it says of improvement."""

import io
from typing import Any

from rich.console import Console

from doseplan.present import summary_table
from doseplan.present.table import improvements


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
