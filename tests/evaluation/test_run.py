import json

import pytest
import xarray as xr

from doseplan.case import bundled_cases, load_case
from doseplan.evaluation import evaluate
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


def test_what_is_missing_is_named(tree, case) -> None:
    with pytest.raises(InputError, match="run: expected an arm of none, decompressed, separated, got"):
        evaluate(xr.DataTree(), case)
    with pytest.raises(InputError, match="run: expected the attribute case_toml"):
        evaluate(xr.DataTree())
    del tree["separated"]["samples"]
    with pytest.raises(InputError, match=r"run: separated: expected the node samples, got \['anatomy'\]"):
        evaluate(tree)


def test_the_line_names_the_arm(tree, arm_samples) -> None:
    zero = arm_samples["sample_dose_rbe"].copy(data=0.0 * arm_samples["sample_dose_rbe"].values)
    tree["decompressed/samples"] = xr.DataTree(arm_samples.assign(sample_dose_rbe=zero))
    with pytest.raises(InputError, match="decompressed: sample_dose_rbe: expected some dose, got 0 in all"):
        evaluate(tree)
