"""Each piece of heavy work done in several ways: work -> {naive, scipy, kernel}.

The ways return the same arrays: tests compare them on the small size, `bench_*.py` time the same callables.
The naive ways are plain Python loops, so they exist at the small size only.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import scipy.sparse
import xarray as xr

from doseplan import schema
from doseplan.dose.curves import beams_eye_view, curve_table, locate_depth
from doseplan.dose.depth import water_equivalent_depth
from doseplan.dose.influence import SAMPLE_MAJOR, SPOT_MAJOR, dose_influence, transpose
from doseplan.dose.point import point_dose
from doseplan.kernels import montecarlo
from doseplan.kernels.products import adjoint, forward
from doseplan.montecarlo.simulate import Grid, Limits, Source, Voxels, simulate
from doseplan.montecarlo.tables import Tables, build_tables
from doseplan.montecarlo.water import thin_beam

Ways = dict[str, Callable[[], np.ndarray]]

SIZES = {"small": (3, 40), "large": (26, 5_000)}
"""Energies of the synthetic beam library, and points."""


@cache
def twins(name: str) -> ModuleType:
    """Load a file of slow twins that the tests use."""
    path = Path(__file__).parents[1] / "tests" / "kernels" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def naive_dose() -> ModuleType:
    """Load the slow twins of the pencil beam."""
    return twins("naive_dose")


@cache
def setting(size: str) -> tuple[xr.Dataset, xr.Dataset, np.ndarray, np.ndarray]:
    """Make a synthetic library, spots of two fields, points and their depths."""
    energies, count = SIZES[size]
    library = naive_dose().library(energies)
    spots = naive_dose().spots(library, half=2 if size == "small" else 5)
    return library, spots, *naive_dose().points(count)


@cache
def stored_influence(size: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Compute the influence of the setting, spot-major and sample-major."""
    library, spots, points, wepl = setting(size)
    influence = dose_influence(points, wepl, spots, library)
    return influence, transpose(influence)


def influence(size: str) -> Ways:
    """Build the dose influence; returns (channel, spot, point)."""
    library, spots, points, wepl = setting(size)
    shape = (spots.sizes["spot"], len(points))

    def spread(found: xr.Dataset) -> np.ndarray:
        return naive_dose().dense(found, "entry_start", "sample_index", shape)

    def kernel() -> np.ndarray:
        found = dose_influence(points, wepl, spots, library)
        # spreading is for comparing; what is timed at the large size is the build alone
        return spread(found) if size == "small" else found["entry_root"].values

    ways: Ways = {"kernel": kernel}
    if size == "small":
        ways["naive"] = lambda: np.array(naive_dose().dense_influence(points, wepl, spots, library, 1e-4))
    return ways


def forward_product(size: str) -> Ways:
    """Multiply the influence by weights; returns (channel, point)."""
    _, by_sample = stored_influence(size)
    arrays = [by_sample[name].values for name in SAMPLE_MAJOR]
    start, index, *channels = arrays
    weight = setting(size)[1]["weight"].values
    shape = (start.size - 1, weight.size)
    matrices = [scipy.sparse.csr_matrix((values, index, start), shape=shape) for values in channels]
    out = np.empty((2, shape[0]))

    def kernel() -> np.ndarray:
        forward(start, index, *channels, weight, out[0], out[1])
        return out

    ways: Ways = {"kernel": kernel, "scipy": lambda: np.array([matrix @ weight for matrix in matrices])}
    if size == "small":
        ways["naive"] = lambda: naive_dose().forward(*arrays, weight)
    return ways


def adjoint_product(size: str) -> Ways:
    """Multiply the transposed influence by gradients of both channels; returns (spot,)."""
    by_spot, _ = stored_influence(size)
    arrays = [by_spot[name].values for name in SPOT_MAJOR]
    start, index, *channels = arrays
    gradient = np.random.default_rng(3).normal(size=(2, SIZES[size][1]))
    shape = (start.size - 1, gradient.shape[1])
    matrices = [scipy.sparse.csr_matrix((values, index, start), shape=shape) for values in channels]
    out = np.empty(shape[0])

    def kernel() -> np.ndarray:
        adjoint(start, index, *channels, gradient[0], gradient[1], out)
        return out

    def with_scipy() -> np.ndarray:
        return matrices[0] @ gradient[0] + matrices[1] @ gradient[1]

    ways: Ways = {"kernel": kernel, "scipy": with_scipy}
    if size == "small":
        ways["naive"] = lambda: naive_dose().adjoint(*arrays, *gradient)
    return ways


