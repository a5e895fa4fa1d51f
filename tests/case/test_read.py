# ruff: noqa: E501 - one mistake a line reads best
import math
import subprocess
import sys
from pathlib import Path

import pytest

from doseplan.case import Case, bundled_cases, load_case, parse_case
from doseplan.messages import InputError

CASE = bundled_cases()["t11_t12_mpnst"]
ANATOMY = CASE.parent.parent / "anatomies" / "t11_t12.toml"


def changed(old: str, new: str, *, anatomy: bool = False) -> Case:
    """Read the bundled case with one piece of text exchanged."""
    texts = [CASE.read_text(encoding="utf-8"), ANATOMY.read_text(encoding="utf-8")]
    assert old in texts[anatomy]
    texts[anatomy] = texts[anatomy].replace(old, new, 1)
    return parse_case(*texts, where="my.toml", anatomy_where="spine.toml")


def test_bundled_cases_are_read() -> None:
    for path in bundled_cases().values():
        assert load_case(path).prescription.total_gy_rbe > 0


def test_the_bundled_case_states_the_prescription_of_the_issue() -> None:
    case = load_case(CASE)
    assert (case.prescription.total_gy_rbe, case.prescription.fractions) == (64.0, 16)
    assert case.surgery.separation_mm == 3.0
    assert [limit.structure for limit in case.constraint] == ["cord", "target", "other"]


def test_other_tissue_has_a_limit_in_every_case() -> None:
    text = 'name = "x"\nanatomy = { levels = "T11-T12" }\nprescription = { total_gy_rbe = 64.0 }\n'
    text += 'surgery = { separation_mm = 3.0 }\ntumour = { side = "left" }\n'
    said = "limit of other tissue: 110 % of the prescription (assumed)"
    for stated, limits in (
        ("", ["cord", "target", "other"]),
        ('constraint = [{ structure = "cord", mean_gy_rbe = 20.0 }]\n', ["cord", "other"]),
        ('constraint = [{ structure = "other", max_gy_rbe = 60.0 }]\n', ["other"]),
    ):
        case = parse_case(text + stated, None)
        assert [limit.structure for limit in case.constraint] == limits
        assert (said in case.assumptions) == ("other" not in stated)


def test_the_texts_give_the_same_case_again() -> None:
    case = load_case(CASE)
    again = parse_case(case.case_toml, case.anatomy_toml, where=CASE.name, anatomy_where=ANATOMY.name)
    assert again == case


def test_a_whole_number_is_taken_where_a_length_is_wanted() -> None:
    assert changed("separation_mm = 3.0", "separation_mm = 4").surgery.separation_mm == 4.0


def test_a_case_without_a_name_takes_that_of_its_file() -> None:
    assert changed('name = "t11_t12_mpnst"', "").name == "my"


def test_every_number_without_a_published_source_is_an_assumption() -> None:
    case = load_case(CASE)
    text = "\n".join(case.assumptions)
    assert "lamina_thickness 7 mm (from memory" in text
    assert "compression_percent 50" in text
    assert "cord_area" not in text  # measured in 58 adults


