"""A CT with contours: a Dataset in memory, one netCDF file on disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.exchange.files import read_dataset, write_dataset
from doseplan.messages import InputError
from doseplan.schema import check, variable

Contours = Sequence[NDArray[np.float64]]
"""Closed contours of one structure, each (point, axis) with x, y, z in patient LPS [mm]."""


def make_scan(
    ct_number: NDArray[np.int16],
    axes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    structures: Mapping[str, Contours],
    *,
    source: str,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Put a CT and its contours together.

    Parameters
    ----------
    ct_number : (z, y, x) [HU]
    axes : voxel centres along z, y, x [mm], rising, evenly spaced
    structures : contours by name, in the order that they are listed in
    source : what it was read from
    notes : what was found, used, ignored and why

    Returns
    -------
    scan : Dataset
        `ct_number`, `contour_position`, `contour_start`, `contour_structure`; attributes `structures`
        (names), `source`, `notes`.
    """
    contours = [(number, part) for number, parts in enumerate(structures.values()) for part in parts]
    points = [part for _, part in contours]
    data = {
        "ct_number": variable("ct_number", ct_number),
        "contour_position": variable("contour_position", np.concatenate([np.empty((0, 3)), *points])),
        "contour_start": variable("contour_start", np.cumsum([0, *map(len, points)])),
        "contour_structure": variable("contour_structure", [number for number, _ in contours]),
    }
    coordinates = {name: variable(name, axis) for name, axis in zip("zyx", axes, strict=True)}
    attributes = {"structures": list(structures), "source": source, "notes": list(notes)}
    return check(xr.Dataset(data, coords={**coordinates, "axis": ["x", "y", "z"]}, attrs=attributes), *data)


def write_scan(scan: xr.Dataset, path: str | Path) -> None:
    """Write a scan, complete or not at all.

    Raises
    ------
    InputError
        The place can't be written.
    """
    # the fast filter: a CT of 300 slices is packed in about a second
    write_dataset(scan, Path(path), packed={"compression": "lzf", "shuffle": True, "fletcher32": True})


def read_scan(path: str | Path) -> xr.Dataset:
    """Read a scan that `write_scan` wrote.

    Raises
    ------
    InputError
        There is no such file, it is damaged, or it is something else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a CT that `doseplan import` wrote, got no such file")
    scan = read_dataset(path, remedy="import it again")
    missing = [
        name
        for name in ("ct_number", "contour_position", "contour_start", "contour_structure")
        if name not in scan
    ]
    if missing or "structures" not in scan.attrs:
        raise InputError(f"{path}: expected a CT that `doseplan import` wrote, got a file without {missing}")
    return scan
