import json

import numpy as np
import pytest
import xarray as xr

from doseplan.case import bundled_cases, load_case
from doseplan.evaluation import evaluate, run
from doseplan.messages import InputError


@pytest.fixture
def tree(arm_samples, phantom_of):
    arms = {"none": None, "decompressed": 0.0, "separated": 3.0}
    nodes = {
        f"{name}/{node}": dataset
        for name, separation in arms.items()
        for node, dataset in (("anatomy", phantom_of(separation)), ("samples", arm_samples))
    }
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    attributes = {
        "case_toml": case.case_toml,
        "anatomy_toml": case.anatomy_toml,
        "assumptions": json.dumps(["one", "two"]),
        "versions": json.dumps({"doseplan": "0.1.0"}),
        "digest": "abc",
    }
    root = xr.DataTree.from_dict(nodes)
    root.attrs = attributes
    return root


def test_the_summary_reads_the_case_from_the_run(tree) -> None:
    summary = evaluate(tree)
    assert list(summary["arms"]) == ["none", "decompressed", "separated"]
    assert [arm["separation_mm"] for arm in summary["arms"].values()] == [None, 0.0, 3.0]
    assert summary["case"] == "t11_t12_mpnst"
    assert summary["scale"] == "NIRS"
    assert "modified MKM" in summary["rbe_model"]
    assert summary["fractions"] == 16
    assert summary["prescription_gye"] == 64.0
    assert summary["assumptions"] == ["one", "two"]
    assert summary["versions"] == {"doseplan": "0.1.0"}
    assert summary["digest"] == "abc"
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_given_case_is_taken(tree, case) -> None:
    del tree.attrs["case_toml"]
    del tree.attrs["assumptions"]
    assert evaluate(tree, case)["assumptions"] == list(case.assumptions)


def test_one_arm_is_a_run(tree) -> None:
    del tree["none"]
    del tree["decompressed"]
    assert list(evaluate(tree)["arms"]) == ["separated"]


def test_a_case_without_a_name_is_called_like_its_file(tree) -> None:
    lines = tree.attrs["case_toml"].splitlines()
    tree.attrs["case_toml"] = "\n".join(line for line in lines if not line.startswith("name ="))
    assert evaluate(tree)["case"] == "case"
    tree.attrs["case"] = "mine"
    assert evaluate(tree)["case"] == "mine"


def test_plain_assumptions_and_versions_stay(tree) -> None:
    tree.attrs["assumptions"], tree.attrs["versions"] = ("one", "two"), {"doseplan": "0.2.0"}
    assert (evaluate(tree)["assumptions"], evaluate(tree)["versions"]) == (
        ["one", "two"],
        {"doseplan": "0.2.0"},
    )
    del tree.attrs["versions"]
    assert evaluate(tree)["versions"] == {}


def test_the_staging_of_all_arms_is_told(tree, monkeypatch) -> None:
    monkeypatch.setattr(run, "staging", lambda case, arms: {name: arms[name].attrs["arm"] for name in arms})
    assert evaluate(tree)["staging"] == dict.fromkeys(["none", "decompressed", "separated"], "any")


@pytest.mark.parametrize("arm", ["decompressed", "separated"])
def test_an_arm_of_other_fractions_is_refused(tree, arm_samples, arm: str) -> None:
    doses = ("sample_dose_rbe", "sample_dose_lem1")
    other = {name: arm_samples[name].assign_attrs(fractions=12) for name in doses}
    tree[f"{arm}/samples"] = xr.DataTree(arm_samples.assign(other))
    with pytest.raises(InputError, match=rf"^{arm}: fractions: expected the same .*, got 16 and 12"):
        evaluate(tree)


