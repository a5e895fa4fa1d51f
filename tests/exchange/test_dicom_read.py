"""CT series and structure sets in: any order and orientation, and a named reason for everything odd."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless

from doseplan.exchange import read_scan, write_scan
from doseplan.exchange.dicom_read import read_dicom
from doseplan.messages import InputError


def same(scan, numbers, axes) -> None:
    np.testing.assert_array_equal(scan["ct_number"].values, numbers)
    for name, axis in zip("zyx", axes, strict=True):
        np.testing.assert_allclose(scan[name].values, axis, atol=1e-6)


def complaint(folder: Path, **options: str) -> str:
    with pytest.raises(InputError) as raised:
        read_dicom(folder, **options)
    return "\n".join(raised.value.lines)


def test_slices_are_sorted_by_position_not_by_name(dicom, tmp_path) -> None:
    numbers, axes = dicom.volume()
    same(read_dicom(dicom.save(tmp_path / "ct", dicom.axial_files())), numbers, axes)


DIRECTIONS = [
    (first, second, signs)
    for first, second in itertools.permutations(range(3), 2)
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize(("first", "second", "signs"), DIRECTIONS)
def test_every_straight_orientation_gives_the_same_volume(dicom, tmp_path, first, second, signs) -> None:
    """`first` and `second` are the patient axes (0 x, 1 y, 2 z) that rows run along and columns run along."""
    numbers, (z, y, x) = dicom.volume()
    axes = (x, y, z)
    third = 3 - first - second
    own = [axis[:: signs[place]] for place, axis in enumerate(axes)]
    turned = numbers.transpose(2, 1, 0)[:: signs[0], :: signs[1], :: signs[2]].transpose(third, second, first)
    orientation = np.zeros(6)
    orientation[first], orientation[3 + second] = signs[first], signs[second]
    spacing = [abs(axes[second][1] - axes[second][0]), abs(axes[first][1] - axes[first][0])]
    files = []
    for index in range(len(own[third])):
        position = np.array([own[0][0], own[1][0], own[2][0]])
        position[third] = own[third][index]
        files.append(
            dicom.slice_file(turned[index], position, orientation=orientation, spacing=spacing, number=index)
        )
    same(read_dicom(dicom.save(tmp_path / "ct", files)), numbers, (z, y, x))


def test_jpeg_2000_is_read(dicom, tmp_path) -> None:
    numbers = np.random.default_rng(3).integers(-1000, 2000, (4, 64, 48))
    files = [dicom.slice_file(numbers[i], (0.0, 0.0, 3.0 * i), number=i) for i in range(4)]
    for data in files:
        data.compress(JPEG2000Lossless, generate_instance_uid=False)
    axes = (3.0 * np.arange(4), np.arange(64.0), np.arange(48.0))
    same(read_dicom(dicom.save(tmp_path / "ct", files)), numbers, axes)


def test_a_scan_is_the_same_after_a_file(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    ring = [dicom.circle(3.0, (-35.0, -14.0), -26.0)]
    files.append(dicom.structure_file({"Cord": ring}, [data.SOPInstanceUID for data in files]))
    scan = read_dicom(dicom.save(tmp_path / "ct", files))
    write_scan(scan, tmp_path / "scan.nc")
    assert read_scan(tmp_path / "scan.nc").identical(scan)


def test_contours_keep_their_place(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    rings = {"Cord": [dicom.circle(3.0, (-35.0, -14.0), z) for z in (-28.0, -26.0)], "GTV": []}
    files.append(dicom.structure_file(rings, [data.SOPInstanceUID for data in files]))
    scan = read_dicom(dicom.save(tmp_path / "ct", files))
    assert scan.attrs["structures"] == ["Cord"]
    points = scan["contour_position"].values
    np.testing.assert_allclose(points, np.concatenate(rings["Cord"]), atol=6e-4)  # three decimals
    assert any("'GTV' ignored: no contours" in note for note in scan.attrs["notes"])


def test_no_name_of_the_patient_is_kept(dicom, tmp_path) -> None:
    scan = read_dicom(dicom.save(tmp_path / "ct", dicom.axial_files()))
    write_scan(scan, tmp_path / "scan.nc")
    assert "Doe" not in str(scan.attrs)
    assert b"Doe" not in (tmp_path / "scan.nc").read_bytes()


def test_another_position_than_supine_is_noted(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    for data in files:
        data.PatientPosition = "HFP"
    notes = read_dicom(dicom.save(tmp_path / "ct", files)).attrs["notes"]
    assert any(note.startswith("patient lay HFP: angles of fields count as if") for note in notes)


def test_contrast_agent_is_noted(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    files[3].ContrastBolusAgent = "IODINE"
    notes = read_dicom(dicom.save(tmp_path / "ct", files)).attrs["notes"]
    assert any(note.startswith("contrast agent was given") for note in notes)


def test_other_files_are_ignored_and_named(dicom, tmp_path) -> None:
    folder = dicom.save(tmp_path / "ct", dicom.axial_files())
    (folder / "notes.txt").write_text("not an image", encoding="utf-8")
    notes = read_dicom(folder).attrs["notes"]
    assert "10 files, 9 of them DICOM" in notes
    assert "1 files ignored: not DICOM" in notes


def test_a_missing_slice_is_named(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    del files[4]
    said = complaint(dicom.save(tmp_path / "ct", files))
    assert "expected slices 2.00 mm apart, got 1 missing between -24.00 and -20.00 mm" in said


def test_uneven_slices_are_named(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    files[3].ImagePositionPatient = [-40.0, -20.0, float(files[3].ImagePositionPatient[2]) + 0.3]
    assert "expected slices 2.00 mm apart, got 2.30 mm" in complaint(dicom.save(tmp_path / "ct", files))


def test_a_slice_that_comes_twice_is_named(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    said = complaint(dicom.save(tmp_path / "ct", [*files, files[2]]))
    assert "expected each slice once, got two at -18.00 mm: f002 and f009" in said


def test_a_tilted_gantry_is_named(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    for data in files:
        x, y, z = data.ImagePositionPatient
        data.ImagePositionPatient = [x, float(y) + 0.1763 * float(z), z]  # 10 degrees
    assert "got a gantry tilt of 10.0 degrees" in complaint(dicom.save(tmp_path / "ct", files))


def test_oblique_images_are_refused(dicom, tmp_path) -> None:
    numbers, (z, y, x) = dicom.volume()
    turn = np.radians(8.0)
    row = (np.cos(turn), np.sin(turn), 0.0)
    column = (-np.sin(turn), np.cos(turn), 0.0)
    files = [
        dicom.slice_file(numbers[i], (x[0], y[0], z[i]), orientation=(*row, *column)) for i in range(len(z))
    ]
    assert "expected images along the patient's axes" in complaint(dicom.save(tmp_path / "ct", files))


def test_several_series_are_listed_and_chosen(dicom, tmp_path) -> None:
    numbers, (z, y, x) = dicom.volume()
    other = [
        dicom.slice_file(numbers[i] + 1, (x[0], y[0], z[i]), series="1.2.3", description="thin")
        for i in range(len(z))
    ]
    folder = dicom.save(tmp_path / "ct", [*dicom.axial_files(), *other])
    said = complaint(folder)
    assert "expected one CT series, got 2; choose by --series" in said
    assert "series 2: 'thin', 9 slices, 1.2.3" in said
    for choice in ("2", "1.2.3", "thin"):
        same(read_dicom(folder, series=choice), numbers + 1, (z, y, x))
    assert "expected one of the 2 series, got '3'" in complaint(folder, series="3")


def test_images_that_differ_are_refused(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    files[5].PixelSpacing = [1.0, 1.1]
    assert "PixelSpacing: expected [1.0, 1.0]" in complaint(dicom.save(tmp_path / "ct", files))


def test_a_missing_attribute_is_named(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    del files[1].PixelSpacing
    assert "f001: PixelSpacing: expected in a CT image, got nothing" in complaint(
        dicom.save(tmp_path / "ct", files)
    )


def test_pixels_that_end_early_are_named(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    files[1].PixelData = files[1].PixelData[:100]
    assert "f001: expected pixels that can be decoded" in complaint(dicom.save(tmp_path / "ct", files))


def test_a_folder_without_a_ct_is_refused(tmp_path) -> None:
    assert "expected CT images, got none" in complaint(tmp_path)
    assert "expected a folder of DICOM files, got none" in complaint(tmp_path / "nothing")


def with_structures(dicom, tmp_path, change, **options) -> list[str]:
    files = dicom.axial_files()
    rings = {"Cord": [dicom.circle(3.0, (-35.0, -14.0), z) for z in (-28.0, -26.0)]}
    structures = dicom.structure_file(rings, [data.SOPInstanceUID for data in files], **options)
    change(structures)
    return read_dicom(dicom.save(tmp_path / "ct", [*files, structures])).attrs["notes"]


def test_a_structure_set_without_frame_of_reference_is_noted(dicom, tmp_path) -> None:
    notes = with_structures(dicom, tmp_path, lambda data: None, frame=None)
    assert any("no frame of reference: taken to be that of the CT" in note for note in notes)


def test_a_structure_set_in_another_frame_is_refused(dicom, tmp_path) -> None:
    with pytest.raises(InputError, match="FrameOfReferenceUID: expected that of the CT"):
        with_structures(dicom, tmp_path, lambda data: None, frame="1.2.3")


def test_an_invalid_date_is_noted(dicom, tmp_path) -> None:
    def change(data) -> None:
        data.add_new("StructureSetDate", "LO", "31.12.2020")
        data["StructureSetDate"].VR = "DA"

    notes = with_structures(dicom, tmp_path, change)
    assert any("structures" in note for note in notes)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([], "empty"),
        ([[1.0, 2.0, -28.0], [2.0, 2.0, -28.0]], "empty"),
        ([[-35.0, -14.0, -28.0], [-30.0, -14.0, -28.0], [-30.0, -10.0, -24.0]], "not axial"),
        ([[-35.0, -14.0, 90.0], [-30.0, -14.0, 90.0], [-30.0, -10.0, 90.0]], "off the CT"),
        ([[400.0, -14.0, -28.0], [410.0, -14.0, -28.0], [400.0, -10.0, -28.0]], "off the CT"),
    ],
)
def test_odd_contours_are_left_out_and_noted(dicom, tmp_path, points, reason) -> None:
    def change(data) -> None:
        item = data.ROIContourSequence[0].ContourSequence[0]
        item.NumberOfContourPoints = len(points)
        item.ContourData = [f"{value:g}" for point in points for value in point]

    notes = with_structures(dicom, tmp_path, change)
    assert any(f"'Cord': 1 contour ignored: {reason}" in note for note in notes)


def test_a_wrong_count_of_points_is_noted(dicom, tmp_path) -> None:
    def change(data) -> None:
        data.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 7

    notes = with_structures(dicom, tmp_path, change)
    assert any("'Cord': 1 contour ignored: damaged" in note for note in notes)


def test_two_structures_of_one_name_stay_two(dicom, tmp_path) -> None:
    files = dicom.axial_files()
    rings = {"A": [dicom.circle(3.0, (-35.0, -14.0), -28.0)], "B": [dicom.circle(2.0, (-35.0, -14.0), -28.0)]}
    structures = dicom.structure_file(rings, [])
    structures.StructureSetROISequence[1].ROIName = "A"
    scan = read_dicom(dicom.save(tmp_path / "ct", [*files, structures]))
    assert scan.attrs["structures"] == ["A", "A (2)"]


@pytest.mark.slow
def test_damaged_files_give_a_line_or_a_scan_but_nothing_else(dicom, tmp_path) -> None:
    """300 files with bytes changed, cut or doubled, seeded: never a traceback of another kind."""
    random = np.random.default_rng(20)
    files = dicom.axial_files()
    rings = {"Cord": [dicom.circle(3.0, (-35.0, -14.0), z) for z in (-28.0, -26.0)]}
    files.append(dicom.structure_file(rings, [data.SOPInstanceUID for data in files]))
    folder = dicom.save(tmp_path / "ct", files)
    paths = sorted(folder.iterdir())
    whole = {path: path.read_bytes() for path in paths}
    refused = read = 0
    for _ in range(300):
        path = paths[int(random.integers(len(paths)))]
        path.write_bytes(_damaged(whole[path], random))
        lines, scan = _outcome(folder)
        refused += scan is None
        read += scan is not None
        assert all(line.strip() for line in lines)
        path.write_bytes(whole[path])
    assert refused > 30
    assert read > 30  # a changed pixel or a structure set that is ignored is no reason to refuse a CT


def _outcome(folder: Path):
    """What a folder gives: lines or a scan."""
    try:
        return [], read_dicom(folder)
    except InputError as error:
        return error.lines, None


def _damaged(content: bytes, random: np.random.Generator) -> bytes:
    kind = int(random.integers(4))
    at = int(random.integers(128, len(content)))
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[at : at + 40] + content[at:]
    changed = bytearray(content)
    for place in random.integers(128, len(content), 1 if kind == 2 else 30):
        changed[int(place)] = int(random.integers(256))
    return bytes(changed)
