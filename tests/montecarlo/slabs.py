"""A scanned field along y in a box of water, and what stands in its way: for tests and a docs page."""

import csv
from importlib import resources

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.anatomy.materials import materials
from doseplan.case.tissues import TISSUES
from doseplan.constants import WATER_DENSITY

DEEP_MM, WIDE_MM = 160.0, 80.0
TITANIUM_RSP = 3.15
"""[1] of Ti6Al4V, near enough for a comparison of two models on the same voxels."""

SLABS = {
    "bone": ("cortical_bone", "cortical_bone", 30.0, 50.0, lambda x: x < 0.0),
    "lung": ("lung", "lung", 40.0, 80.0, lambda x: x < 0.0),
    "titanium": ("Ti6Al4V", "implant", 60.0, 66.0, lambda x: np.abs(x - 5.0) < 3.1),
}
"""Material, tissue, first and last depth [mm], columns of x."""


def water(voxel_mm=2.0):
    """Box of 80 x 160 x 80 mm (x, y, z), its middle at the isocentre."""
    sizes = {"z": WIDE_MM, "y": DEEP_MM, "x": WIDE_MM}
    axes = {
        name: schema.variable(name, np.arange(0.5 * voxel_mm, size, voxel_mm) - 0.5 * size)
        for name, size in sizes.items()
    }
    shape = tuple(round(size / voxel_mm) for size in sizes.values())
    data = {
        "rsp": np.full(shape, WATER_DENSITY),
        "density": np.full(shape, WATER_DENSITY),
        "tissue": np.full(shape, TISSUES.index("csf")),
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()}, coords=axes)


def with_slab(box, name):
    """Put a material between two depths [mm] into some columns of x."""
    material, tissue, first, last, columns = SLABS[name]
    text = (resources.files("doseplan.data") / "materials.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = {row["name"]: row for row in csv.DictReader(lines)}
    rsp = TITANIUM_RSP if material == "Ti6Al4V" else materials()[material].rsp
    depth = box["y"].values + 0.5 * DEEP_MM
    inside = ((depth > first) & (depth < last))[None, :, None] & columns(box["x"].values)[None, None, :]
    inside = np.broadcast_to(inside, box["rsp"].shape)
    values = {"rsp": rsp, "density": float(rows[material]["density_g_cm3"]), "tissue": TISSUES.index(tissue)}
    return box.assign(
        {
            name: schema.variable(name, np.where(inside, value, box[name].values))
            for name, value in values.items()
        }
    )


def field(library):
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