@pytest.mark.parametrize(
    ("alone", "in_errors", "planned_for", "met"),
    [
        (True, True, True, True),
        (True, False, True, False),
        # errors that a plan was not made for are told, and are no limit
        (True, False, False, True),
        (False, True, True, False),
        (False, True, False, False),
    ],
)
def test_a_plan_for_errors_keeps_its_limits_in_each(
    case, arm_samples, phantom_of, monkeypatch, alone: bool, in_errors: bool, planned_for: bool, met: bool
) -> None:
    told = {"limits_met": in_errors, "planned_for": planned_for}
    asked = []
    monkeypatch.setattr(run, "evaluate_arm", lambda *_: {"separation_mm": 3.0, "limits_met": alone})
    monkeypatch.setattr(run, "robust_metrics", lambda *words: asked.append(words) or told)
    found = run.judge_arm(case, phantom_of(3.0), arm_samples)
    assert found == {"separation_mm": 3.0, "limits_met": met, "robust": told}
    assert asked == [(case, arm_samples, 3.0)]


def test_daily_shifts_are_told_without_error_scenarios(case, arm_samples, phantom_of, monkeypatch) -> None:
    assert "daily" not in run.judge_arm(case, phantom_of(3.0), arm_samples)
    monkeypatch.setattr(run, "daily_metrics", lambda *words: words)
    found = run.judge_arm(case, phantom_of(3.0), arm_samples)
    assert found["daily"] == (case, arm_samples)
    assert "robust" not in found


def test_bodies_come_from_the_grid_implants_from_spots(tree, phantom_of, arm_samples, monkeypatch) -> None:
    grid, spots = xr.Dataset(attrs={"node": "dose"}), xr.Dataset(attrs={"node": "spots"})
    with_metal = phantom_of(3.0).assign(rsp_ct=("x", np.ones(2)))
    tree["separated/anatomy"] = xr.DataTree(with_metal)
    tree["separated/dose"] = xr.DataTree(grid)
    # spots alone tell of no implant, nor does metal without spots
    for arm in ("decompressed", "separated"):
        tree[f"{arm}/spots"] = xr.DataTree(spots)
    tree["none/anatomy"] = xr.DataTree(phantom_of(None).assign(rsp_ct=("x", np.ones(2))))
    asked = []
    monkeypatch.setattr(run, "body_doses", lambda *words: asked.append(words) or "bodies")
    monkeypatch.setattr(run, "implant_crossings", lambda *words: asked.append(words) or ["crossed"])
    arms = evaluate(tree)["arms"]
    assert [arm["bodies"] for arm in arms.values()] == [None, None, "bodies"]
    assert [arm["implants"] for arm in arms.values()] == [None, None, ["crossed"]]
    (case, phantom, dose), (metal, beams, target) = asked
    assert case.name == "t11_t12_mpnst"
    assert phantom.identical(with_metal)
    assert metal.identical(with_metal)
    assert dose.identical(grid)
    assert beams.identical(spots)
    # the target of `arm_samples`: a line along x
    assert np.array_equal(target[:, 0], np.arange(2000) * 0.02)


def test_what_is_missing_is_named(tree, case) -> None:
    with pytest.raises(
        InputError, match=r"run: expected an arm of none, decompressed, separated.*, got none$"
    ):
        evaluate(xr.DataTree(), case)
    with pytest.raises(InputError, match=r"run: expected an arm of .*, got \['elsewhere'\]$"):
        evaluate(xr.DataTree.from_dict({"elsewhere": xr.Dataset()}), case)
    with pytest.raises(InputError, match=r"run: expected the attribute case_toml, got none$"):
        evaluate(xr.DataTree())
    with pytest.raises(InputError, match=r"run: expected the attribute case_toml, got \['digest'\]$"):
        evaluate(xr.DataTree(xr.Dataset(attrs={"digest": "abc"})))
    del tree["separated"]["samples"]
    with pytest.raises(InputError, match=r"run: separated: expected the node samples, got \['anatomy'\]"):
        evaluate(tree)
    del tree["separated"]["anatomy"]
    with pytest.raises(InputError, match=r"run: separated: expected the node samples, got none$"):
        evaluate(tree)


def test_the_line_names_the_arm(tree, arm_samples) -> None:
    zero = arm_samples["sample_dose_rbe"].copy(data=0.0 * arm_samples["sample_dose_rbe"].values)
    tree["decompressed/samples"] = xr.DataTree(arm_samples.assign(sample_dose_rbe=zero))
    with pytest.raises(InputError, match="decompressed: sample_dose_rbe: expected some dose, got 0 in all"):
        evaluate(tree)
