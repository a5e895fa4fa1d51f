"""Transport of one carbon beam through water, tables apart."""

import pytest

from doseplan.beam.transport import transport, transport_tables


@pytest.mark.benchmark(group="transport, one beam")
@pytest.mark.parametrize("energy", [200.0, 400.0])
@pytest.mark.parametrize("fragment_step_mm", [0.5, 1.0])
def test_transport_beam(benchmark, energy, fragment_step_mm):
    tables = transport_tables(highest_energy=energy, fragment_step_mm=fragment_step_mm)
    result = benchmark(transport, energy, fragment_step_mm=fragment_step_mm, tables=tables)
    assert float(result["deposited"].sum()) > 0.0
