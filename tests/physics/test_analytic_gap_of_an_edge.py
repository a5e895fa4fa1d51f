"""Distance from tumour to cord that one lateral edge needs.

A field edge that falls like an error function of width s goes from c % of the prescription to the limit of
the cord within s (z(c) - z(limit / prescription)), z the quantile of the normal distribution: the gap that
a tumour needs if nothing but one edge protects the cord. Ours is the edge of a spread-out peak of equal
spots in water, absorbed dose in the middle of the peak, nothing optimised. Its width is fitted, and its
distances are scaled to the width of the table's row.
"""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq, curve_fit
from scipy.special import ndtr, ndtri

from doseplan import schema
from doseplan.case.tissues import TISSUES
from doseplan.constants import WATER_DENSITY
from doseplan.dose import beam_library, point_dose, trace_spots

LIMIT_GYE = 50.0

# mm, from c % of a prescription to 50 GyE, by width s in mm: worked out from the formula and rounded
COLUMNS = ((95.0, 60.8), (95.0, 64.0), (95.0, 67.2), (95.0, 70.4), (90.0, 64.0), (90.0, 70.4))
TABLE = {
    3.0: (2.2, 2.6, 3.0, 3.3, 1.5, 2.2),
    4.0: (2.9, 3.5, 4.0, 4.4, 2.0, 2.9),
    5.0: (3.6, 4.3, 4.9, 5.5, 2.5, 3.6),
    6.0: (4.3, 5.2, 5.9, 6.5, 3.0, 4.4),
}

VOXEL_MM = 4.0
LAYERS = {100.0: 1.0, 107.0: 1.1, 114.0: 1.3, 121.0: 1.7, 128.0: 4.0}
"""Ranges [mm] and ions of a peak of about 30 mm."""

DEPTH_MM = 114.0


@pytest.fixture(scope="module")
def edge() -> tuple[np.ndarray, np.ndarray]:
    """Distance from the last row of spots [mm], and absorbed dose in parts of that inside."""
    library = beam_library()
    spots, phantom = _spots(library), _water()
    across = np.linspace(-30.0, 20.0, 201)
    points = np.column_stack([across, np.full(across.size, DEPTH_MM - 80.0), np.zeros(across.size)])
    dose = point_dose(points, trace_spots(phantom, spots, library), spots, library).dose
    return across, dose / dose[across < -20.0].mean()


@pytest.fixture(scope="module")
def width_mm(edge: tuple[np.ndarray, np.ndarray]) -> float:
    across, dose = edge
    near = np.abs(across) < 15.0
    fitted, _ = curve_fit(lambda u, s, at: ndtr((at - u) / s), across[near], dose[near], p0=(5.0, 0.0))
    return float(fitted[0])


@pytest.mark.parametrize("row", TABLE)
def test_gap_of_one_edge(compare, edge, width_mm: float, row: float) -> None:
    for (percent, total), expected in zip(COLUMNS, TABLE[row], strict=True):
        compare(
            f"gap from {percent:g} % of {total:g} GyE to {LIMIT_GYE:g} GyE, width {row:g} mm",
            row / width_mm * (_where(edge, LIMIT_GYE / total) - _where(edge, 0.01 * percent)),
            expected,
            tolerance=0.5,
            absolute=True,
            unit="mm",
            why="wide fragments round the edge's foot",
        )


def test_the_width_is_that_of_carbon_beams(width_mm: float) -> None:
    # spots of 4 to 5 mm (sigma) in air, scattering, and rows of spots that end between two of them
    assert 3.5 < width_mm < 6.0


@pytest.mark.parametrize("row", TABLE)
def test_the_table_is_the_formula(row: float) -> None:
    formula = [row * (ndtri(0.01 * percent) - ndtri(LIMIT_GYE / total)) for percent, total in COLUMNS]
    assert list(TABLE[row]) == pytest.approx(formula, abs=0.051)


def _where(edge: tuple[np.ndarray, np.ndarray], level: float) -> float:
    """Find where the dose falls through a level."""
    across, dose = edge
    first = int(np.flatnonzero(dose >= level)[-1])
    return float(brentq(lambda u: np.interp(u, across, dose) - level, across[first], across[first + 1]))


def _water() -> xr.Dataset:
    sizes = {"z": 80.0, "y": 160.0, "x": 160.0}
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


def _spots(library: xr.Dataset) -> xr.Dataset:
    """Equal spots 2 mm apart on one side of u = 0."""
    chosen = np.searchsorted(library["r80"].values, list(LAYERS))
    sides = (np.arange(len(LAYERS)), np.arange(-60.0, 1.0, 2.0), np.arange(-30.0, 31.0, 2.0))
    layer, u, v = (grid.ravel() for grid in np.meshgrid(*sides, indexing="ij"))
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
        "weight": np.array(list(LAYERS.values()))[layer],
    }
    return xr.Dataset({name: schema.variable(name, values) for name, values in data.items()})
