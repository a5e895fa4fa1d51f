"""The report: every verdict with limit, unit, scale and fractions; falls explained; assumptions listed."""

from collections.abc import Callable

import pytest
import xarray as xr

from doseplan.case import Case
from doseplan.evaluation import evaluate
from doseplan.present import report_markdown


def report(tree: xr.DataTree, case: Case) -> str:
    return report_markdown(evaluate(tree, case), tree, case)


@pytest.fixture(scope="module")
def text(tree: xr.DataTree, case: Case) -> str:
    return report(tree, case)


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_says_at_both_ends_that_it_is_not_for_patients(text: str) -> None:
    said = "**Not for clinical use: research and education only.**"
    assert text.splitlines()[2] == said
    assert text.splitlines()[-1] == said


def test_every_goal_has_value_limit_unit_scale_and_fractions(text: str, case: Case) -> None:
    rows = [line for line in section(text, "Verdicts").splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(case.constraint) + len(case.goal)
    for row in rows:
        assert "NIRS, 16 fractions" in row
        assert row.count("met") == 3
    assert "| limit: cord maximum < 50 Gy(RBE) |" in rows[0]


def test_verdict_is_the_one_of_the_summary(text: str, tree: xr.DataTree, case: Case) -> None:
    arms = evaluate(tree, case)["arms"]
    rows = [line for line in section(text, "Verdicts").splitlines() if line.startswith("| ")][1:]
    for number, row in enumerate(rows):
        cells = [cell.strip() for cell in row.strip("|").split("|")][2:]
        goals = [arm["goals"][number] for arm in arms.values()]
        for cell, goal in zip(cells, goals, strict=True):
            assert cell == f"{goal['value']:.2f} {'met' if goal['met'] else '**not met**'}"


def test_a_broken_limit_is_said_loudly(tree_of: Callable[..., xr.DataTree], case: Case) -> None:
    # dose falls by 1.5 GyE/mm from 80 (clipped at 66) at the edge; the cord begins about 1 mm away
    text = report(tree_of(80.0, 80.0, 80.0), case)
    assert "none: A HARD LIMIT IS BROKEN" in section(text, "Verdicts")


def test_improvement_is_printed_with_its_amount(text: str, tree: xr.DataTree, case: Case) -> None:
    arms = evaluate(tree, case)["arms"]
    gain = arms["separated"]["tumour"]["dmin_gye"] - arms["none"]["tumour"]["dmin_gye"]
    assert f"separated against none: target minimum {gain:+.1f} GyE" in text
    assert "falls by" not in text


def test_fall_within_the_tolerance_is_not_made_much_of(
    tree_of: Callable[..., xr.DataTree], case: Case
) -> None:
    text = report(tree_of(50.0, 49.5, 58.0), case)
    assert "the target minimum falls by 0.50 GyE from none to decompressed: less than the optimiser's" in text


def test_fall_beyond_the_tolerance_is_explained(tree_of: Callable[..., xr.DataTree], case: Case) -> None:
    text = report(tree_of(46.0, 50.0, 47.0), case)
    said = section(text, "What separation brings")
    assert "the target minimum falls by 3.00 GyE from decompressed to separated: more than" in said
    assert f"filled with {case.surgery.cavity_material}" in said
    assert "5.00 instead of 2.00 mm" in said


def test_volumes_gaps_and_reading_of_the_target_are_there(text: str) -> None:
    geometry = section(text, "Geometry")
    for name in ("gross tumour before surgery", "gross tumour left", "resected", "target", "thecal sac"):
        assert f"| {name} [cm3] |" in geometry
    for name in ("tumour to dura", "tumour to thecal sac", "tumour to cord", "target to cord"):
        assert f"| gap {name}" in geometry
    assert "Target after surgery: residual tumour with margin." in geometry


def test_coldest_volume_says_where_it_is(text: str) -> None:
    cold = section(text, "Where it is cold")
    assert cold.count("of the target: mean") == 3
    assert "from the dura" in cold


def test_assumptions_versions_and_figures_are_listed(text: str, tree: xr.DataTree) -> None:
    assert "- made up for a test" in section(text, "Assumptions")
    assert "- doseplan 0" in section(text, "Versions")
    assert "d" * 64 in text
    for name in ("dose.png", "dvh.png", "depth_dose.png", "let.png"):
        assert f"](figures/{name})" in text


def test_headline_doses_have_lem_absorbed_dose_and_let_beside_them(text: str) -> None:
    rows = [line for line in section(text, "Doses").splitlines() if line.startswith("| target D min")]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")][1:]
    for cell in cells:
        weighted, beside = cell.rstrip(")").split(" (")
        lem1, absorbed, let_d = (float(value) for value in beside.split(","))
        # LEM I is made up as 1.1 times the weighted dose
        assert lem1 == pytest.approx(1.1 * float(weighted), abs=0.06)
        # the made-up absorbed dose is 1 / 2.5 of the weighted one, LET 20 + half of it; both are rounded
        assert absorbed == pytest.approx(float(weighted) / 2.5, abs=0.06)
        assert let_d == pytest.approx(20.0 + 0.5 * float(weighted), abs=0.51)
