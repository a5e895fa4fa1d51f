"""Rows of single beams and single ions: transport of a beam, Monte Carlo."""

from functools import cache

import numpy as np

from doseplan.kernels import montecarlo
from doseplan.kernels.transport import transport as transport_kernel
from doseplan.montecarlo.simulate import Grid, Limits, Source, Voxels, simulate
from doseplan.montecarlo.tables import Tables, build_tables
from doseplan.montecarlo.water import thin_beam

from .table import Row, Work
from .twins import twins


def transport(*, energies: int = 8, cells: int = 400) -> Work:
    """Move beams and their fragments through made-up tables; the ways give the deposited energy."""
    twin = twins("naive_transport")
    problem = twin.problem(energies=energies, species=12, cells=cells, coarse=cells - 50, ratio=5)
    results = twin.outputs(problem, coarse=cells - 50)

    def kernel() -> np.ndarray:
        transport_kernel(*problem, *results)
        return np.asarray(results[0])

    def naive() -> np.ndarray:
        found = twin.outputs(problem, coarse=cells - 50)
        twin.transport(problem, found)
        return np.asarray(found[0])

    return Work(ways={"kernel": kernel, "naive": naive}, pieces=energies * 12 * cells * cells / 2)


@cache
def _water(slabs: int) -> tuple[Tables, Voxels, Source]:
    """Prepare a thin beam of 200 MeV/u into water: slabs of 1 mm, one column."""
    tables = build_tables(highest_energy=206.0, responses={"dose": lambda _, energy: np.ones_like(energy)})
    media = np.ones((slabs, 1, 1, 3), np.float32)
    grid = Grid(np.full(3, -500.0) * [1, 1, 0], np.array([1000.0, 1000.0, 1.0]), np.array([1, 1, slabs]))
    place = (np.zeros(1, np.int64), np.zeros(1, np.int64), np.arange(slabs))
    return tables, Voxels(media, grid, place, slabs), thin_beam(200.0, 0.0, 0.0)


def flight(*, ions: int = 5_000) -> Work:
    """Slow down ions that neither react nor stray; the ways give (slab, channel) [MeV].

    The naive way follows one ion, 2 um at a time, and does not cut its steps at the voxels' faces.
    """
    tables, voxels, source = _water(110)
    motion = tables.ladder.motion.copy()
    for column in (montecarlo.ATTENUATION, montecarlo.STRAGGLING, montecarlo.SCATTERING):
        motion[..., column] = 0.0
    ladder = tables.ladder._replace(motion=motion)
    still = tables._replace(ladder=ladder)

    def kernel() -> np.ndarray:
        every = simulate(still, voxels, source, np.ones(1), histories=ions, seed=1, batches=2)
        return np.asarray(np.mean([score for score, _ in every], axis=0))

    def naive() -> np.ndarray:
        response = ladder.response[0].tolist()
        found = twins("naive_montecarlo").straight(
            voxels.media, voxels.grid, voxels.place, response, ladder.node_step[0],
            [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], float(source.range_mean[0]), Limits().cut,
        )  # fmt: skip
        return np.array(found)

    return Work(ways={"kernel": kernel, "naive": naive}, pieces=ions)


def histories(*, ions: int = 2_000) -> Work:
    """Follow ions of 200 MeV/u with all their fragments in water: what a history costs."""
    tables, voxels, source = _water(220)

    def kernel() -> np.ndarray:
        every = simulate(tables, voxels, source, np.ones(1), histories=ions, seed=1)
        return np.asarray(np.mean([score for score, _ in every], axis=0))

    return Work(ways={"kernel": kernel}, pieces=ions)


PARTICLE_ROWS = {
    # float64 sums of some hundred terms in another order
    "transport": Row(
        prepare=transport,
        unit="species, cell and step",
        tolerance=1e-11,
        small={"energies": 1, "cells": 80},
        growth={"energies": (2, 4, 8)},
    ),
    # pieces of 2 um that straddle a face go to one side: 1e-3 of a slab near the end of the range
    "flight": Row(prepare=flight, unit="ion", tolerance=1e-3, small={"ions": 2}),
    "histories": Row(prepare=histories, unit="history", tolerance=0.0, growth={"ions": (500, 1_000, 2_000)}),
}
