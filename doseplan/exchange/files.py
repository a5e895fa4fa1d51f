"""Files that are complete or not there at all: texts, and Datasets as netCDF."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.exchange.apart import ends_apart
from doseplan.exchange.known import is_known, remember
from doseplan.exchange.seals import seal, seal_holds, seal_of
from doseplan.exchange.sizes import MOST_BYTES, refuse_larger
from doseplan.messages import InputError

PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
"""How large variables are compressed."""

MOST_PACKING = 1100
"""gzip makes data at most so many times smaller; a file that holds less for what it claims is damaged."""

_JSON_STARTS = tuple('[{"tfn')


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def claim_text(path: Path, text: str) -> bool:
    """Write a text file if there is none, and tell whether it is there with this text now.

    Of several processes that do so at once, one writes and all see the same.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    write_text(part, text)
    try:
        os.link(part, path)
    except OSError:
        if not path.exists():  # a file system without links: the last one wins
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path.read_bytes() == text.encode()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside the wanted one, and rename it into place once all its bytes are on the disk.

    Raises
    ------
    InputError
        The place can't be written, or is full; what was there before stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise InputError(f"{path}: expected a place that can be written, got '{reason}'") from error
    finally:
        part.unlink(missing_ok=True)


def write_dataset(dataset: xr.Dataset, path: Path, *, packed: dict[str, Any] = PACKED) -> None:
    """Write a Dataset as netCDF, complete or not at all; `packed` is how large variables are compressed."""
    encoding = {str(name): _encoding(value, packed) for name, value in dataset.variables.items()}
    plain = dataset.copy(deep=False)
    plain.attrs = {name: _to_file(value) for name, value in dataset.attrs.items()}
    write_netcdf(plain, path, encoding=encoding)


def write_netcdf(dataset: xr.Dataset, path: Path, *, encoding: Mapping[str, Any] | None = None) -> None:
    """Write a Dataset as it is, complete or not at all, with a seal at the end.

    The file is made in memory: the HDF5 library crashes the process where a disk is full.
    """
    made = io.BytesIO()
    with h5netcdf.File(made, "w") as opened:
        dataset.dump_to_store(xr.backends.H5NetCDFStore(opened), encoding=encoding)
    # the buffer does not grow any more: a profiler, as workers have one, may still hold a view of it
    with whole_file(path) as part, part.open("wb") as file:
        file.write(made.getbuffer())
        file.write(last := seal(made.getbuffer()))
    remember(last)


def _encoding(value: xr.Variable, packed: dict[str, Any]) -> dict[str, Any]:
    if value.dtype.kind not in "fiub":
        return {}
    plain: dict[str, Any] = {"_FillValue": None} if value.dtype.kind == "f" else {}
    if value.size < 1000:
        return plain
    chunks = tuple(min(length, 64) for length in value.shape) if value.ndim == 3 else value.shape
    return {**plain, **packed, "chunksizes": chunks}


class _Opened(h5netcdf.File):  # type: ignore[misc]
    """An open file that also ends without words when it was too damaged to be opened."""

    _writable = False


def load_netcdf(path: str | Path) -> xr.Dataset:
    """Load a netCDF file that is known to be whole, or in a process that may be lost.

    Raises
    ------
    InputError
        It unpacks to more than a file of its size can hold.
    Exception
        Whatever the libraries raise.
    """
    path = Path(path)
    with (
        h5py.File(path) as raw,
        _Opened(raw, "r", decode_vlen_strings=True) as store,
        xr.open_dataset(xr.backends.H5NetCDFStore(store), decode_cf=False) as opened,
    ):
        most = min(MOST_BYTES, MOST_PACKING * path.stat().st_size)
        refuse_larger(path, sum(value.nbytes for value in opened.variables.values()), most)
        return opened.load()


def read_dataset(path: Path, *, remedy: str) -> xr.Dataset:
    """Read a netCDF file that `write_dataset` wrote; `remedy` says what to do with a damaged one.

    Raises
    ------
    InputError
        The file is damaged, or a variable is not as declared.
    """
    try:
        holds = seal_holds(path)
        if holds is False:
            raise ValueError("its SHA-256 is not the one at its end")
        last = seal_of(path) if holds else None
        known = last is not None and is_known(last)
        if not known and not ends_apart(path):
            raise ValueError("reading it does not end")
        dataset = load_netcdf(path)
        if last is not None and not known:
            remember(last)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # h5py raises OSError, KeyError or RuntimeError on damaged files
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: expected a netCDF file of doseplan, got a damaged file ({reason}); {remedy}"
        ) from error
    for name, value in dataset.variables.items():
        if value.attrs.pop("dtype", None) == "bool":
            dataset[name] = value.astype(bool)
    dataset.attrs = {name: _from_file(value) for name, value in dataset.attrs.items()}
    try:
        return schema.check(dataset)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _to_file(value: Any) -> Any:
    """Attributes that netCDF can't hold as they are become JSON texts, and so do texts that look like one."""
    if isinstance(value, bool | list | tuple | dict) or value is None:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and _from_file(value) != value:
        return json.dumps(value, ensure_ascii=False)
    return value


def _from_file(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in _JSON_STARTS:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value.item() if isinstance(value, np.generic) else value
