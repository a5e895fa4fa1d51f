"""Files that the HDF5 library would not come back from are told in a line."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from doseplan.exchange import files, seals
from doseplan.exchange.files import read_dataset, write_dataset, write_netcdf
from doseplan.exchange.seals import ends_apart, seal, seal_holds
from doseplan.messages import InputError

ENDLESS = Path(__file__).parent / "endless.nc"
"""A damaged file of samples: HDF5 2.0 goes on without end while it is opened."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_dataset(xr.Dataset({"depth": ("depth", np.arange(2000.0), {"units": "mm"})}), tmp_path / "whole.nc")
    return tmp_path / "whole.nc"


def test_other_programs_read_a_sealed_file(path: Path) -> None:
    assert seal_holds(path)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        assert float(opened["depth"].sum()) == 1999.0 * 1000.0


@pytest.mark.parametrize("place", [0, 100, -100, -80, -70, -30, -1])
def test_no_byte_can_be_changed(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert not seal_holds(path)


def test_a_view_that_is_still_held_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the profiler of a worker does that looks at a frame just then."""
    held = []

    def holding(data):
        held.append(data)
        return seal(data)

    monkeypatch.setattr(files, "seal", holding)
    path = tmp_path / "held.nc"
    write_netcdf(xr.Dataset({"a": ("x", np.arange(3.0))}), path)
    assert len(held) == 1
    assert seal_holds(path)


def test_a_cut_file_has_no_seal(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 10, 72, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert seal_holds(path) is None


def test_the_library_never_sees_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals.ends_apart, "__kwdefaults__", {"seconds": 0.0})
    path = tmp_path / "samples.nc"
    whole = ENDLESS.read_bytes()
    path.write_bytes(whole + seal(whole[1:]))
    with pytest.raises(InputError, match=r"got a damaged file \(its SHA-256 is not the one at its end"):
        read_dataset(path, remedy="again")


def test_a_file_without_a_seal_is_read_apart_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals.ends_apart, "__kwdefaults__", {"seconds": 4.0})
    shutil.copy(ENDLESS, tmp_path / "samples.nc")
    # other versions of the library may raise where this one does not end
    with pytest.raises(InputError, match=r"samples\.nc: expected a netCDF .* got a damaged file"):
        read_dataset(tmp_path / "samples.nc", remedy="again")


def test_a_file_that_was_edited_is_read(path: Path) -> None:
    with h5py.File(path, "r+") as opened:
        opened["depth"][...] = 1.0
    assert seal_holds(path) is None
    assert ends_apart(path)
    assert read_dataset(path, remedy="")["depth"].values.tolist() == [1.0] * 2000
