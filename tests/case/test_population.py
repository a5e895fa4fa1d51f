"""Populations: what differs between patients, read from a table, and the case of one anatomy."""

import tomllib
from statistics import NormalDist

import pytest

from doseplan.case import (
    bundled_cases,
    draw_anatomy,
    load_case,
    parse_case,
    parse_population,
    read_population,
)
from doseplan.case.levels import morphometry
from doseplan.case.population import assumed_of_population, levels_of
from doseplan.case.vary import to_toml
from doseplan.messages import InputError

CASE = """
name = "own"
anatomy = { levels = "T10-T12", origin_below = "T11", posture = "prone", percentile = { body_waist = 60.0 } }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
tumour = { side = "right", wrap_deg = 200.0 }
check = { gtv_cm3 = 1.0, target_cm3 = 1.0 }
"""

TABLE = """
name = "test"

[level]
names = ["T9", "C5"]
weights = [3.0, 1.0]
source = "made up"

[posture]
prone_percent = 25.0
source = "assumed"

[[number]]
name = "canal"
percentile = ["canal_depth", "canal_width"]
source = "made up"

[[number]]
name = "ring"
keys = ["tumour.wrap_deg"]
normal = [270.0, 30.0]
within = [240.0, 300.0]
source = "from memory: a colleague"

[[number]]
name = "voxels"
keys = ["grid.voxel_mm"]
values = [1.0, 2.0]
source = "made up"
"""


@pytest.fixture
def case():
    return parse_case(CASE, None, where="own.toml")


def test_the_bundled_table_draws_every_bundled_case() -> None:
    population = read_population()
    middle = (0.5,) * len(population.names)
    for name, path in bundled_cases().items():
        found = draw_anatomy(load_case(path), population, middle, 3)
        assert found.why == (), name
        assert found.case is not None
        assert found.case.anatomy.origin_below == load_case(path).anatomy.origin_below
        assert found.case.tumour.wrap_deg == 270.0


def test_an_anatomy_is_the_case_with_what_was_drawn(case) -> None:
    found = draw_anatomy(case, parse_population(TABLE), (0.2, 0.9, 0.975, 0.5, 0.4), 7)
    assert found.drawn == {"level": "T9", "posture": "supine", "canal": 97.405, "ring": 270.0, "voxels": 1.0}
    drawn = found.case
    assert drawn is not None
    assert (drawn.name, drawn.check) == ("own 0007", None)
    assert [level.name for level in drawn.anatomy.level] == ["T8", "T9", "T10"]
    assert (drawn.anatomy.origin_below, drawn.anatomy.posture) == ("T9", "supine")
    assert (drawn.tumour.wrap_deg, drawn.tumour.side) == (270.0, "right")
    # 97.4 % of a normal distribution, by the spread of the table or 8 %
    value, spread, *_ = morphometry()["T9"]["canal_depth"]
    expected = value + NormalDist().inv_cdf(0.97405) * (spread or 0.08 * value)
    assert drawn.anatomy.level[1].canal_depth.mm == pytest.approx(expected, abs=1e-4)  # written with 4 digits
    stated = tomllib.loads(drawn.case_toml)["anatomy"]["percentile"]
    assert stated == {"body_waist": 60.0, "canal_depth": 97.405, "canal_width": 97.405}


def test_shares_are_mapped_through_the_distributions(case) -> None:
    population = parse_population(TABLE)
    ends = [draw_anatomy(case, population, (share,) * 5, 0).drawn for share in (0.0, 0.249, 0.76, 1.0 - 1e-9)]
    assert [each["level"] for each in ends] == ["T9", "T9", "C5", "C5"]  # three quarters, one quarter
    assert [each["posture"] for each in ends] == ["prone", "prone", "supine", "supine"]
    assert [each["voxels"] for each in ends] == [1.0, 1.0, 2.0, 2.0]
    assert (ends[0]["ring"], ends[-1]["ring"]) == (240.0, 300.0)
    assert (ends[0]["canal"], ends[-1]["canal"]) == (0.1, 99.9)


def test_a_draw_that_the_reader_refuses_has_its_lines(case) -> None:
    ring = {"name": "ring", "keys": ["tumour.wrap_deg"], "uniform": [0.0, 400.0], "source": "y"}
    found = draw_anatomy(case, parse_population(to_toml({"name": "x", "number": [ring]})), (0.95,), 0)
    assert found.case is None
    assert found.why == ("own.toml: tumour.wrap_deg: expected wrap_deg <= 360, got 380",)


