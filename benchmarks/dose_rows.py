"""Rows of the dose engine: tracing, influence, both products, point dose."""

from functools import cache
from types import ModuleType

import numpy as np
import scipy.sparse
import xarray as xr

from doseplan import schema
from doseplan.dose.curves import beams_eye_view, curve_table, locate_depth
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.influence import SAMPLE_MAJOR, SPOT_MAJOR, dose_influence, transpose
from doseplan.dose.point import point_dose
from doseplan.kernels.products import adjoint, forward

from .table import Row, Run, Work
from .twins import twins

BYTES_PER_PAIR = 12
"""An int32 index and two float32 channels."""

PAIR = "pair of spot and sample"


def _twin() -> ModuleType:
    return twins("naive_dose")


@cache
def setting(layers: int, half: int, samples: int) -> tuple[xr.Dataset, xr.Dataset, np.ndarray, np.ndarray]:
    """Make a synthetic library, spots of two fields, points and their depths."""
    library = _twin().library(layers)
    return library, _twin().spots(library, half=half), *_twin().points(samples)


@cache
def stored(layers: int, half: int, samples: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Compute the influence of the setting, spot-major and sample-major."""
    library, spots, points, wepl = setting(layers, half, samples)
    influence = dose_influence(points, wepl, spots, library)
    return influence, transpose(influence)


def influence(*, layers: int = 26, half: int = 5, samples: int = 8_000) -> Work:
    """Build the dose influence; the ways give (channel, spot, point) at the small size."""
    library, spots, points, wepl = setting(layers, half, samples)
    shape = (spots.sizes["spot"], samples)

    def build() -> np.ndarray:
        return dose_influence(points, wepl, spots, library)["entry_root"].values

    def spread() -> np.ndarray:
        found = dose_influence(points, wepl, spots, library)
        return np.asarray(_twin().dense(found, "entry_start", "sample_index", shape))

    def naive() -> np.ndarray:
        return np.array(_twin().dense_influence(points, wepl, spots, library, 1e-4))

    # spreading over a full array is for comparing; what is timed is the build alone
    small = samples * shape[0] <= 1e5
    pairs = build().size
    return Work(
        ways={"kernel": spread if small else build, "naive": naive},
        pieces=pairs,
        moved_bytes=BYTES_PER_PAIR * pairs,
    )


def forward_product(*, layers: int = 26, half: int = 5, samples: int = 8_000) -> Work:
    """Multiply the influence by weights; the ways give (channel, point)."""
    _, by_sample = stored(layers, half, samples)
    arrays = [by_sample[name].values for name in SAMPLE_MAJOR]
    start, index, *channels = arrays
    weight = setting(layers, half, samples)[1]["weight"].values
    shape = (start.size - 1, weight.size)
    matrices = [scipy.sparse.csr_array((values, index, start), shape=shape) for values in channels]
    out = np.empty((2, shape[0]))

    def kernel() -> np.ndarray:
        forward(start, index, *channels, weight, out[0], out[1])
        return out

    ways: dict[str, Run] = {
        "kernel": kernel,
        "scipy": lambda: np.array([matrix @ weight for matrix in matrices]),
        "naive": lambda: np.asarray(_twin().forward(*arrays, weight)),
    }
    return Work(ways=ways, pieces=index.size, moved_bytes=BYTES_PER_PAIR * index.size)


def adjoint_product(*, layers: int = 26, half: int = 5, samples: int = 8_000) -> Work:
    """Multiply the transposed influence by gradients of both channels; the ways give (spot,)."""
    by_spot, _ = stored(layers, half, samples)
    arrays = [by_spot[name].values for name in SPOT_MAJOR]
    start, index, *channels = arrays
    gradient = np.random.default_rng(3).normal(size=(2, samples))
    matrices = [
        scipy.sparse.csr_array((values, index, start), shape=(start.size - 1, samples)) for values in channels
    ]
    out = np.empty(start.size - 1)

    def kernel() -> np.ndarray:
        adjoint(start, index, *channels, gradient[0], gradient[1], out)
        return out

    ways: dict[str, Run] = {
        "kernel": kernel,
        "scipy": lambda: matrices[0] @ gradient[0] + matrices[1] @ gradient[1],
        "naive": lambda: np.asarray(_twin().adjoint(*arrays, *gradient)),
    }
    return Work(ways=ways, pieces=index.size, moved_bytes=BYTES_PER_PAIR * index.size)


def tracing(*, voxels: int = 160, points: int = 40_000) -> Work:
    """Trace points to the edge of a grid of random rsp; the ways give (field, point)."""
    rng = np.random.default_rng(4)
    rsp = rng.random((voxels, voxels, voxels))
    centres = np.arange(voxels) + 0.5
    data = {"rsp": rsp, "z": centres, "y": centres, "x": centres}
    phantom = xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})
    fields = setting(3, 2, 40)[1]
    where = rng.uniform(0.01, voxels - 0.01, (points, 3))
    ways = np.array([[0.48, 0.6, 0.64], [-0.8, 0.36, -0.48]])
    turned = fields.assign(direction=fields["direction"].copy(data=ways))

    def naive() -> np.ndarray:
        twin, grid = _twin().water_equivalent_depth, phantom["rsp"].values
        return np.array(
            [[twin(grid, np.zeros(3), np.ones(3), point, way) for point in where] for way in ways]
        )

    return Work(
        ways={"kernel": lambda: water_equivalent_depth(phantom, turned, where), "naive": naive},
        pieces=_faces_crossed(where, ways, voxels),
    )


def _faces_crossed(points: np.ndarray, directions: np.ndarray, voxels: int) -> float:
    """Count the voxels that the rays from the points upstream to the edge of the grid lead through."""
    total = 0
    for back in -directions:
        with np.errstate(divide="ignore"):
            far = np.where(back > 0, (voxels - points) / back, -points / back).min(axis=1)
        total += int(np.abs(np.floor(points + far[:, None] * back * (1 - 1e-12)) - np.floor(points)).sum())
    return float(total)


def point_by_point(*, layers: int = 26, half: int = 5, samples: int = 2_000) -> Work:
    """Dose of all spots in points, nothing stored; the ways give (channel, point).

    `numpy` is one matrix of Gaussians for each layer.
    """
    library, spots, points, wepl = setting(layers, half, samples)
    return Work(
        ways={
            "kernel": lambda: np.array(point_dose(points, wepl, spots, library)),
            "numpy": lambda: _array_point_dose(library, spots, points, wepl),
            "naive": lambda: np.array(_twin().point_dose(points, wepl, spots, library)),
        },
        pieces=spots.sizes["spot"] * samples,
    )


def _array_point_dose(
    library: xr.Dataset, spots: xr.Dataset, points: np.ndarray, wepl: np.ndarray
) -> np.ndarray:
    curves, uv = curve_table(library), beams_eye_view(spots, points)
    interval, fraction = locate_depth(library, wepl)
    out = np.zeros((curves.shape[3] - 1, len(points)))
    position = np.column_stack([spots["spot_u"].values, spots["spot_v"].values])
    layer = np.column_stack([spots["field_index"].values, spots["energy_index"].values])
    for field, energy in np.unique(layer, axis=0):
        own = np.flatnonzero((layer == (field, energy)).all(axis=1))
        near, part = curves[energy, interval[field]], fraction[field][:, np.newaxis, np.newaxis]
        value = near + part * (curves[energy, interval[field] + 1] - near)
        value[interval[field] < 0] = np.eye(curves.shape[3])[-1]
        squared = ((uv[field][:, np.newaxis] - position[own]) ** 2).sum(axis=2)
        for component in range(curves.shape[2]):
            variance = value[:, component, -1]
            sums = np.exp(-0.5 * squared / variance[:, np.newaxis]) @ spots["weight"].values[own]
            out += value[:, component, :-1].T * sums / (2.0 * np.pi * variance)
    return out


SMALL = {"layers": 3, "half": 2, "samples": 40}
SPOTS_AND_SAMPLES = {"layers": (7, 14, 27), "samples": (2_000, 4_000, 8_000)}

DOSE_ROWS = {
    # float64, sums of positive terms
    "tracing": Row(
        prepare=tracing,
        unit="voxel crossed",
        tolerance=1e-12,
        small={"voxels": 12, "points": 40},
        growth={"points": (10_000, 20_000, 40_000)},
    ),
    # float32 entries: 6e-8 of each
    "influence": Row(prepare=influence, unit=PAIR, tolerance=1e-7, small=SMALL, growth=SPOTS_AND_SAMPLES),
    # products read the same stored entries and sum in float64
    "forward_product": Row(
        prepare=forward_product, unit=PAIR, tolerance=1e-12, small=SMALL, growth=SPOTS_AND_SAMPLES
    ),
    # gradients of both signs: float64 rounding against the largest
    "adjoint_product": Row(
        prepare=adjoint_product, unit=PAIR, tolerance=1e-12, small=SMALL, growth=SPOTS_AND_SAMPLES
    ),
    "point_dose": Row(
        prepare=point_by_point,
        unit=PAIR,
        tolerance=1e-12,
        small=SMALL,
        growth={"layers": (7, 14, 27), "samples": (1_000, 2_000, 4_000)},
    ),
}
