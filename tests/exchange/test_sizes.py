"""What unpacks to more than an honest file holds is refused by its size, and nothing of it is unpacked."""

import json
from pathlib import Path
from types import ModuleType

import h5netcdf
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from doseplan.case import load_case
from doseplan.exchange import read_run, sizes, write_run
from doseplan.exchange.dicom_read import read_dicom
from doseplan.exchange.files import read_dataset
from doseplan.exchange.masks import read_masks
from doseplan.messages import InputError


def test_a_netcdf_file_that_unpacks_to_a_thousand_times_its_size(tmp_path: Path) -> None:
    path = tmp_path / "bomb.nc"
    with h5netcdf.File(path, "w") as opened:
        opened.dimensions = {"y": 2**17, "x": 2**17}
        opened.create_variable("dose", ("y", "x"), "f8", chunks=(1024, 1024), compression="gzip")
    assert path.stat().st_size < 2**20
    with pytest.raises(InputError, match=r"bomb\.nc: expected at most \d+ MiB unpacked, got 131072 MiB"):
        read_dataset(path, remedy="")


def test_an_archive_that_unpacks_to_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", hu=np.zeros((200, 100, 100)))
    monkeypatch.setattr(sizes.refuse_larger, "__defaults__", (2**20,))
    with pytest.raises(InputError, match=r"bomb\.npz: expected at most 1 MiB unpacked, got 15 MiB"):
        read_masks(tmp_path / "bomb.npz")


def test_a_nifti_image_by_the_shape_of_its_header(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    image.header.set_data_shape((20_000, 20_000, 2000))
    (tmp_path / "ct.nii").write_bytes(image.header.binaryblock + bytes(100))
    with pytest.raises(InputError, match=r"ct\.nii: expected at most 8192 MiB unpacked, got"):
        read_masks(tmp_path)


def test_a_deflated_data_set(dicom: ModuleType, tmp_path: Path) -> None:
    """What it unpacks to is known only once it is unpacked; it is one that others read."""
    folder = dicom.save(tmp_path / "in", dicom.axial_files())
    path = sorted(folder.iterdir())[0]
    data = dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    assert dcmread(path).Rows == data.Rows
    with pytest.raises(InputError, match="expected a data set that is not deflated, got Deflated"):
        read_dicom(folder)


def test_pixels_by_their_stated_number(dicom: ModuleType, tmp_path: Path) -> None:
    files = dicom.axial_files()
    for data in files:
        if "Rows" in data:
            data.Rows, data.Columns = 65_000, 65_000
    folder = dicom.save(tmp_path / "in", files)
    with pytest.raises(InputError, match=r"expected at most 8192 MiB of pixels, as numbers, got 32234 MiB"):
        read_dicom(folder)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#" * 1_000_001, "expected a case file .* of at most 1000000 bytes, got more"),
        ("a = " + "[" * 100_000, "expected TOML, got tables within tables without end"),
        ("a = " + "9" * 5000, "expected TOML, got"),
        ("a = 0x" + "f" * 5000, "expected TOML, got"),
    ],
    ids=["long", "deep", "digits", "hexadecimal digits"],
)
def test_a_case_that_is_long_or_deep(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "case.toml").write_text(text)
    with pytest.raises(InputError, match=wanted):
        load_case(tmp_path / "case.toml")


def test_a_case_that_is_a_device() -> None:
    with pytest.raises(InputError, match=r"/dev/zero: expected a case file .* got a device or a pipe"):
        load_case("/dev/zero")


def test_a_run_file_that_is_long_or_deep(
    small_run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(small_run.make_run(), tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    whole = json.loads(path.read_text())
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="expected a readable run, got a damaged one"):
        read_run(tmp_path / "run")
    path.write_text(json.dumps({**whole, "more": "x" * 2**20}))
    monkeypatch.setattr(sizes.read_limited, "__defaults__", (2**20,))
    with pytest.raises(InputError, match=r"run\.json: expected at most 1 MiB of text, got 1 MiB"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("case", "key"),
    [
        ('anatomy = "{secret}"\n', "anatomy"),
        ('anatomy = "../../secret.toml"\n', "anatomy"),
        ('anatomy = "link.toml"\n', "anatomy"),
        ('ct = {{ file = "../../secret.toml" }}\nprescription = {{ total_gy_rbe = 64.0 }}\n'
         'surgery = {{ separation_mm = 3.0 }}\n', "ct.file"),
    ],
    ids=["absolute", "above", "link", "ct"],
)  # fmt: skip
def test_a_case_reads_nothing_from_elsewhere_unless_it_is_trusted(
    tmp_path: Path, case: str, key: str
) -> None:
    secret = tmp_path / "secret.toml"
    secret.write_text("token = 'mine'\n")
    folder = tmp_path / "download" / "cases"
    folder.mkdir(parents=True)
    (folder / "link.toml").symlink_to(secret)
    (folder / "case.toml").write_text(case.format(secret=secret.as_posix()))
    with pytest.raises(
        InputError, match=rf"case\.toml: {key}: expected a file in the folder of .* --outside allows it"
    ):
        load_case(folder / "case.toml")
    if key == "ct.file":  # what a CT holds is looked at later, when the phantom is made
        assert load_case(folder / "case.toml", outside=True).name == "case"
        return
    with pytest.raises(InputError, match="'token'"):  # it was read, and is no anatomy
        load_case(folder / "case.toml", outside=True)