def test_what_is_not_drawn_stays(case) -> None:
    text = 'name = "x"\n[[number]]\nname = "ring"\nkeys = ["tumour.wrap_deg"]\nvalues = [222.0]\nsource = "y"'
    found = draw_anatomy(case, parse_population(text), (0.5,), 0).case
    assert found is not None
    assert found.anatomy == case.anatomy
    whole = load_case(bundled_cases()["t11_t12_mpnst"])  # its anatomy is a file of its own
    again = draw_anatomy(whole, parse_population(text), (0.5,), 0).case
    assert again is not None
    assert again.anatomy.level == whole.anatomy.level
    assert again.anatomy.trunk == whole.anatomy.trunk


def test_neighbours_end_with_the_table() -> None:
    population = read_population()
    cases = {name: load_case(path) for name, path in bundled_cases().items()}
    assert levels_of(cases["t11_t12_mpnst"], population) == ["T10", "T11", "T12"]
    at_the_end = CASE.replace("T10-T12", "L4-L5").replace("T11", "L5")
    assert levels_of(parse_case(at_the_end, None), population) == ["L4", "L5"]


def test_every_number_without_a_source_is_named(case) -> None:
    lines = assumed_of_population(case, parse_population(TABLE))
    assert "population: posture (assumed)" in lines
    assert "population: ring normal 270, 30 (from memory: a colleague)" in lines
    assert not [line for line in lines if "voxels" in line]
    (spread,) = [line for line in lines if "no spread is published" in line]
    assert "8 % assumed: canal_depth of T9, C5; canal_width of T9, C5" in spread


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            ("prone_percent = 25.0", "prone_percent = 125.0"),
            "posture.prone_percent: expected prone_percent <= 100",
        ),
        (
            ('names = ["T9", "C5"]', 'names = ["T9", "S1"]'),
            "level.names: expected levels from C3 to L5, got 'S1'",
        ),
        (('names = ["T9", "C5"]', "neighbours = 1\nnames = []"), "weights: expected one for each of 0 names"),
        (
            ('names = ["T9", "C5"]', "neighbours = 1\nnames = ['T9']"),
            "level: expected exactly one of neighbours",
        ),
        (
            ('"canal_depth", ', '"canal_dept", '),
            "expected dimensions of a level, got 'canal_dept'; did you mean",
        ),
        (
            ("normal = [270.0, 30.0]\n", ""),
            "number[1]: expected exactly one of uniform, normal, values, got none",
        ),
        (("normal = [270.0, 30.0]", "normal = [270.0, 0.0]"), "normal: expected a deviation above 0, got 0"),
        (
            ("within = [240.0, 300.0]", "within = [300.0, 240.0]"),
            "within: expected first < last, got [300.0, 240.0]",
        ),
        (('name = "ring"', 'name = "canal"'), "number: expected each name once, got 'canal' again"),
        (
            ('name = "ring"\nkeys', 'name = "ring"\nkey'),
            "expected a known key, got 'key'; did you mean 'keys'?",
        ),
        (('source = "assumed"', ""), "posture.source: expected a value, got nothing"),
    ],
)
def test_a_mistake_is_one_clear_line(changed: tuple[str, str], message: str) -> None:
    assert changed[0] in TABLE
    with pytest.raises(InputError) as error:
        parse_population(TABLE.replace(*changed))
    (line,) = [line for line in error.value.lines if message in line]
    assert line.startswith("population.toml: ")


def test_a_table_without_draws_is_refused() -> None:
    with pytest.raises(InputError, match="expected level, posture or at least one number to draw, got none"):
        parse_population('name = "nothing"')
    with pytest.raises(InputError, match="expected a population"):
        read_population("nowhere.toml")


def test_a_ct_has_no_anatomy_to_draw() -> None:
    text = """
ct = { file = "x.nc" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
"""
    scan = parse_case(text, None, where="scan.toml")
    with pytest.raises(InputError, match=r"scan: expected a case on a phantom, .* got one on a CT"):
        draw_anatomy(scan, read_population(), (0.5,) * 10, 0)