def test_errors_that_change_from_day_to_day_are_named_with_their_size() -> None:
    stated = changed("[grid]", "[robustness]\n\n[grid]").assumptions
    assert any(line.endswith("errors that change from day to day are not among them") for line in stated)
    daily = changed("[grid]", "[robustness]\ndaily_mm = 1.5\n\n[grid]").assumptions
    assert not any("are not among them" in line for line in daily)
    assert any("a standard deviation of 1.5 mm" in line and "stated, not measured" in line for line in daily)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("[grid]", "[robustness]\ndaily_mm = -1.0\n[grid]", "robustness.daily_mm: expected "),
        ("[grid]", "[robustness]\ndaily_shifts = 9\n[grid]", "robustness.daily_shifts: expected daily_shifts as a multiple of 2, got 9"),
        ("[grid]", "[robustness]\ndaily_courses = 0\n[grid]", "robustness.daily_courses: expected "),
        ("separation_mm = 3.0", "separation_mm = -1.0", "my.toml: surgery.separation_mm: expected separation_mm >= 0, got -1.0"),
        ("separation_mm = 3.0", "separation_mm = nan", "my.toml: surgery.separation_mm: expected a finite number, got"),
        ("separation_mm = 3.0", "separation_mm = inf", "my.toml: surgery.separation_mm: expected a finite number, got"),
        ("separation_mm = 3.0", 'separation_mm = "3"', "my.toml: surgery.separation_mm: expected a number, got '3'"),
        ("separation_mm = 3.0", "separation_mm = true", "my.toml: surgery.separation_mm: expected a number, got true"),
        ("separation_mm = 3.0", "seperation_mm = 3.0", "got 'seperation_mm'; did you mean 'separation_mm'?"),
        ("separation_mm = 3.0", "", "my.toml: surgery.separation_mm: expected a value, got nothing"),
        ("fractions = 16", "fractions = 16.5", "my.toml: prescription.fractions: expected a whole number, got 16.5"),
        ('scale = "NIRS"', 'scale = "LEM"', "my.toml: prescription.scale: expected 'NIRS', got 'LEM'"),
        ("gantry_deg = 150.0", "gantry_deg = 410.0", "my.toml: fields[0].gantry_deg: expected gantry_deg < 360, got 410.0"),
        ("gantry_deg = 150.0", "gantri_deg = 150.0", "my.toml: fields[0].gantri_deg: expected a known key, got 'gantri_deg'; did you mean 'gantry_deg'?"),
        ("max_gy_rbe = 50.0 }", "mean_gy_rbe = 9.0, volume_cm3 = 1.0 }", "my.toml: constraint[0]: expected volume_cm3 beside a maximum only, got it beside mean_gy_rbe"),
        (", max_gy_rbe = 50.0 }", " }", "my.toml: constraint[0]: expected exactly one of max_gy_rbe, max_percent, mean_gy_rbe, mean_percent, got none of them"),
        ("max_gy_rbe = 50.0 }", "max_gy_rbe = 50.0, max_percent = 80.0 }", "my.toml: constraint[0]: expected exactly one of"),
        ("max_gy_rbe = 50.0 }", 'max_gy_rbe = 50.0, scale = "LEM" }', "my.toml: constraint[0].scale: expected that of the prescription (NIRS)"),
        ("max_gy_rbe = 50.0 }", "max_gy_rbe = 50.0, fractions = 5 }", "my.toml: constraint[0].fractions: expected that of the prescription (16)"),
        ("dose_percent = 95.0, volume_percent = 95.0", "dose_percent = 95.0", "my.toml: goal[1]: expected min_percent alone, or dose_percent with"),
        ('side = "left"', 'side = "up"', "my.toml: tumour.side: expected 'left' or 'right', got 'up'"),
        ("voxel_mm = 1.0", "voxel_mm = 0.01", "my.toml: grid.voxel_mm: expected voxel_mm >= 0.5, got 0.01"),
        ("voxel_mm = 1.0", "voxel_mm = 0.5", "GiB (640 x 440 x 220 voxels of 0.5 mm); voxel_mm >= 0."),
        ("voxel_mm = 1.0", "voxel_mm = 1.0\nz_mm = [10.0, 5.0]", "my.toml: grid: z_mm: expected first < second"),
        ("voxel_mm = 1.0", "voxel_mm = 1.0\nz_mm = [10.0]", "my.toml: grid.z_mm"),
        ("[grid]", '[material]\nbone = "csf"\n[grid]', "my.toml: material.bone: expected a tissue, got 'bone'"),
        ("[grid]", '[material]\ntumour = "cfs"\n[grid]', "my.toml: material.tumour: expected a known material, got 'cfs'; did you mean 'csf'?"),
        ("[grid]", '[hardware]\nmaterial = "titanium"\n[grid]', "my.toml: hardware: expected screw_levels or cement_level, got neither"),
        ("[grid]", '[hardware]\nscrew_levels = ["T10", "L3"]\n[grid]', "my.toml: hardware.screw_levels[1]: expected a level of the anatomy (T10, T11, T12, L1), got 'L3'"),
        ("[grid]", '[hardware]\nscrew_levels = ["T10"]\nmaterial = "iron"\n[grid]', "my.toml: hardware.material: expected 'titanium', 'cobalt_chrome' or 'cfr_peek', got 'iron'"),
        ("[surgery]", "[surgery]\nseparation_zones = [0, 13]", "my.toml: surgery.separation_zones[0]: expected separation_zones >= 1, got 0"),
        ("[grid]", '[surgery.en_bloc]\nresection = "sagittal_2_5"\nlevels = ["C3"]\n[grid]', "my.toml: surgery.en_bloc.levels[0]: expected a level of the anatomy"),
        ('side = "left"', 'side = "left"\ntemplate = "cells"', "my.toml: tumour: cells: expected at least one entry"),
        ('side = "left"', 'side = "left"\ncells = [{ level = "T11", zones = [13], layers = ["B"] }]', "my.toml: tumour.cells[0].zones[0]: expected zones <= 12, got 13"),
        ('side = "left"', 'side = "left"\ncells = [{ level = "T11", zones = [1], layers = ["E"] }]', "my.toml: tumour.cells[0].layers[0]: expected 'A', 'B', 'C' or 'D', got 'E'"),
        ("[grid]", '[clinical]\nfrankel = "F"\n[grid]', "my.toml: clinical.frankel: expected 'A', 'B', 'C', 'D' or 'E', got 'F'"),
        ('cavity_material = "csf"', 'cavity_material = "cfs"', "my.toml: surgery.cavity_material: expected a known material, got 'cfs'; did you mean 'csf'?"),
        ("centre_z_mm = 0.0", "centre_z_mm = 90.0", "my.toml: tumour.centre_z_mm: expected -55 < centre_z_mm < 55"),
        ("[prescription]", "assumptions = []\n[prescription]", "got 'assumptions'"),
        ("[prescription]", "[prescribtion]", "got 'prescribtion'; did you mean 'prescription'?"),
        ("[prescription]", "[prescribtion]", "my.toml: prescription: expected a table with total_gy_rbe"),
        ('anatomy = "../anatomies/t11_t12.toml"', "anatomy = 3", "my.toml: anatomy: expected the path of an anatomy file or a table, got 3"),
        ('anatomy = "../anatomies/t11_t12.toml"', "", "my.toml: anatomy: expected the path of an anatomy file or a table, got nothing"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_case_gets_one_clear_line(old: str, new: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        changed(old, new)
    assert [line for line in caught.value.lines if wanted in line], caught.value.lines


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("[trunk]", '[trunk]\nwidth = { mm = 10000.0, source = "x" }', "spine.toml: trunk.width: expected at most 1000 mm, got 10000"),
        ("[trunk]", '[trunk]\nwidth = { mm = 10000.0, source = "x" }', "my.toml: grid: expected at most 6 GiB of voxels, got 61.4 GiB (10010 x 220 x 110 voxels"),
        ("mm = 110.0", "mm = -1.0", "spine.toml: trunk.height.mm: expected mm > 0, got -1.0"),
        ("[trunk]", '[[level]]\nname = "T11"\ncord_depth = { mm = 70.0, source = "x" }\n[trunk]', "spine.toml: level T11: expected cord_depth < sac_depth, got 70"),
        ("[trunk]", '[[level]]\nname = "T11"\ncanal_depht = { mm = 70.0, source = "x" }\n[trunk]', "spine.toml: level T11.canal_depht: expected a known key, got 'canal_depht'; did you mean 'canal_depth'?"),
        ("[trunk]", '[[level]]\nname = "L4"\n[trunk]', "spine.toml: level[0].name: expected one of T10, T11, T12, L1, got 'L4'"),
        ("[trunk]", '[[level]]\nname = "T11"\ncanal_depth = { percentile = 100.0 }\n[trunk]', "spine.toml: level[0].canal_depth.percentile: expected 0.1 <= percentile <= 99.9 alone, got"),
        ('"T10-L1"', '"T10-L1"\npercentile = 120', "spine.toml: percentile.body_height_anterior: expected 0.1 <= percentile <= 99.9, got 120"),
        ('"T10-L1"', '"T10-L1"\npercentile = { canal_dept = 5.0 }', "percentile.canal_dept: expected a dimension of a level, got 'canal_dept'; did you mean 'canal_depth'?"),
        ('"T10-L1"', '"L1-T10"', "spine.toml: levels: expected the upper level first, got 'L1-T10'"),
        ('"T10-L1"', '"T10-S1"', "spine.toml: levels: expected a run of levels such as 'T10-L1', got 'T10-S1'"),
        ('"T10-L1"', '"T10-L9"', "spine.toml: levels: expected levels from C3 to L5, got 'L9'"),
        ('levels = "T10-L1"', "percentile = 5.0", "spine.toml: percentile: expected together with levels"),
        ('origin_below = "T11"', 'origin_below = "T1"', "spine.toml: origin_below: expected one of T10, T11, T12, L1, got 'T1'"),
        (', source = "assumed: two levels and the halves of their neighbours" }', " }", "spine.toml: trunk.height.source: expected a value, got nothing"),
        ("[trunk]", "[trunk", "spine.toml: expected TOML, got"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_anatomy_names_the_anatomy_file(old: str, new: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        changed(old, new, anatomy=True)
    assert [line for line in caught.value.lines if wanted in line], caught.value.lines


def test_all_mistakes_of_both_files_are_reported_at_once() -> None:
    case = CASE.read_text(encoding="utf-8").replace("separation_mm = 3.0", "separation_mm = -3.0")
    case = case.replace("fractions = 16", "fractions = 0").replace("[surgery]", "[surgery]\nblood = 1")
    anatomy = ANATOMY.read_text(encoding="utf-8").replace("mm = 110.0", "mm = 0.0")
    with pytest.raises(InputError) as caught:
        parse_case(case, anatomy)
    assert len(caught.value.lines) == 4, caught.value.lines


def test_no_tumour_no_fields_no_surgery_are_named() -> None:
    text = CASE.read_text(encoding="utf-8")
    head, tail = text.split("[tumour]")
    start, rest = head.split("fields = [")
    bad = start + "fields = []\n" + rest.split("]\n", 1)[1] + tail.split("paraspinal_length_mm = 54.0")[1]
    with pytest.raises(InputError) as caught:
        parse_case(bad, ANATOMY.read_text(encoding="utf-8"))
    text = str(caught.value)
    assert "case.toml: tumour: expected a table with side" in text
    assert "case.toml: fields: expected at least 1 entry, got 0" in text


def test_a_missing_file_a_folder_and_no_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.toml: expected a case file \(TOML\), got no such file"):
        load_case(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="got a folder"):
        load_case(tmp_path)
    (tmp_path / "bad.toml").write_text("name = \nx", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad.toml: expected TOML, got '.*line 1"):
        load_case(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_case(tmp_path / "bytes.toml")


def test_a_missing_anatomy_is_looked_for_beside_the_case(tmp_path: Path) -> None:
    (tmp_path / "lonely.toml").write_text(CASE.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(InputError, match=r"lonely.toml: anatomy: .*t11_t12.toml: expected an anatomy file"):
        load_case(tmp_path / "lonely.toml")


def test_reading_a_case_does_not_load_numba() -> None:
    code = "import sys, doseplan.case as c; c.load_case(sys.argv[1]); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(CASE)], check=False).returncode == 0


def test_levels_are_published_values() -> None:
    t11 = next(level for level in load_case(CASE).anatomy.level if level.name == "T11")
    # PAM50 normalised metrics, 58 adults: 7.0 x 8.7 mm, 48.8 mm2; CT medians of the canal 16.2 x 20.3 mm
    assert (t11.cord_depth.mm, t11.cord_width.mm) == (7.0, 8.7)
    assert math.isclose(t11.cord_area.mm2, 48.8, abs_tol=0.05)
    assert (t11.canal_depth.mm, t11.canal_width.mm) == (16.2, 20.3)
