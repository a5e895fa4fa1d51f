"""Arms on a CT with contours: volumes, sub-millimetre separation, stopping power, overrides, surgery."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from doseplan.anatomy import build_phantom, place_samples, stage
from doseplan.anatomy.ct_curve import density_and_rsp, named_curve
from doseplan.case import ScanCase, load_case
from doseplan.case.tissues import TISSUES
from doseplan.exchange import make_scan, write_scan
from doseplan.messages import InputError
from doseplan.schema import STRUCTURES

CORD_MM, SAC_MM, TUMOUR_MM = 4.0, 7.0, 11.0
MIDDLE = (30.0, -120.0)
"""x and y of the canal: not the origin."""


CASE = """
ct = { file = "ct.nc" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
"""


def circle(radius: float, z: float) -> np.ndarray:
    angle = np.linspace(0.0, 2 * np.pi, 200, endpoint=False)
    x, y = MIDDLE
    return np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(len(angle), z)])


def box(low: tuple[float, float], high: tuple[float, float], z: float) -> np.ndarray:
    """A rectangle beside the canal, with corners cut so that it is no voxels' edge."""
    (x0, y0), (x1, y1) = low, high
    points = [(x0, y0 + 1), (x0 + 1, y0), (x1, y0), (x1, y1), (x0, y1)]
    return np.array([(MIDDLE[0] + x, MIDDLE[1] + y, z) for x, y in points])


def make_ct() -> xr.Dataset:
    """Voxels of 1 x 1 x 2 mm: a body of water, vertebral bone in front and behind, a tumour on the left."""
    z, y, x = 2.0 * np.arange(40), np.arange(-170.0, -70.0), np.arange(-30.0, 91.0)
    at_y, at_x = np.meshgrid(y - MIDDLE[1], x - MIDDLE[0], indexing="ij")
    plane = np.full(at_y.shape, -1000)
    plane[np.hypot(at_x / 58.0, at_y / 47.0) < 1.0] = 40
    plane[(np.abs(at_x) < 15) & (at_y > -35) & (at_y < -8)] = 400
    plane[(np.abs(at_x) < 9) & (at_y > 8) & (at_y < 14)] = 700
    heights = z[12:28]
    contours = {
        "Cord": [circle(CORD_MM, height) for height in z],
        "Dura": [circle(SAC_MM, height) for height in z],
        "GTV": [box((SAC_MM, -10.0), (SAC_MM + TUMOUR_MM, 10.0), height) for height in heights],
        "Screw": [circle(2.0, height) + np.array([-25.0, 0.0, 0.0]) for height in z[15:20]],
    }
    numbers = np.repeat(plane[None], len(z), axis=0).astype(np.int16)
    return make_scan(numbers, (z, y, x), contours, source="made up")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> ScanCase:
    folder = tmp_path_factory.mktemp("ct")
    write_scan(make_ct(), folder / "ct.nc")
    (folder / "case.toml").write_text(
        CASE,
        encoding="utf-8",
    )
    found = load_case(folder / "case.toml")
    assert isinstance(found, ScanCase)
    return found


@pytest.fixture(scope="module")
def arms(case: ScanCase) -> dict[str, xr.Dataset]:
    separations = {"none": None, "decompressed": 0.0, "separated": 3.0}
    return {name: build_phantom(case, separation_mm=value) for name, value in separations.items()}


def test_volumes_are_those_of_the_contours(arms) -> None:
    found = arms["none"].attrs
    height = 80.0  # 40 slices of 2 mm
    # polygons of 200 corners are 2e-4 smaller; the lattice rounds the rims at both ends
    assert found["cord_cm3"] == pytest.approx(np.pi * CORD_MM**2 * height / 1000.0, rel=0.01)
    assert found["sac_cm3"] == pytest.approx(np.pi * SAC_MM**2 * height / 1000.0, rel=0.01)
    # the tumour touches the dura in a line only
    assert found["gtv_cm3"] == pytest.approx((TUMOUR_MM * 20.0 - 0.5) * 32.0 / 1000.0, rel=0.01)


def test_gaps_are_those_of_the_contours(arms) -> None:
    gaps = arms["none"].attrs
    assert gaps["gap_tumour_dura_mm"] == pytest.approx(0.0, abs=0.1)
    assert gaps["gap_tumour_cord_mm"] == pytest.approx(SAC_MM - CORD_MM, abs=0.1)
    assert arms["separated"].attrs["gap_tumour_dura_mm"] == pytest.approx(3.0, abs=0.05)
    assert arms["separated"].attrs["gap_tumour_cord_mm"] == pytest.approx(6.0, abs=0.1)


def test_half_a_millimetre_of_separation_counts_on_voxels_of_two(case: ScanCase) -> None:
    coarse = replace(case, grid=replace(case.grid, voxel_mm=2.0))
    left = {mm: build_phantom(coarse, separation_mm=mm).attrs for mm in (2.0, 2.5, 3.0)}
    for smaller, larger in ((2.0, 2.5), (2.5, 3.0)):
        step = left[larger]["gap_tumour_dura_mm"] - left[smaller]["gap_tumour_dura_mm"]
        assert step == pytest.approx(0.5, abs=0.03)
        # circles around the sac cut the tumour's face, 2 r sin(t) long and less than 20 mm high
        gone = left[smaller]["gtv_cm3"] - left[larger]["gtv_cm3"]
        middle = SAC_MM + (smaller + larger) / 2
        arc = 2.0 * middle * np.arccos(SAC_MM / middle)
        assert gone == pytest.approx(0.5 * arc * 32.0 / 1000.0, rel=0.05)


def test_the_sac_keeps_its_shape_and_says_so(arms) -> None:
    np.testing.assert_array_equal(arms["none"]["sac"].values, arms["separated"]["sac"].values)
    assert any("keep the shape of the CT" in line for line in arms["none"].attrs["assumptions"])
    assert arms["none"].attrs["neural_structure"] == "spinal cord (structure 'Cord')"
    assert stage(arms["none"], arms["decompressed"])["escc"] is None


def test_staging_is_read_around_the_canal_of_the_ct(arms) -> None:
    found = stage(arms["none"], arms["decompressed"])
    assert found["zones"] == [2, 3, 4, 5]  # the patient's left, its corners at 35 and 145 degrees
    assert "D" in found["layers"]


def test_ct_numbers_become_stopping_power(arms) -> None:
    part = arms["none"].sel(z=40.0, method="nearest")
    for x, y, number in ((0.0, -20.0, 400.0), (-40.0, 0.0, 40.0)):
        voxel = part.sel(x=MIDDLE[0] + x, y=MIDDLE[1] + y, method="nearest")
        assert float(voxel["hu"]) == pytest.approx(number, abs=0.01)
        wanted = density_and_rsp(np.array([number]), "schneider")[1][0]
        assert float(voxel["rsp"]) == pytest.approx(wanted, rel=1e-6)
    outside = part.isel(x=0, y=0)
    assert float(outside["rsp"]) < 0.01


def test_the_curve_is_the_table_and_goes_on_to_metal() -> None:
    for curve in ("schneider", "matrad"):
        points = np.array(named_curve(curve))
        density, rsp = density_and_rsp(points[:, 0], curve)
        np.testing.assert_allclose(density, points[:, 1], rtol=1e-6)
        np.testing.assert_allclose(rsp, points[:, 2], rtol=1e-6)
    beyond = density_and_rsp(np.array([1590.0, 3071.0, 9000.0]), "schneider")[1]
    assert beyond[1] == beyond[2] > beyond[0]


def test_a_curve_of_the_case_is_used(case: ScanCase) -> None:
    own = ((-1000.0, 0.001, 0.001), (0.0, 1.0, 1.0), (1000.0, 2.0, 3.0))
    phantom = build_phantom(replace(case, ct=replace(case.ct, curve=own)), separation_mm=None)
    voxel = phantom.sel(z=40.0, y=MIDDLE[1] - 20.0, x=MIDDLE[0], method="nearest")
    assert float(voxel["rsp"]) == pytest.approx(1.8, rel=1e-5)
    assert float(voxel["density"]) == pytest.approx(1.4, rel=1e-5)


def test_overrides_replace_what_the_ct_shows(case: ScanCase) -> None:
    from doseplan.case.scan_spec import Override

    stated = (
        Override(material="Ti6Al4V", structure="Screw"),
        Override(material="cortical_bone", above_hu=600.0),
    )
    phantom = build_phantom(replace(case, ct=replace(case.ct, override=stated)), separation_mm=None)
    plain = build_phantom(case, separation_mm=None)
    screw = phantom.sel(z=34.0, y=MIDDLE[1], x=MIDDLE[0] - 25.0, method="nearest")
    assert float(screw["density"]) == pytest.approx(4.43, abs=0.05)
    lamina = {"z": 20.0, "y": MIDDLE[1] + 11.0, "x": MIDDLE[0]}
    assert float(phantom["rsp"].sel(lamina, method="nearest")) > float(
        plain["rsp"].sel(lamina, method="nearest")
    )
    notes = [line for line in phantom.attrs["assumptions"] if "taken as" in line]
    assert any("structure 'Screw'" in line and "Ti6Al4V" in line for line in notes)


def test_laminae_and_the_tumour_beside_the_dura_become_cavity(arms) -> None:
    cavity = TISSUES.index("cavity")
    tissue = arms["separated"]["tissue"]
    lamina = tissue.sel(z=40.0, y=MIDDLE[1] + 11.0, x=MIDDLE[0], method="nearest")
    beside = tissue.sel(z=40.0, y=MIDDLE[1], x=MIDDLE[0] + 8.5, method="nearest")
    assert int(lamina) == int(beside) == cavity
    assert cavity not in np.unique(arms["none"]["tissue"].values)
    above = tissue.sel(z=8.0, y=MIDDLE[1] + 11.0, x=MIDDLE[0], method="nearest")
    assert int(above) == TISSUES.index("cortical_bone")  # no tumour there, no laminectomy


def test_samples_of_a_ct_are_those_of_its_structures(arms, case: ScanCase) -> None:
    samples = place_samples(arms["separated"], case)
    for name in ("cord", "target"):
        chosen = samples["sample_structure"].values == STRUCTURES[name]
        volume = float(samples["sample_volume"].values[chosen].sum())
        # the straight cord stands on the lattice of 0.5 mm: all its slices miscount a circle of 4 mm alike
        assert volume == pytest.approx(arms["separated"].attrs[f"{name}_cm3"], rel=0.05)


def test_without_a_dura_the_separation_starts_at_the_cord(tmp_path) -> None:
    ct = make_ct()
    names = ct.attrs["structures"]
    ct.attrs["structures"] = ["Nerve" if name == "Dura" else name for name in names]
    write_scan(ct, tmp_path / "ct.nc")
    (tmp_path / "case.toml").write_text(
        CASE.replace("3.0", "5.0"),
        encoding="utf-8",
    )
    phantom = build_phantom(load_case(tmp_path / "case.toml"), separation_mm=5.0)
    assert phantom.attrs["gap_tumour_cord_mm"] == pytest.approx(5.0, abs=0.05)
    assert np.isnan(phantom.attrs["gap_tumour_sac_mm"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tumour": "GVT"}, r"ct\.tumour: expected a structure of the CT, got 'GVT'; did you mean 'GTV'"),
        ({"cord": "Heart"}, r"ct\.cord: expected a structure of the CT, got 'Heart'"),
    ],
)
def test_structures_that_are_not_there_are_named(case: ScanCase, change, said) -> None:
    with pytest.raises(InputError, match=said):
        build_phantom(replace(case, ct=replace(case.ct, **change)), separation_mm=None)


def test_a_target_beyond_the_ct_is_named(case: ScanCase) -> None:
    small = replace(case, grid=replace(case.grid, z_mm=(40.0, 60.0)))
    with pytest.raises(InputError, match=r"tumour: expected inside the grid \(z 40 to 60 mm\)"):
        build_phantom(small, separation_mm=None)


def test_the_digest_of_the_ct_belongs_to_the_case(case: ScanCase, tmp_path) -> None:
    changed = make_ct()
    changed["ct_number"][0, 0, 0] = 7
    write_scan(changed, tmp_path / "ct.nc")
    (tmp_path / "case.toml").write_text(case.case_toml, encoding="utf-8")
    assert load_case(tmp_path / "case.toml").anatomy_toml != case.anatomy_toml


def test_a_ct_that_is_not_there_is_one_line(tmp_path) -> None:
    (tmp_path / "case.toml").write_text(
        CASE.replace("ct.nc", "no.nc"),
        encoding="utf-8",
    )
    with pytest.raises(InputError, match=r"case\.toml: ct\.file: expected a CT that `doseplan import` wrote"):
        load_case(tmp_path / "case.toml")
