"""Transport of carbon beams: the kernel against its slow twin, and one whole depth-dose curve."""

import pytest

from doseplan.beam.transport import transport, transport_tables
from doseplan.kernels.transport import transport as kernel


@pytest.mark.benchmark(group="transport, made-up tables")
@pytest.mark.parametrize("way", ["naive", "kernel"])
def test_transport_small(benchmark, naive_transport, way):
    arguments = naive_transport.problem(energies=2, species=12, cells=200, coarse=150, ratio=5)
    results = naive_transport.outputs(arguments, coarse=150)
    run = (
        naive_transport.transport
        if way == "naive"
        else lambda arguments, results: kernel(*arguments, *results)
    )
    run(arguments, results)
    benchmark(run, arguments, results)


@pytest.mark.benchmark(group="transport, one beam")
@pytest.mark.parametrize("energy", [200.0, 400.0])
@pytest.mark.parametrize("fragment_step_mm", [0.5, 1.0])
def test_transport_beam(benchmark, energy, fragment_step_mm):
    tables = transport_tables(highest_energy=energy, fragment_step_mm=fragment_step_mm)
    result = benchmark(transport, energy, fragment_step_mm=fragment_step_mm, tables=tables)
    assert float(result["deposited"].sum()) > 0.0
