"""Anatomies drawn from the table of morphometry."""

from statistics import NormalDist

import pytest

from doseplan.case import Case, parse_case
from doseplan.case.levels import expand_anatomy, landmark_mm, morphometry

REST = """
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
tumour = { side = "left" }
"""


def case_of(anatomy: str) -> Case:
    return parse_case(f"anatomy = {{ {anatomy} }}\n{REST}", None)


def test_the_table_holds_every_level_and_dimension_with_a_source() -> None:
    table = morphometry()
    assert list(table) == [
        *(f"C{n}" for n in range(3, 8)),
        *(f"T{n}" for n in range(1, 13)),
        *(f"L{n}" for n in range(1, 6)),
    ]
    cord = {"cord_depth", "cord_width", "cord_area", "csf_dorsal", "prone_shift"}
    whole = set(table["T11"])
    for name, row in table.items():
        missing = whole - set(row)
        assert missing <= cord | {"rib_length"}
        assert bool(cord & set(row)) == (name not in ("L2", "L3", "L4", "L5")), name
        assert ("rib_length" in row) == name.startswith("T")
        assert all(source for *_, source in row.values())


def test_published_values_come_through() -> None:
    case = case_of('levels = "T11-L1"')
    t11 = case.anatomy.level[0]
    assert t11.canal_depth.mm == 16.2  # CTSpinoPelvic1K
    assert t11.cord_area is not None
    assert t11.cord_area.mm2 == 48.78  # PAM50
    assert t11.csf_dorsal is not None
    assert t11.csf_dorsal.mm == 2.51  # Park 2016


@pytest.mark.parametrize("percentile", [5.0, 95.0])
def test_a_percentile_moves_by_the_published_spread(percentile: float) -> None:
    case = case_of(f'levels = "T11-L1", percentile = {percentile}')
    away = NormalDist().inv_cdf(percentile / 100.0)
    assert case.anatomy.level[0].canal_depth.mm == pytest.approx(16.2 + away * 2.42, abs=1e-3)
    # no spread is published for the height of a pedicle: 8 % is assumed, and said
    height = case.anatomy.level[0].pedicle_height
    assert height.mm == pytest.approx(16.5 * (1.0 + 0.08 * away), abs=1e-3)
    assert height.source.startswith("assumed: spread of 8 %")
    assert any("spread of 8 %" in line for line in case.assumptions)


def test_a_drawn_sac_never_leaves_the_canal_nor_the_cord_the_sac() -> None:
    for canal, inner in ((0.1, 99.9), (5.0, 95.0), (50.0, 99.9)):
        draw = {"canal_depth": canal, "canal_width": canal, "sac_depth": inner, "cord_depth": inner}
        for level in expand_anatomy({"levels": "C3-L5", "percentile": draw})[0]["level"]:
            assert level["sac_depth"]["mm"] < level["canal_depth"]["mm"]
            assert level["sac_width"]["mm"] < level["canal_width"]["mm"]
            if "cord_depth" in level:
                assert level["cord_depth"]["mm"] < level["sac_depth"]["mm"]


def test_a_stated_dimension_and_a_stated_percentile_stand_over_the_table() -> None:
    stated = (
        '[{ name = "T12", canal_depth = { mm = 15.5, source = "CT" }, sac_depth = { percentile = 10.0 } }]'
    )
    level = case_of(f'levels = "T11-L1", level = {stated}').anatomy.level[1]
    assert (level.canal_depth.mm, level.canal_depth.source) == (15.5, "CT")
    assert level.sac_depth.mm < 13.5
    assert level.canal_width.mm == 23.15


def test_regions_have_their_own_trunk_and_organs() -> None:
    neck, chest, belly = (case_of(f'levels = "{run}"').anatomy.trunk for run in ("C3-C7", "T8-T12", "L2-L5"))
    assert neck.width.mm < 200.0 < chest.width.mm
    assert neck.airway_diameter is not None
    assert neck.lung_reach is None
    assert chest.lung_reach is not None
    assert belly.lung_reach is None
    assert belly.kidney_length is not None


def test_z_is_zero_in_the_disc_below_the_origin() -> None:
    lower = landmark_mm("T11", 1.0, origin_below="T11")
    upper = landmark_mm("T12", 0.0, origin_below="T11")
    assert lower is not None
    assert upper is not None
    assert lower == pytest.approx(-upper)
    assert lower - upper == pytest.approx(5.5)  # the disc of the table
    assert landmark_mm("S1", 0.0, origin_below="T11") is None


def test_the_origin_is_in_the_middle_unless_stated() -> None:
    expanded, wrong = expand_anatomy({"levels": "T9-L1"})
    assert not wrong
    assert expanded["origin_below"] == "T11"  # 3 levels of 5 above, but lower levels are taller
    assert case_of('levels = "T9-L1", origin_below = "T12"').anatomy.origin_below == "T12"


def test_an_anatomy_without_levels_is_left_as_it_is() -> None:
    stated = {"name": "mine", "level": []}
    assert expand_anatomy(stated) == (stated, [])
