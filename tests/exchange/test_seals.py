"""Files that the HDF5 library would not come back from are told in a line."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from doseplan.exchange import apart, files, known
from doseplan.exchange.apart import ends_apart
from doseplan.exchange.files import read_dataset, write_dataset, write_netcdf
from doseplan.exchange.seals import seal, seal_holds, seal_of
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
    monkeypatch.setattr(apart.ends_apart, "__kwdefaults__", {"seconds": 0.0})
    path = tmp_path / "samples.nc"
    whole = ENDLESS.read_bytes()
    path.write_bytes(whole + seal(whole[1:]))
    with pytest.raises(InputError, match=r"got a damaged file \(its SHA-256 is not the one at its end"):
        read_dataset(path, remedy="again")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody who has written nothing here yet: where what he writes is remembered."""
    monkeypatch.setattr(known, "_path", lambda: tmp_path / "cache" / "known-files")
    return tmp_path / "cache" / "known-files"


@pytest.mark.parametrize("sealed", [False, True])
def test_a_file_that_was_not_written_here_is_read_apart_and_not_for_ever(
    tmp_path: Path, stranger: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    """Anybody can seal a file: the library goes on without end with this one all the same."""
    monkeypatch.setattr(apart.ends_apart, "__kwdefaults__", {"seconds": 4.0})
    whole = ENDLESS.read_bytes()
    (tmp_path / "samples.nc").write_bytes(whole + (seal(whole) if sealed else b""))
    # other versions of the library may raise where this one does not end
    with pytest.raises(InputError, match=r"samples\.nc: expected a netCDF .* got a damaged file"):
        read_dataset(tmp_path / "samples.nc", remedy="again")
    assert not stranger.exists()


def test_what_was_written_or_read_here_is_not_read_apart(
    path: Path, stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(files, "ends_apart", lambda path: not asked.append(path))
    read_dataset(path, remedy="")  # written by somebody else, as far as is known
    assert asked == [path]
    assert stranger.read_bytes() == seal_of(path)
    read_dataset(path, remedy="")
    written = path.with_name("written.nc")
    write_dataset(xr.Dataset({"depth": ("depth", np.arange(3.0), {"units": "mm"})}), written)
    read_dataset(written, remedy="")
    assert asked == [path]


def test_the_older_half_is_forgotten(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = [seal(bytes([number])) for number in range(10)]
    monkeypatch.setattr(known, "MOST_BYTES", 9 * len(each[0]))
    for one in each:
        known.remember(one)
    assert [known.is_known(one) for one in each] == [False] * 6 + [True] * 4
    assert [path.name for path in stranger.parent.iterdir()] == [stranger.name]


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 100], ids=["a folder", "empty", "damaged"])
def test_without_a_memory_all_is_read_apart(path: Path, stranger: Path, content: bytes | None) -> None:
    stranger.parent.mkdir()
    stranger.mkdir() if content is None else stranger.write_bytes(content)
    assert read_dataset(path, remedy="")["depth"].size == 2000
    assert known.is_known(seal_of(path)) is (content is not None)


def test_a_reader_that_is_lost_between_two_files_is_started_again(path: Path) -> None:
    assert ends_apart(path)
    process = apart._reader(os.getpid())._process
    assert process is not None
    process.kill()
    process.wait()
    assert ends_apart(path)


def test_a_reader_that_a_file_crashes_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = apart._LOOP.replace("load_netcdf(json.loads(line))", "import os; os.abort()")
    monkeypatch.setattr(apart, "_LOOP", lost)
    apart._reader(os.getpid()).end()
    assert not ends_apart(path)
    monkeypatch.undo()
    assert ends_apart(path)


def test_a_reader_that_does_not_come_up_is_no_fault_of_the_file(
    path: Path, stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart._reader(os.getpid()).end()
    monkeypatch.setattr(apart, "_LOOP", "raise MemoryError('no room')")
    with pytest.raises(InputError, match=r"^reading apart: expected a second .* got '.*no room'"):
        read_dataset(path, remedy="again")
    monkeypatch.undo()
    assert ends_apart(path)


def test_a_file_that_was_edited_is_read(path: Path) -> None:
    with h5py.File(path, "r+") as opened:
        opened["depth"][...] = 1.0
    assert seal_holds(path) is None
    assert ends_apart(path)
    assert read_dataset(path, remedy="")["depth"].values.tolist() == [1.0] * 2000
