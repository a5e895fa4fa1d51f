"""Readers of foreign input end in a result or in lines; `docs/update_reliability.py --fuzz` tries more."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doseplan.case import parse_case
from doseplan.messages import InputError

HERE = Path(__file__).parent


def load_targets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_targets", HERE / "targets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


targets = load_targets()


@pytest.mark.parametrize("target", targets.TARGETS)
def test_whole_inputs_are_read(target: str) -> None:
    """Else the campaigns would only find that nothing can be read."""
    assert [targets.outcome(target, data) for data in targets.seeds(target)].count("result") >= 1


@pytest.mark.parametrize(
    "path", sorted((HERE / "corpus").glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_once_failed_ends_in_a_line(path: Path) -> None:
    assert targets.outcome(path.parent.name, path.read_bytes()) in ("result", "line")


@pytest.mark.parametrize("target", targets.TARGETS)
def test_damaged_inputs_end_in_a_result_or_a_line(target: str) -> None:
    turns = {"slice": 40, "structures": 40, "dose": 40}.get(target, 100)
    found = {targets.outcome(target, targets.input_of(target, 4, turn)) for turn in range(turns)}
    assert found <= {"result", "line"}
    assert "line" in found


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4),
    max_leaves=8,
)


def toml(value: object) -> str:
    """Write a value as TOML, nothing as an empty table."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if value is None:
        return "{}"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


@settings(max_examples=150)
@given(
    key=st.sampled_from(["name", "fields", "constraint", "goal", "surgery", "tumour", "grid", "robustness"])
    | st.text(),
    value=values,
)
def test_any_value_of_any_key_is_read_or_told(key: str, value: object) -> None:
    text = 'anatomy = { levels = "T10-L1" }\nprescription = { total_gy_rbe = 64.0 }\n'
    text += f"{json.dumps(key)} = {toml(value)}\n"
    try:
        parse_case(text, None)
    except InputError as error:
        told = error.lines
    else:
        told = ("read",)
    assert told
    assert all(line.strip() for line in told)
