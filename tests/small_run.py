"""A made-up finished run on a small grid, to write as DICOM: no axis is as long or as fine as another."""

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.exchange import run_digest

SIZE = {"z": 9, "y": 20, "x": 26}
SPACING_MM = {"z": 3.0, "y": 2.0, "x": 1.5}
FIRST_MM = {"z": -10.1, "y": -21.35, "x": -17.25}
FRACTIONS = 4
CASE = """name = "made_up"
prescription = { total_gy_rbe = 60.0, fractions = 4, scale = "NIRS" }
"""


def make_run(arms: tuple[str, ...] = ("none", "separated")) -> xr.DataTree:
    """Make a tree with all that the export needs; the arms differ by their noise."""
    root = xr.Dataset(
        attrs={
            "case": "made_up",
            "case_toml": CASE,
            "anatomy_toml": "# none\n",
            "schema_version": schema.VERSION,
            "versions": {"doseplan": "0.0.1"},
            "assumptions": ["Beam: spot size in air 4 mm (sigma).", "tumour: assumed"],
        }
    )
    root.attrs["digest"] = run_digest(root.attrs)
    stages = {
        f"/{arm}/{name}": data for seed, arm in enumerate(arms) for name, data in make_stages(seed).items()
    }
    return xr.DataTree.from_dict({"/": root, **stages})


def make_stages(seed: int) -> dict[str, xr.Dataset]:
    """Make the stages of one arm."""
    rng = np.random.default_rng(seed)
    samples = xr.Dataset({"sample_position": schema.variable("sample_position", rng.random((4, 3)))})
    return {
        "anatomy": make_anatomy(rng),
        "samples": samples,
        "spots": make_spots(rng),
        "dose": make_dose(rng),
    }


def axes() -> dict[str, xr.Variable]:
    """Lay out the voxel centres."""
    return {n: schema.variable(n, FIRST_MM[n] + SPACING_MM[n] * np.arange(SIZE[n])) for n in "zyx"}


def make_anatomy(rng: np.random.Generator) -> xr.Dataset:
    """Make a body with a lung, a target ring round the cord, and a tumour of two parts and a corner."""
    z, y, x = np.meshgrid(*(np.arange(SIZE[n]) for n in "zyx"), indexing="ij")
    body = ((x - 12.0) / 11.5) ** 2 + ((y - 9.5) / 8.5) ** 2 < 1.0
    lung = (x > 17) & (x < 21) & (y > 6) & (y < 12)
    stray = (x == 25) & (y == 0) & (z == 4)
    density = np.where(body & ~lung, 1.0, 0.05) + stray
    radius = np.hypot(x - 11.0, y - 9.0)
    cord = np.clip(2.5 - radius, 0.0, 1.0)
    ring = (radius > 3.5) & (radius < 6.5) & (z > 1) & (z < 7)
    parts = ((x > 2) & (x < 6) & (y > 5) & (y < 9)) | ((x > 14) & (x < 17) & (y > 9) & (y < 12))
    corner = (x == 6) & (y == 9)
    data = {
        "hu": np.where(density > 0.2, 40.0, -1000.0) + rng.normal(0.0, 20.0, x.shape),
        "density": density,
        "cord": cord,
        "sac": radius < 3.2,
        "gtv": (parts | corner) & (z > 2) & (z < 6),
        "target": ring,
    }
    variables = {name: schema.variable(name, values) for name, values in data.items()}
    return xr.Dataset(variables, coords=axes(), attrs={"neural_structure": "spinal cord of the test"})


def make_spots(rng: np.random.Generator) -> xr.Dataset:
    """Make two fields with three and two layers; every fourth spot is empty."""
    field = np.repeat([0, 0, 0, 1, 1], [6, 4, 5, 3, 7])
    energy = np.repeat([120.5, 131.25, 140.0, 99.9, 131.25], [6, 4, 5, 3, 7])
    count = field.size
    weight = rng.random(count) * 20.0
    weight[::4] = 0.0
    data = {
        "gantry": [90.0, 330.0],
        "couch": [0.0, 15.0],
        "roll": [0.0, -12.5],
        "part": [0, 0],
        "course_index": [0, 0],
        "course_fractions": [FRACTIONS],
        "direction": np.eye(3)[:2],
        "u_axis": np.eye(3)[:2],
        "v_axis": np.eye(3)[:2],
        "isocentre": [1.25, -3.5, 2.75],
        "field_index": field,
        "energy_index": np.zeros(count),
        "spot_energy": energy,
        "spot_u": np.arange(count) * 2.0 - 20.0,
        "spot_v": 7.5 - np.arange(count),
        "weight": weight,
    }
    variables = {name: schema.variable(name, values) for name, values in data.items()}
    return xr.Dataset(variables, attrs={"field_names": ["field 1", "patch"]})


def make_dose(rng: np.random.Generator) -> xr.Dataset:
    """Make doses without any symmetry."""
    shape = tuple(SIZE[n] for n in "zyx")
    dose = rng.random(shape) * 25.0
    stated = {"rbe_model": "a model (made up)", "scale": "NIRS", "fractions": FRACTIONS}
    variables = {
        "dose": schema.variable("dose", dose),
        "dose_rbe": schema.variable("dose_rbe", dose * 2.5 + 0.1 * rng.random(shape), **stated),
    }
    return xr.Dataset(variables, coords=axes())
