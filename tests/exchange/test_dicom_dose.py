"""Doses come back from RT Dose files with their geometry; damaged and other files are named in one line."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
import xarray as xr
from pydicom.dataset import Dataset

from doseplan.exchange.dicom_dose import read_dose
from doseplan.exchange.dicom_write import write_dicom
from doseplan.messages import InputError


@pytest.fixture(scope="module")
def tree(small_run: ModuleType) -> xr.DataTree:
    made = small_run.make_run(("none",))
    assert isinstance(made, xr.DataTree)
    return made


@pytest.fixture(scope="module")
def folder(tree: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("doses") / "dicom"
    write_dicom(tree, found)
    return found / "none"


Change = Callable[[Dataset], None]


def changed(folder: Path, tmp_path: Path, change: Change, name: str = "RTDOSE_effective.dcm") -> Path:
    found = pydicom.dcmread(folder / name)
    change(found)
    path = tmp_path / "changed.dcm"
    found.save_as(path)
    return path


@pytest.mark.parametrize(("file", "name"), [("physical", "dose"), ("effective", "dose_rbe")])
def test_written_dose_comes_back(tree: xr.DataTree, folder: Path, file: str, name: str) -> None:
    written, found = tree["none/dose"][name], read_dose(folder / f"RTDOSE_{file}.dcm")[name]
    assert found.dtype == np.float32
    assert found.attrs == written.attrs
    for axis in "zyx":
        np.testing.assert_allclose(found[axis].values, written[axis].values, atol=1e-5)
    assert float(np.abs(found.values - written.values).max()) < 1e-5 * float(written.max())


def test_dose_of_another_maker_does_not_get_our_scale(folder: Path, tmp_path: Path) -> None:
    path = changed(folder, tmp_path, lambda found: setattr(found, "Manufacturer", "other"))
    stated = read_dose(path)["dose_rbe"].attrs
    assert stated["scale"] == "not stated"
    assert stated["fractions"] == 0
    assert stated["rbe_model"] == "NIRS, 4 fx, a model (made up)"


def absolute(found: Dataset) -> None:
    first = float(found.ImagePositionPatient[2])
    found.GridFrameOffsetVector = [round(first + float(value), 6) for value in found.GridFrameOffsetVector]


def from_the_head(found: Dataset) -> None:
    last = float(found.ImagePositionPatient[2]) + float(found.GridFrameOffsetVector[-1])
    found.ImagePositionPatient = [*found.ImagePositionPatient[:2], last]
    found.GridFrameOffsetVector = [-float(value) for value in found.GridFrameOffsetVector]
    found.PixelData = found.pixel_array[::-1].tobytes()


def prone(found: Dataset) -> None:
    x, y, z = (float(value) for value in found.ImagePositionPatient)
    down, across = (float(value) for value in found.PixelSpacing)
    found.ImagePositionPatient = [x + across * (found.Columns - 1), y + down * (found.Rows - 1), z]
    found.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    found.PixelData = found.pixel_array[:, ::-1, ::-1].tobytes()


def mirrored(found: Dataset) -> None:
    """Rows run backwards, so that the normal points to the feet and offsets count that way."""
    x, y, z = (float(value) for value in found.ImagePositionPatient)
    down, _ = (float(value) for value in found.PixelSpacing)
    last = z + float(found.GridFrameOffsetVector[-1])
    found.ImagePositionPatient = [x, y + down * (found.Rows - 1), last]
    found.ImageOrientationPatient = [1, 0, 0, 0, -1, 0]
    found.PixelData = found.pixel_array[::-1, ::-1].tobytes()


def four_bytes(found: Dataset) -> None:
    found.PixelData = (found.pixel_array.astype("<u4") * 1000).tobytes()
    found.DoseGridScaling = f"{float(found.DoseGridScaling) / 1000:.9e}"
    found.BitsAllocated, found.BitsStored, found.HighBit = 32, 32, 31


@pytest.mark.parametrize("change", [absolute, from_the_head, prone, mirrored, four_bytes])
def test_same_dose_told_otherwise_is_the_same(folder: Path, tmp_path: Path, change: Change) -> None:
    expected = read_dose(folder / "RTDOSE_effective.dcm")
    found = read_dose(changed(folder, tmp_path, change))
    xr.testing.assert_allclose(found, expected, atol=1e-5)
    assert all((np.diff(found[axis].values) > 0.0).all() for axis in "zyx")


def test_single_frame(folder: Path, tmp_path: Path) -> None:
    def first_only(found: Dataset) -> None:
        found.PixelData = found.pixel_array[:1].tobytes()
        del found.NumberOfFrames, found.FrameIncrementPointer, found.GridFrameOffsetVector

    found = read_dose(changed(folder, tmp_path, first_only))
    xr.testing.assert_allclose(found, read_dose(folder / "RTDOSE_effective.dcm").isel(z=[0]))


def setting(keyword: str, value: object) -> Change:
    return lambda found: setattr(found, keyword, value)


MISTAKES: dict[str, tuple[Change, str]] = {
    "percent": (setting("DoseUnits", "RELATIVE"), "DoseUnits: expected GY, got RELATIVE"),
    "type": (setting("DoseType", "ERROR"), "DoseType: expected PHYSICAL or EFFECTIVE, got ERROR"),
    "oblique": (
        setting("ImageOrientationPatient", [0.8, 0.6, 0, -0.6, 0.8, 0]),
        "ImageOrientationPatient: expected transverse planes along the patient's axes, got",
    ),
    "sagittal": (
        setting("ImageOrientationPatient", [0, 1, 0, 0, 0, -1]),
        "ImageOrientationPatient: expected",
    ),
    "offsets": (setting("GridFrameOffsetVector", [0, 3]), "GridFrameOffsetVector: expected 9 offsets, got 2"),
    "neither": (
        setting("GridFrameOffsetVector", list(range(5, 14))),
        "GridFrameOffsetVector: expected to start with 0 or with z of the first frame",
    ),
    "back and forth": (
        setting("GridFrameOffsetVector", [0, 3, 2, 9, 12, 15, 18, 21, 24]),
        "z: expected positions in order",
    ),
    "no scaling": (lambda found: found.__delattr__("DoseGridScaling"), "got none of DoseGridScaling"),
    "no pixels": (lambda found: found.__delattr__("PixelData"), "got none of PixelData"),
    "short": (setting("PixelData", b"\0" * 100), "expected a readable dose grid, got"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line(folder: Path, tmp_path: Path, change: Change, message: str) -> None:
    path = changed(folder, tmp_path, change)
    with pytest.raises(InputError) as said:
        read_dose(path)
    assert str(said.value).startswith(f"{path}: ")
    assert message in str(said.value)
    assert "\n" not in str(said.value)


def test_other_objects_and_other_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an RT Dose, got RTPLAN"):
        read_dose(folder / "RTPLAN.dcm")
    with pytest.raises(InputError, match="expected an RT Dose file, got No such file or directory"):
        read_dose(tmp_path / "none.dcm")
    (tmp_path / "text.dcm").write_text("no DICOM")
    with pytest.raises(InputError, match="expected an RT Dose file, got a file that is not DICOM"):
        read_dose(tmp_path / "text.dcm")


@pytest.mark.parametrize("keep", [0, 100, 200, 500, 1200, 3000])
def test_cut_off_file_is_one_line(folder: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.dcm"
    path.write_bytes((folder / "RTDOSE_physical.dcm").read_bytes()[:keep])
    with pytest.raises(InputError) as said:
        read_dose(path)
    assert len(said.value.lines) == 1
    assert "\n" not in str(said.value)
