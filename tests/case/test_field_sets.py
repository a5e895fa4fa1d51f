# ruff: noqa: E501 - one mistake a line reads best
"""Fields as people state them: sets by name, parts of the target, rolls, names, and days."""

import sys
from pathlib import Path

import pytest

from doseplan.case import Case, bundled_cases, load_case, parse_case
from doseplan.case.courses import field_courses, field_names
from doseplan.case.spec import DEFAULT_FIELDS, BeamField
from doseplan.cli import main
from doseplan.messages import InputError

REST = """
anatomy = { levels = "T10-L1" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
tumour = { side = "right" }
"""


def case_with(stated: str) -> Case:
    return parse_case(stated + REST, None, where="my.toml")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ('set = "posterior"', [BeamField(gantry_deg=180.0, name="posterior")]),
        ('set = "posterior_oblique_pair", angle_deg = 40', [BeamField(gantry_deg=140.0, name="left"), BeamField(gantry_deg=220.0, name="right")]),
        ('set = "lateral"', [BeamField(gantry_deg=90.0, name="left"), BeamField(gantry_deg=270.0, name="right")]),
        ('set = "lateral", side = "right"', [BeamField(gantry_deg=270.0, name="right")]),
        ('set = "patch"', [BeamField(gantry_deg=135.0, name="left", part="left"), BeamField(gantry_deg=225.0, name="right", part="right")]),
        ('set = "patch", angle_deg = 90.0, couch_deg = 10.0, roll_deg = -15', [BeamField(gantry_deg=90.0, couch_deg=10.0, roll_deg=-15.0, name="left", part="left"), BeamField(gantry_deg=270.0, couch_deg=10.0, roll_deg=-15.0, name="right", part="right")]),
        ('set = "patch", split = "anterior_posterior", side = "right"', [BeamField(gantry_deg=180.0, name="posterior", part="posterior"), BeamField(gantry_deg=270.0, name="anterior", part="anterior")]),
    ],
)  # fmt: skip
def test_a_set_stands_for_fields(stated: str, expected: list[BeamField]) -> None:
    assert list(case_with(f"fields = {{ {stated} }}").fields) == expected


def test_the_default_is_the_oblique_pair() -> None:
    pair = case_with('fields = { set = "posterior_oblique_pair" }').fields
    assert [field.gantry_deg for field in pair] == [field.gantry_deg for field in DEFAULT_FIELDS]
    assert case_with("").fields == DEFAULT_FIELDS
    assert case_with("").course == ()


def test_a_set_may_stand_in_a_case_on_a_ct() -> None:
    case = parse_case(
        'ct = { file = "patient.nc" }\nfields = { set = "patch" }\n'
        + REST.replace("anatomy", "#").replace("tumour", "#"),
        None,
    )
    assert [field.part for field in case.fields] == ["left", "right"]


def test_the_texts_give_the_same_case_again() -> None:
    case = case_with(
        'fields = { set = "patch" }\ncourse = [{ fields = ["left"], fractions = 7 }, { fields = ["right"], fractions = 9 }]'
    )
    assert parse_case(case.case_toml, None, where="my.toml") == case


def test_fields_without_a_name_are_called_after_their_number() -> None:
    case = case_with(
        'fields = [{ gantry_deg = 0 }, { gantry_deg = 90, name = "left" }, { gantry_deg = 270 }]'
    )
    assert field_names(case.fields) == ("field 1", "left", "field 3")


def test_every_field_is_given_every_day_unless_the_case_says_otherwise() -> None:
    assert field_courses(case_with('fields = { set = "lateral" }')) == ((0, 0), (16,))
    stated = 'fields = [{ gantry_deg = 0 }, { gantry_deg = 90, name = "b" }, { gantry_deg = 270 }]\n'
    one = case_with(stated + 'course = [{ fields = ["b", "field 3", "field 1"], fractions = 16 }]')
    assert field_courses(one) == ((0, 0, 0), (16,))
    two = case_with(
        stated
        + 'course = [{ fields = ["b"], fractions = 6 }, { fields = ["field 3", "field 1"], fractions = 10 }]'
    )
    assert field_courses(two) == ((1, 0, 1), (6, 10))


