"""Keep the beam library on disk, under a key of all that went into it."""

import hashlib
import importlib.metadata
import json
import warnings
from pathlib import Path

import platformdirs
import xarray as xr

from doseplan.exchange.files import write_netcdf
from doseplan.exchange.seals import seal_holds
from doseplan.messages import InputError

SOURCES = ("beam/*.py", "kernels/transport.py", "dose/beam_*.py", "biology/*.py", "constants.py", "schema.py")
"""Files of the package that the library depends on."""


def key_of(inputs: dict[str, object]) -> str:
    """Compute the key of a library: inputs, version, and the text of every source that makes it."""
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    digest.update(importlib.metadata.version("doseplan").encode())
    package = Path(__file__).parents[1]
    for pattern in SOURCES:
        for source in sorted(package.glob(pattern)):
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


def path_of(key: str) -> Path:
    """Tell where the library of a key is kept."""
    return Path(platformdirs.user_cache_dir("doseplan")) / f"beam-library-{key}.nc"


def load(key: str) -> xr.Dataset | None:
    """Load a library into memory; None if there is none, or, with a warning, if it can't be read."""
    path = path_of(key)
    if not path.is_file():
        return None
    try:
        if not seal_holds(path):
            raise ValueError("a damaged file")
        library = xr.load_dataset(path, engine="h5netcdf")
        library.attrs["assumptions"] = json.loads(library.attrs["assumptions"])
        for variable in library.variables.values():
            variable.encoding.clear()
    except Exception as error:  # whatever a damaged file makes its reader raise
        warnings.warn(f"{path}: expected a beam library, got {error}; it is computed again", stacklevel=3)
        return None
    return library


def store(key: str, library: xr.Dataset) -> None:
    """Write a library and rename it into place; a folder that can't be written costs one warning."""
    path = path_of(key)
    written = library.assign_attrs(assumptions=json.dumps(list(library.attrs["assumptions"])))
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_netcdf(written, path, encoding={str(key): packed for key in library.data_vars})
    except (OSError, InputError) as error:
        warnings.warn(f"{path}: expected to keep the beam library there, got {error}", stacklevel=3)