def tracing(size: str) -> Ways:
    """Trace points to the edge of a grid of random rsp; returns (field, point)."""
    voxels = {"small": 12, "large": 160}[size]
    rng = np.random.default_rng(4)
    rsp = rng.random((voxels, voxels, voxels))
    centres = np.arange(voxels) + 0.5
    data = {"rsp": rsp, "z": centres, "y": centres, "x": centres}
    phantom = xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})
    fields = setting(size)[1]
    points = rng.uniform(0.01, voxels - 0.01, ({"small": 40, "large": 200_000}[size], 3))
    turned = fields.assign(direction=fields["direction"].copy(data=[[0.48, 0.6, 0.64], [-0.8, 0.36, -0.48]]))

    def naive() -> np.ndarray:
        twin = naive_dose().water_equivalent_depth
        stored = phantom["rsp"].values
        directions = turned["direction"].values
        return np.array(
            [[twin(stored, np.zeros(3), np.ones(3), point, way) for point in points] for way in directions]
        )

    ways: Ways = {"kernel": lambda: water_equivalent_depth(phantom, turned, points)}
    if size == "small":
        ways["naive"] = naive
    return ways


def point_by_point(size: str) -> Ways:
    """Dose of all spots in points, nothing stored; returns (channel, point).

    `scipy` stands for numpy and scipy without a kernel: one matrix of Gaussians for each layer.
    """
    library, spots, points, wepl = setting(size)
    ways: Ways = {
        "kernel": lambda: np.array(point_dose(points, wepl, spots, library)),
        "scipy": lambda: _array_point_dose(library, spots, points, wepl),
    }
    if size == "small":
        ways["naive"] = lambda: np.array(naive_dose().point_dose(points, wepl, spots, library))
    return ways


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


@cache
def montecarlo_setting(slabs: int) -> tuple[Tables, Voxels, Source]:
    """Prepare a thin beam of 200 MeV/u into water: slabs of 1 mm, one column."""
    tables = build_tables(highest_energy=206.0, responses={"dose": lambda _, energy: np.ones_like(energy)})
    media = np.ones((slabs, 1, 1, 3), np.float32)
    grid = Grid(np.full(3, -500.0) * [1, 1, 0], np.array([1000.0, 1000.0, 1.0]), np.array([1, 1, slabs]))
    place = (np.zeros(1, np.int64), np.zeros(1, np.int64), np.arange(slabs))
    return tables, Voxels(media, grid, place, slabs), thin_beam(200.0, 0.0, 0.0)


def flight(size: str) -> Ways:
    """Slow down ions that neither react nor stray; returns (slab, channel) [MeV].

    The naive way steps 2 um at a time and does not cut its steps at the voxels' faces.
    """
    tables, voxels, source = montecarlo_setting(110)
    motion = tables.ladder.motion.copy()
    for column in (montecarlo.ATTENUATION, montecarlo.STRAGGLING, montecarlo.SCATTERING):
        motion[..., column] = 0.0
    ladder = tables.ladder._replace(motion=motion)
    ions = {"small": 2, "large": 20_000}[size]
    twin = twins("naive_montecarlo")

    def run() -> np.ndarray:
        still = tables._replace(ladder=ladder)
        every = simulate(still, voxels, source, np.ones(1), histories=ions, seed=1, batches=2)
        return np.mean([score for score, _ in every], axis=0)

    def naive() -> np.ndarray:
        response = ladder.response[0].tolist()
        found = twin.straight(
            voxels.media, voxels.grid, voxels.place, response, ladder.node_step[0],
            [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], float(source.range_mean[0]), Limits().cut,
        )  # fmt: skip
        return np.array(found)

    ways: Ways = {"kernel": run}
    if size == "small":
        ways["naive"] = naive
    return ways


def histories(count: int) -> Callable[[], np.ndarray]:
    """Follow ions of 200 MeV/u with all their fragments in water: what a history costs."""
    tables, voxels, source = montecarlo_setting(220)

    def run() -> np.ndarray:
        every = simulate(tables, voxels, source, np.ones(1), histories=count, seed=1)
        return np.mean([score for score, _ in every], axis=0)

    return run


COMPARISONS: dict[str, Callable[[str], Ways]] = {
    "influence": influence,
    "forward_product": forward_product,
    "adjoint_product": adjoint_product,
    "tracing": tracing,
    "point_dose": point_by_point,
    "flight": flight,
}
"""Work -> function of the size ("small" or "large") that gives the ways to do it."""
