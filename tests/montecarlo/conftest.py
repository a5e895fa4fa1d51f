"""A scanned field along y in a box of water."""

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.case.tissues import TISSUES
from doseplan.constants import WATER_DENSITY
from doseplan.dose import beam_library

VOXEL_MM, DEEP_MM, WIDE_MM = 2.0, 160.0, 80.0


def _phantom():
    sizes = {"z": WIDE_MM, "y": DEEP_MM, "x": WIDE_MM}
    axes = {
        name: schema.variable(name, np.arange(0.5 * VOXEL_MM, size, VOXEL_MM) - 0.5 * size)
        for name, size in sizes.items()
    }
    shape = tuple(round(size / VOXEL_MM) for size in sizes.values())
    data = {
        "rsp": np.full(shape, WATER_DENSITY),
        "density": np.full(shape, WATER_DENSITY),
        "tissue": np.full(shape, TISSUES.index("csf")),
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()}, coords=axes)


def _spots(library):
    """Five layers that end between 100 and 130 mm, 9 by 9 spots 4 mm apart, deep layers with more ions."""
    chosen = np.searchsorted(library["r80"].values, [100.0, 107.0, 114.0, 121.0, 128.0])
    line = 4.0 * np.arange(-4, 5)
    layer, u, v = (grid.ravel() for grid in np.meshgrid(np.arange(5), line, line, indexing="ij"))
    data = {
        "direction": [[0.0, 1.0, 0.0]],
        "u_axis": [[1.0, 0.0, 0.0]],
        "v_axis": [[0.0, 0.0, 1.0]],
        "isocentre": [0.0, 0.0, 0.0],
        "field_index": np.zeros(layer.size),
        "energy_index": chosen[layer],
        "spot_energy": library["energy"].values[chosen[layer]],
        "spot_u": u,
        "spot_v": v,
        "weight": np.array([1.0, 1.1, 1.3, 1.7, 4.0])[layer],
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})


@pytest.fixture(scope="session")
def water_field():
    """Library, water and spots."""
    library = beam_library()
    return library, _phantom(), _spots(library)
