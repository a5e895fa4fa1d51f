"""Rows of the dose engine: tracing, rays, operator and entries, both products of both, point dose."""

from functools import cache
from types import ModuleType

import numpy as np
import scipy.sparse
import xarray as xr

from doseplan import schema
from doseplan.dose import (
    DoseOperator,
    EntryOperator,
    Rays,
    dose_influence,
    dose_operator,
    entry_operator,
    point_dose,
    trace_spots,
    water_equivalent_depth,
)

from .table import Row, Run, Work
from .twins import twins

BYTES_PER_PAIR = 12
"""An int32 index and two float32 channels; of the operator an int32 index, a place and a Gaussian."""

PAIR = "pair of spot and sample"

CUTOFF = 1e-3
"""Entries below this part of a spot's peak are left out where times are compared."""


def _twin() -> ModuleType:
    return twins("naive_dose")


@cache
def setting(layers: int, half: int, samples: int) -> tuple[xr.Dataset, xr.Dataset, np.ndarray, xr.Dataset]:
    """Make a synthetic library, spots of two fields, points, and what they lie in."""
    library = _twin().library(layers)
    return library, _twin().spots(library, half=half), _twin().points(samples), _twin().phantom()


@cache
def traced(layers: int, half: int, samples: int) -> Rays:
    """Trace the setting."""
    library, spots, _, phantom = setting(layers, half, samples)
    return trace_spots(phantom, spots, library)


@cache
def stored(layers: int, half: int, samples: int, small: bool) -> tuple[EntryOperator, DoseOperator]:
    """Hold the setting as entries and as composite curves; without cut-off where all ways are compared."""
    library, spots, points, _ = setting(layers, half, samples)
    rays = traced(layers, half, samples)
    cutoff = 0.0 if small else CUTOFF
    entries = entry_operator(dose_influence(points, rays, spots, library, relative_cutoff=cutoff))
    return entries, dose_operator(points, rays, library)


def rays(*, layers: int = 26, half: int = 3, samples: int = 8_000) -> Work:
    """Split the spots and trace all rays; the way gives what they met."""
    library, spots, _, phantom = setting(layers, half, samples)

    def build() -> np.ndarray:
        return trace_spots(phantom, spots, library).nodes

    return Work(ways={"kernel": build}, pieces=spots.sizes["spot"])


def influence(*, layers: int = 26, half: int = 4, samples: int = 500) -> Work:
    """Build the operator (kernel) and the entries; the ways give (channel, spot, point) at the small size."""
    library, spots, points, _ = setting(layers, half, samples)
    lines = traced(layers, half, samples)
    shape = (spots.sizes["spot"], samples)
    small = samples * shape[0] <= 1e5
    entries, operator = stored(layers, half, samples, small)

    def spread() -> np.ndarray:
        channels = [operator.forward(weight) for weight in np.eye(shape[0])]
        return np.array([[root for _, root in channels], [linear for linear, _ in channels]])

    def naive() -> np.ndarray:
        return np.array(_twin().dense_influence(points, lines, spots, library, 0.0))

    def written() -> np.ndarray:
        found = dose_influence(points, lines, spots, library, relative_cutoff=0.0 if small else CUTOFF)
        return np.asarray(_twin().dense(found, "entry_start", "sample_index", shape)) if small else found

    # spreading over a full array is for comparing; what is timed is the build alone
    ways: dict[str, Run] = {
        "kernel": spread if small else lambda: dose_operator(points, lines, library).gauss,
        "entries": written,
        "naive": naive,
    }
    return Work(ways=ways, pieces=entries.spot_major[1].size)


