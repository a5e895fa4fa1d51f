"""A small made-up run: a round target in front of a straight cord, and more dose with more separation."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.biology.models import rbe_model
from doseplan.case import Case, bundled_cases, load_case

ARMS = {"none": None, "decompressed": 0.0, "separated": 3.0}
SHAPE = {"z": 20, "y": 26, "x": 30}
VOXEL_MM = 4.0
LABELS = rbe_attributes(16)


def _axes() -> dict[str, np.ndarray]:
    return {name: VOXEL_MM * (np.arange(size) - 0.5 * (size - 1)) for name, size in SHAPE.items()}


def _anatomy(separation_mm: float | None) -> xr.Dataset:
    axes = _axes()
    z, y, x = np.meshgrid(*axes.values(), indexing="ij")
    cord = np.hypot(x, y - 8.0) - 5.0
    target = np.sqrt((x - 6.0) ** 2 + (y + 14.0) ** 2 + z**2) - 17.0
    body = np.hypot(x / 1.1, y) < 48.0
    bone = body & (np.abs(x) < 8.0) & (y > 20.0)
    values = {
        "rsp": np.where(bone, 1.6, np.where(body, 1.0, 0.001)),
        "hu": np.where(bone, 900.0, np.where(body, 40.0, -1000.0)),
        "tissue": np.where(bone, 2, np.where(body, 1, 0)),
        "cord": cord < 0.0,
        "target": target < 0.0,
        "gtv": target < -1.0,
        "spot_target": target < 0.0,
        "region": np.where(bone, 1, np.where(cord < 4.0, 2, 0)),
        "level_index": np.zeros(SHAPE["z"]),
        "distance_cord": cord,
        "distance_dura": cord - 2.0,
        "distance_target": target,
        "distance_gtv": target + 1.0,
    }
    attributes = {
        "separation_mm": float("nan") if separation_mm is None else separation_mm,
        "voxel_mm": VOXEL_MM,
        "levels": "T11",
        "deep_bone_mm": [[16.0, 3.5]],
        "neural_structure": "spinal cord",
        "gap_target_prv_mm": separation_mm or 0.0,
        "target_reading": "residual tumour with margin",
        "gtv_before_cm3": 21.0,
        "gtv_cm3": 20.0,
        "resected_cm3": 1.0,
        "target_cm3": 20.6,
        "sac_cm3": 9.0,
        "cord_cm3": 5.0,
        "gap_tumour_dura_mm": separation_mm or 0.0,
        "gap_tumour_sac_mm": 0.3,
        "gap_tumour_cord_mm": 2.0,
        "gap_target_cord_mm": 2.0 + (separation_mm or 0.0),
        "gap_target_dura_mm": separation_mm or 0.0,
    }
    data = {name: schema.variable(name, value) for name, value in values.items()}
    coordinates = {name: schema.variable(name, value) for name, value in axes.items()}
    return xr.Dataset(data, coords=coordinates, attrs=attributes)


def _dose(anatomy: xr.Dataset, lowest: float) -> xr.Dataset:
    """Dose that falls from the target outwards; `lowest` at the target's edge."""
    away = anatomy["distance_target"].values
    weighted = np.where(anatomy["tissue"].values > 0, np.clip(lowest - 1.5 * away, 0.0, 66.0), 0.0)
    values = {"dose": weighted / 2.5, "let_d": 20.0 + 0.5 * weighted}
    data = {name: schema.variable(name, value) for name, value in values.items()}
    data["dose_rbe"] = schema.variable("dose_rbe", weighted, **LABELS)
    return xr.Dataset(data, coords=anatomy.coords)


def _samples(anatomy: xr.Dataset, dose: xr.Dataset) -> xr.Dataset:
    """Every voxel of cord and target as a sample, cord first."""
    cord, target = (anatomy[name].values > 0.5 for name in ("cord", "target"))
    chosen = cord | target
    places = np.meshgrid(*(anatomy[name].values for name in "zyx"), indexing="ij")
    weighted = dose["dose_rbe"].values[chosen]
    values = {
        "sample_position": np.stack([place[chosen] for place in places[::-1]], axis=1),
        "sample_structure": np.where(cord[chosen], 1, 2),
        "sample_volume": np.full(chosen.sum(), (0.1 * VOXEL_MM) ** 3),
        "sample_dura_distance": anatomy["distance_dura"].values[chosen],
        "sample_dose": weighted / 2.5,
        "sample_dose_z_star": weighted / 2.5,
        "sample_let_d": 20.0 + 0.5 * weighted,
    }
    data = {name: schema.variable(name, value) for name, value in values.items()}
    data["sample_dose_rbe"] = schema.variable("sample_dose_rbe", weighted, **LABELS)
    lem1 = rbe_model("LEM1").attributes(LABELS["fractions"])
    data["sample_dose_lem1"] = schema.variable("sample_dose_lem1", 1.1 * weighted, **lem1)
    return xr.Dataset(data)


def _spots(lowest: float) -> xr.Dataset:
    """Two fields: from the patient's left, and from behind through bone, the longer way in water."""
    values = {
        "gantry": [90.0, 195.0],
        "couch": [0.0, 0.0],
        "roll": [0.0, 15.0],
        "direction": [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
        "isocentre": [6.0, -14.0, 0.0],
        "field_index": [0, 0, 1],
        "spot_energy": [180.0, 200.0, 200.0],
        "spot_u": [-4.0, 4.0, 0.0],
        "spot_v": [0.0, 4.0, 2.0],
        "weight": [1.0, 0.0, 2.0],
    }
    attributes = {"target_minimum_gye": lowest, "tolerance_gye": 0.64, "scale_down": 0.999}
    return xr.Dataset(
        {name: schema.variable(name, value) for name, value in values.items()}, attrs=attributes
    )


def _arm(separation_mm: float | None, lowest: float) -> dict[str, xr.Dataset]:
    anatomy = _anatomy(separation_mm)
    dose = _dose(anatomy, lowest)
    return {
        "anatomy": anatomy,
        "samples": _samples(anatomy, dose),
        "spots": _spots(lowest),
        "dose": dose,
    }


@pytest.fixture(scope="session")
def case() -> Case:
    return load_case(bundled_cases()["t11_t12_mpnst"])


@pytest.fixture(scope="session")
def tree_of(case: Case) -> Callable[..., xr.DataTree]:
    """Make a run from the lowest dose [Gy(RBE)] at the target's edge in each arm."""

    def make(*lowest: float) -> xr.DataTree:
        arms = dict(zip(ARMS, lowest, strict=False))
        nodes = {
            f"/{arm}/{stage}": data
            for arm, dose in arms.items()
            for stage, data in _arm(ARMS[arm], dose).items()
        }
        texts = {"case_toml": case.case_toml, "anatomy_toml": case.anatomy_toml}
        said = {"case": case.name, "assumptions": ["made up for a test"], "versions": {"doseplan": "0"}}
        root = xr.Dataset(attrs={**texts, **said, "digest": "d" * 64})
        return xr.DataTree.from_dict({"/": root, **nodes})

    return make


@pytest.fixture(scope="session")
def tree(tree_of: Callable[..., xr.DataTree]) -> xr.DataTree:
    return tree_of(46.0, 50.0, 58.0)
