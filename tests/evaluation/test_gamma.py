import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.evaluation import gamma_percent
from doseplan.evaluation.gamma import GAMMA_FROM, GAMMA_MM, GAMMA_PERCENT, boxed
from doseplan.messages import InputError
from doseplan.montecarlo.voxels import coarse_mean

TWO = np.array([2, 2, 2])
FULL = 60.0


def _on_grid(values, edge_mm):
    axes = {n: edge_mm * (np.arange(size) + 0.5) for n, size in zip("zyx", values.shape, strict=True)}
    coordinates = {n: schema.variable(n, axis) for n, axis in axes.items()}
    return xr.DataArray(schema.variable("dose", values), coords=coordinates)


def _both(fine, changed):
    return _on_grid(fine, 1.0), _on_grid(coarse_mean(changed, TWO), 2.0)


def _hill():
    z, y, x = np.meshgrid(*(np.arange(24) + 0.5,) * 3, indexing="ij")
    return FULL / (1.0 + np.exp((np.hypot(y - 12.0, z - 12.0) - 7.0) / 1.5)) * np.exp(-0.01 * x)


def test_gamma_of_the_same_dose_is_all():
    assert gamma_percent(*_both(_hill(), _hill()), TWO, full_dose=FULL) == 100.0


@pytest.mark.parametrize("factor", [1.015, 0.985])
def test_gamma_allows_a_small_difference(factor):
    assert gamma_percent(*_both(_hill(), factor * _hill()), TWO, full_dose=FULL) == 100.0


def test_gamma_sees_a_large_difference():
    # 8 % of the highest dose everywhere: only slopes of more than 3.6 Gy in a millimetre hide it
    flat = np.full((12, 12, 12), 50.0)
    assert gamma_percent(*_both(flat, 0.92 * flat), TWO, full_dose=50.0) == 0.0


def test_per_cent_are_of_the_full_dose():
    flat = np.full((12, 12, 12), 50.0)
    pair = _both(flat, 0.97 * flat)
    assert gamma_percent(*pair, TWO, full_dose=50.0) == 0.0
    assert gamma_percent(*pair, TWO, full_dose=80.0) == 100.0


@pytest.mark.parametrize(("shift", "share"), [(0.9, 100.0), (3.0, 85.0)])
def test_gamma_allows_a_small_distance(shift, share):
    z, _, _ = np.meshgrid(*(np.arange(24) + 0.5,) * 3, indexing="ij")
    ramps = [np.clip(5.0 * (z - 6.0 - away), 0.0, 60.0) for away in (0.0, shift)]
    found = gamma_percent(*_both(*ramps), TWO, full_dose=FULL)
    assert found == 100.0 if share == 100.0 else found < share


def test_boxes_lie_where_coarse_voxels_do():
    values = np.arange(24**3, dtype=np.float64).reshape(24, 24, 24) % 97.0
    for size in (2, 3):
        means, axes = boxed(_on_grid(values, 1.0), np.full(3, size))
        first = [int(np.argmin(np.abs(axis - 0.5 * size))) for axis in axes]
        assert [axis[at] for axis, at in zip(axes, first, strict=True)] == [0.5 * size] * 3
        assert means[tuple(first)] == pytest.approx(values[:size, :size, :size].mean())


def test_no_voxel_to_count_is_an_error():
    with pytest.raises(InputError, match=r"gamma: expected voxels above 0.1 of the full dose, got none"):
        gamma_percent(*_both(_hill(), _hill()), TWO, full_dose=1000.0)


def test_pymedphys_finds_the_same_share():
    """Ours beside the library's, on noise that fails in a fifth of the voxels (a step of 0.25 mm in both)."""
    pymedphys = pytest.importorskip("pymedphys", reason="pymedphys needs a Python before 3.13")
    rng = np.random.default_rng(2)
    changed = coarse_mean(_hill(), TWO)
    changed = changed * rng.normal(1.0, 0.05, changed.shape)
    fine, coarse = _on_grid(_hill(), 1.0), _on_grid(changed, 2.0)
    means, axes = boxed(fine, TWO)
    gamma = pymedphys.gamma(
        tuple(coarse[n].values for n in "zyx"), coarse.values, tuple(axes), means, GAMMA_PERCENT, GAMMA_MM,
        lower_percent_dose_cutoff=100.0 * GAMMA_FROM, interp_fraction=4, max_gamma=1.01,
        global_normalisation=FULL,
    )  # fmt: skip
    theirs = 100.0 * np.mean(gamma[~np.isnan(gamma)] <= 1.0)
    ours = gamma_percent(fine, coarse, TWO, full_dose=FULL)
    assert 60.0 < theirs < 95.0
    # places on shells instead of a lattice: a voxel in a hundred that only just passes or fails
    assert ours == pytest.approx(theirs, abs=1.0)