def forward_product(*, layers: int = 26, half: int = 8, samples: int = 12_000) -> Work:
    """Multiply by weights: composite curves (kernel) and entries; the ways give (channel, point).

    As many samples, rays and layers of a field as the optimiser has on the bundled case.
    """
    small = samples <= SMALL["samples"]
    entries, operator = stored(layers, half, samples, small)
    weight = setting(layers, half, samples)[1]["weight"].values
    matrices, single = _matrices(entries.sample_major, weight.size), weight.astype(np.float32)
    ways: dict[str, Run] = {
        "kernel": lambda: np.array(operator.forward(weight)[::-1]),
        "entries": lambda: np.array(entries.forward(weight)[::-1]),
        "scipy": lambda: np.array([matrix @ single for matrix in matrices]),
        "naive": lambda: np.asarray(_twin().forward(*entries.sample_major, weight)),
    }
    return Work(ways=ways, pieces=matrices[0].nnz, moved_bytes=BYTES_PER_PAIR * operator.pairs)


def adjoint_product(*, layers: int = 26, half: int = 8, samples: int = 12_000) -> Work:
    """Multiply the transpose by gradients of both channels: the same ways; they give (spot,)."""
    small = samples <= SMALL["samples"]
    entries, operator = stored(layers, half, samples, small)
    gradient = np.random.default_rng(3).normal(size=(2, samples))
    matrices, single = _matrices(entries.spot_major, samples), gradient.astype(np.float32)
    ways: dict[str, Run] = {
        "kernel": lambda: operator.adjoint(gradient[1], gradient[0]),
        "entries": lambda: entries.adjoint(gradient[1], gradient[0]),
        "scipy": lambda: matrices[0] @ single[0] + matrices[1] @ single[1],
        "naive": lambda: np.asarray(_twin().adjoint(*entries.spot_major, *gradient)),
    }
    return Work(ways=ways, pieces=matrices[0].nnz, moved_bytes=BYTES_PER_PAIR * operator.pairs)


def _matrices(entries: tuple[np.ndarray, ...], columns: int) -> list[scipy.sparse.csr_array]:
    """Hold both channels as scipy multiplies them quickest: in float32 and int32, for it copies to mix."""
    start, index, *channels = entries
    places, ends = index.astype(np.int32), start.astype(np.int32)
    shape = (start.size - 1, columns)
    return [scipy.sparse.csr_array((values, places, ends), shape=shape) for values in channels]


def tracing(*, voxels: int = 96, points: int = 10_000) -> Work:
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
    """Dose of all spots in points in float64, nothing stored; the ways give (channel, point)."""
    library, spots, points, _ = setting(layers, half, samples)
    lines = traced(layers, half, samples)
    return Work(
        ways={
            "kernel": lambda: np.array(point_dose(points, lines, spots, library)),
            "naive": lambda: np.array(_twin().point_dose(points, lines, spots, library)),
        },
        pieces=spots.sizes["spot"] * samples,
    )


SMALL = {"layers": 3, "half": 1, "samples": 20}
SPOTS_AND_SAMPLES = {"layers": (7, 14, 27), "samples": (1_000, 2_000, 4_000)}

DOSE_ROWS = {
    # float64, sums of positive terms
    "tracing": Row(
        prepare=tracing,
        unit="voxel crossed",
        tolerance=1e-12,
        small={"voxels": 12, "points": 40},
        growth={"points": (2_500, 5_000, 10_000)},
    ),
    "rays": Row(prepare=rays, unit="spot", tolerance=0.0, growth={"half": (2, 3, 5)}),
    # places in depth and curves are float32: 6e-8 of places of up to 220 depths, where curves fall by half
    "influence": Row(prepare=influence, unit=PAIR, tolerance=2e-5, small=SMALL, growth=SPOTS_AND_SAMPLES),
    "forward_product": Row(
        prepare=forward_product, unit=PAIR, tolerance=2e-5, small=SMALL, growth=SPOTS_AND_SAMPLES
    ),
    "adjoint_product": Row(
        prepare=adjoint_product, unit=PAIR, tolerance=2e-5, small=SMALL, growth=SPOTS_AND_SAMPLES
    ),
    # tails of curves end at 1e-8 of their maximum
    "point_dose": Row(
        prepare=point_by_point,
        unit=PAIR,
        tolerance=1e-7,
        small=SMALL,
        growth={"layers": (7, 14, 27), "samples": (1_000, 2_000, 4_000)},
    ),
}
