"""A case with other numbers: set by dotted keys, refused by the reader's own lines."""

import tomllib
from dataclasses import replace

import pytest

from doseplan.case import as_read, bundled_cases, load_case, parse_case, varied, with_finer_grid
from doseplan.case.vary import plain_number, to_toml
from doseplan.messages import InputError

SMALL = """
anatomy = { levels = "T11-T12" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
tumour = { side = "right" }
fields = [{ gantry_deg = 150.0 }, { gantry_deg = 210.0 }]
"""


@pytest.fixture
def case():
    return parse_case(SMALL, None, where="small.toml")


def test_numbers_are_set_and_the_rest_stays(case) -> None:
    other = varied(case, {"surgery.separation_mm": 5.5, "fields[1].gantry_deg": 200.0})
    assert other.surgery.separation_mm == 5.5
    assert [field.gantry_deg for field in other.fields] == [150.0, 200.0]
    assert other.tumour == case.tumour
    assert other.name == "small"
    assert case.surgery.separation_mm == 3.0


def test_tables_that_a_case_leaves_to_defaults_are_made(case) -> None:
    assert varied(case, {"delivery.spot_spacing_mm": 6}).delivery.spot_spacing_mm == 6.0


def test_the_same_numbers_are_the_same_text(case) -> None:
    one, two = varied(case, {"surgery.separation_mm": 5}), varied(case, {"surgery.separation_mm": 5.0})
    assert one.case_toml == two.case_toml
    assert tomllib.loads(one.case_toml)["surgery"] == {"separation_mm": 5}
    assert parse_case(one.case_toml, None, where="small.toml") == one


def test_a_finer_grid_has_half_the_spacing_and_nothing_else_is_changed(case) -> None:
    before, finer = case.delivery, with_finer_grid(case)
    assert finer.delivery.spot_spacing_mm == 0.5 * before.spot_spacing_mm
    assert finer.delivery.layer_spacing_mm == 0.5 * before.layer_spacing_mm
    # one layer of the grid before, so that its spots are there too
    assert finer.delivery.depth_margin_mm == before.depth_margin_mm == before.layer_spacing_mm
    assert as_read(finer)
    assert replace(finer, delivery=before, case_toml=case.case_toml) == case
    with pytest.raises(InputError, match=r"delivery\.layer_spacing_mm: expected .* >= 1, got 0\.75"):
        with_finer_grid(finer)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("surgery.separation_mm", 40, "small.toml: surgery.separation_mm: expected separation_mm <= 30"),
        (
            "tumour.wrap",
            180,
            "small.toml: tumour.wrap: expected a known key, got 'wrap'; did you mean 'wrap_deg'?",
        ),
        ("fields[2].gantry_deg", 10, r"small.toml: fields\[2\].gantry_deg: expected an index below 2, got 2"),
        ("tumour.side", 1, "small.toml: tumour.side: expected 'left' or 'right', got 1"),
        (
            "tumour.side.x",
            1,
            "small.toml: tumour.side.x: expected a table in the case around 'x', got 'right'",
        ),
        ("tumour[0]", 1, r"small.toml: tumour\[0\]: expected a list in the case before \[0\]"),
        (
            "goal[0].min_percent",
            80,
            r"small.toml: goal\[0\].min_percent: expected goal to be stated in the case",
        ),
        ("prescription.fractions", 16.5, "small.toml: prescription.fractions: expected a whole number"),
        ("surgery..separation_mm", 1, "small.toml: expected a key like"),
    ],
)
def test_mistakes_are_one_line(case, key: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        varied(case, {key: value})
    assert len(error.value.lines) == 1


def test_every_bundled_case_survives_being_written_again() -> None:
    for path in bundled_cases().values():
        case = load_case(path)
        assert as_read(case)
        again = varied(case, {})
        assert tomllib.loads(again.case_toml) == tomllib.loads(case.case_toml)
        assert again.fields == case.fields


def test_a_case_that_was_changed_is_told(case) -> None:

    assert not as_read(replace(case, prv_margin_mm=3.0))


def test_texts_that_need_escapes_come_back() -> None:
    stated = {"odd key": 'quote " backslash \\ line\n', "x": [True, 1, 2.5, {"y": "é"}], "z": {}}
    assert tomllib.loads(to_toml(stated)) == stated


@pytest.mark.parametrize(("value", "plain"), [(64.0, "64"), (67.2, "67.2"), (3, "3"), (0.0, "0")])
def test_whole_numbers_are_written_as_such(value: float, plain: str) -> None:
    assert repr(plain_number(value)) == plain


def test_a_case_on_a_ct_keeps_its_place() -> None:
    text = """
ct = { file = "ct.nc" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 4.0 }
"""
    read = parse_case(text, 'sha256 = "12"\n', where="patient.toml")
    case = replace(read, folder="somewhere")
    assert as_read(case)
    other = varied(case, {"surgery.separation_mm": 2})
    assert (other.folder, other.anatomy_toml) == ("somewhere", 'sha256 = "12"\n')
    assert other.surgery.separation_mm == 2.0