def test_what_is_unusual_about_fields_is_an_assumption() -> None:
    plain = case_with("").assumptions
    stated = 'fields = { set = "patch", roll_deg = 20 }\ndelivery = { patch_overlap_mm = 2 }\n'
    days = 'course = [{ fields = ["left"], fractions = 7 }, { fields = ["right"], fractions = 9 }]'
    more = [line for line in case_with(stated + days).assumptions if line not in plain]
    assert len(more) == 3
    assert "patch fields (left: left, right: right)" in more[0]
    assert "overlap by 2 mm" in more[0]
    assert "left 20 deg, right 20 deg" in more[1]
    assert "7 x left; 9 x right" in more[2]


TWO = 'fields = { set = "lateral" }\n'

MISTAKES = {
    "set misspelt": ('fields = { set = "posterier" }', "fields.set: expected 'posterior', 'posterior_oblique_pair', 'lateral' or 'patch', got 'posterier'; did you mean 'posterior'?"),
    "set a number": ("fields = { set = 3 }", "fields.set: expected 'posterior', 'posterior_oblique_pair', 'lateral' or 'patch', got 3"),
    "set missing": ("fields = { angle_deg = 30 }", "fields.set: expected a value, got nothing"),
    "fields a number": ("fields = 3", "fields: expected a list, got 3"),
    "fields of numbers": ("fields = [3]", "fields[0]: expected a table, got 3"),
    "fields empty": ("fields = []", "fields: expected at least 1 entry, got 0"),
    "set key misspelt": ('fields = { set = "patch", angel_deg = 3 }', "fields.angel_deg: expected a known key, got 'angel_deg'; did you mean 'angle_deg'?"),
    "set key of another set": ('fields = { set = "posterior", angle_deg = 30 }', "fields: expected keys of the set posterior (couch_deg, roll_deg), got 'angle_deg'"),
    "angle nan": ('fields = { set = "patch", angle_deg = nan }', "fields.angle_deg: expected a finite number, got nan"),
    "angle large": ('fields = { set = "patch", angle_deg = 91 }', "fields.angle_deg: expected angle_deg <= 90, got 91"),
    "angle a text": ('fields = { set = "patch", angle_deg = "30" }', "fields.angle_deg: expected a number, got '30'"),
    "side unknown": ('fields = { set = "lateral", side = "up" }', "fields.side: expected 'left', 'right' or 'both', got 'up'"),
    "side of a pair": ('fields = { set = "posterior_oblique_pair", side = "left" }', "fields: expected keys of the set posterior_oblique_pair (angle_deg, couch_deg, roll_deg), got 'side'"),
    "side both of a patch": ('fields = { set = "patch", split = "anterior_posterior", side = "both" }', "fields: expected one side of a patch, 'left' or 'right', got 'both'"),
    "split unknown": ('fields = { set = "patch", split = "left_rigth" }', "fields.split: expected 'left_right' or 'anterior_posterior', got 'left_rigth'; did you mean 'left_right'?"),
    "split a number": ('fields = { set = "patch", split = 2 }', "fields.split: expected 'left_right' or 'anterior_posterior', got 2"),
    "split of a pair": ('fields = { set = "lateral", split = "left_right" }', "fields: expected keys of the set lateral (side, couch_deg, roll_deg), got 'split'"),
    "roll large": ("fields = [{ gantry_deg = 0, roll_deg = 60 }]", "fields[0].roll_deg: expected roll_deg <= 45, got 60"),
    "roll infinite": ("fields = [{ gantry_deg = 0, roll_deg = -inf }]", "fields[0].roll_deg: expected a finite number, got -inf"),
    "roll misspelt": ("fields = [{ gantry_deg = 0, role_deg = 10 }]", "fields[0].role_deg: expected a known key, got 'role_deg'; did you mean 'roll_deg'?"),
    "part unknown": ('fields = [{ gantry_deg = 0, part = "lft" }]', "fields[0].part: expected 'left', 'right', 'anterior' or 'posterior', got 'lft'; did you mean 'left'?"),
    "part true": ("fields = [{ gantry_deg = 0, part = true }]", "fields[0].part: expected 'left', 'right', 'anterior' or 'posterior', got true"),
    "part alone": ('fields = [{ gantry_deg = 0, part = "left" }, { gantry_deg = 9, part = "anterior" }]', "fields: expected parts that make up the target (left and right, or anterior and posterior), or a field without part, got anterior and left alone"),
    "name empty": ('fields = [{ gantry_deg = 0, name = "" }]', "fields[0].name: expected a text that is not empty, got ''"),
    "name long": (f'fields = [{{ gantry_deg = 0, name = "{"x" * 33}" }}]', "fields[0].name: expected a shorter text, got"),
    "name twice": ('fields = [{ gantry_deg = 0, name = "field 2" }, { gantry_deg = 9 }]', "fields[1].name: expected a name of its own, got 'field 2' a second time"),
    "overlap negative": (TWO + "delivery = { patch_overlap_mm = -1 }", "delivery.patch_overlap_mm: expected patch_overlap_mm >= 0, got -1"),
    "overlap a text": (TWO + 'delivery = { patch_overlap_mm = "2" }', "delivery.patch_overlap_mm: expected a number, got '2'"),
    "overlap of nothing": (TWO + "delivery = { patch_overlap_mm = 2 }", "delivery.patch_overlap_mm: expected 0, as no field covers a part of the target, got 2"),
    "course a table": (TWO + "course = { fields = 3 }", "course: expected a list, got a table of fields"),
    "course key misspelt": (TWO + 'course = [{ fields = ["left", "right"], fractions = 16, day = 3 }]', "course[0].day: expected a known key, got 'day'"),
    "course without a field": (TWO + "course = [{ fields = [], fractions = 16 }]", "course[0].fields: expected at least 1 entry, got 0"),
    "course by number": (TWO + "course = [{ fields = [1], fractions = 16 }]", "course[0].fields[0]: expected a text, got 1"),
    "course of an unknown field": (TWO + 'course = [{ fields = ["left", "rigt"], fractions = 16 }]', "course[0].fields[1]: expected the name of a field, got 'rigt'; did you mean 'right'?"),
    "course with a field twice": (TWO + 'course = [{ fields = ["left"], fractions = 8 }, { fields = ["right", "left"], fractions = 8 }]', "course[1].fields[1]: expected each field once in all courses, got 'left' a second time"),
    "course without one of the fields": (TWO + 'course = [{ fields = ["left"], fractions = 16 }]', "course: expected every field in a course, got none with 'right'"),
    "fractions that do not add up": (TWO + 'course = [{ fields = ["left"], fractions = 8 }, { fields = ["right"], fractions = 7 }]', "course: expected fractions that add up to the 16 of the prescription, got 15 (8 + 7)"),
    "fractions none": (TWO + 'course = [{ fields = ["left", "right"], fractions = 0 }]', "course[0].fractions: expected fractions >= 1, got 0"),
    "fractions half": (TWO + 'course = [{ fields = ["left", "right"], fractions = 15.5 }]', "course[0].fractions: expected a whole number, got 15.5"),
}  # fmt: skip


@pytest.mark.parametrize(("stated", "line"), MISTAKES.values(), ids=MISTAKES)
def test_nonsense_is_one_line_and_exit_2(
    stated: str,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "my.toml"
    path.write_text(stated + REST, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["doseplan", "run", str(path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr()
    assert stopped.value.code == 2
    assert told.out == ""
    assert told.err.startswith(f"my.toml: {line}")
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_set_is_told_beside_other_mistakes() -> None:
    with pytest.raises(InputError) as caught:
        parse_case(
            'fields = { set = "patsh" }\ncourse = [{ fields = ["a"], fractions = 3 }]\n'
            + REST.replace("64.0", "-1.0"),
            None,
        )
    assert len(caught.value.lines) == 2, caught.value.lines


def test_bundled_cases_keep_their_fields() -> None:
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    assert [(field.gantry_deg, field.couch_deg, field.roll_deg, field.part) for field in case.fields] == [(150.0, 0.0, 0.0, None), (210.0, 0.0, 0.0, None), (90.0, 0.0, 0.0, None)]  # fmt: skip
    assert field_courses(case) == ((0, 0, 0), (16,))
