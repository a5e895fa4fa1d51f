import numpy as np
import pytest
import xarray as xr

from doseplan import schema
from doseplan.biology.models import rbe_model
from doseplan.case import bundled_cases, load_case
from doseplan.evaluation.agreement import at_points
from doseplan.messages import InputError
from doseplan.planning.correction import CorrectedOperator, correction_field, on_grid

FINE, TOTAL, FRACTIONS = (24, 24, 24), 64.0, 16
MODEL = rbe_model("NIRS")


@pytest.fixture(scope="module")
def case():
    return load_case(bundled_cases()["t11_t12_mpnst"])


def _axes(size, edge_mm):
    return {n: schema.variable(n, edge_mm * (np.arange(size) + 0.5)) for n in "zyx"}


def _phantom():
    return xr.Dataset({"rsp": schema.variable("rsp", np.ones(FINE))}, coords=_axes(24, 1.0))


def _channels(height=1.0):
    """Channels of about 3.5 GyE a fraction that fall along x to nothing."""
    x = np.broadcast_to(np.arange(24) + 0.5, FINE)
    slope = height / (1.0 + np.exp((x[np.newaxis] - 16.0) / 1.5))
    return 12.0 * slope, 5.0 * slope


def _monte_carlo(factor, noise, *, seed=0):
    """The blurred Monte Carlo of channels that are `factor` times those of the pencil beam."""
    from scipy.ndimage import gaussian_filter

    linear, root = (
        gaussian_filter(values.reshape(12, 2, 12, 2, 12, 2).mean(axis=(1, 3, 5)), 1.0)
        for (values,) in _channels()
    )
    random = np.random.default_rng(seed).normal(1.0, noise, linear.shape)
    dose = MODEL.dose(factor * linear, factor * root, fractions=FRACTIONS) * random
    data = {
        "smooth_dose_rbe": schema.variable("smooth_dose_rbe", dose, **MODEL.attributes(FRACTIONS)),
        "smooth_dose_rbe_uncertainty": schema.variable(
            "smooth_dose_rbe_uncertainty", np.full(dose.shape, noise)
        ),
    }
    return xr.Dataset(data, coords=_axes(12, 2.0), attrs={"blur_mm": 2.0})


def _field(case, pencil, monte_carlo, fractions=(FRACTIONS,)):
    return correction_field(case, _phantom(), pencil, monte_carlo, fractions=fractions)


def test_the_factor_gives_the_dose_of_the_monte_carlo(case):
    z = np.arange(12)[:, None, None]
    factor = np.broadcast_to(np.where(z < 6, 0.97, 1.05), (12, 12, 12))
    found = _field(case, _channels(), _monte_carlo(factor, 1e-5))
    schema.check(found, "correction", "correction_uncertainty")
    high = np.broadcast_to(np.arange(12) < 7, (12, 12, 12))
    np.testing.assert_allclose(found["correction"].values[high], factor[high], rtol=1e-4)


def test_courses_are_corrected_together(case):
    """Two courses of eight days each with half the channels are one of sixteen."""
    factor, days = np.full((12, 12, 12), 1.03), (FRACTIONS // 2,) * 2
    halves = tuple(np.concatenate([0.5 * values] * 2) for values in _channels())
    found = _field(case, halves, _monte_carlo(factor, 1e-5), days)
    np.testing.assert_allclose(found["correction"].values[..., :7], 1.03, rtol=1e-4)


def test_where_there_is_hardly_dose_nothing_is_corrected(case):
    found = _field(case, _channels(), _monte_carlo(np.full((12, 12, 12), 2.0), 1e-5))
    assert (found["correction"].values[..., -1] == 1.0).all()
    assert (found["correction_uncertainty"].values[..., -1] == 0.0).all()


def test_noise_alone_is_no_correction(case):
    found = _field(case, _channels(), _monte_carlo(np.ones((12, 12, 12)), 0.02))
    # noise of 2 % of the dose is one of 2.5 % of the channels; what is left is what its variance is wrong by
    assert float(np.abs(found["correction"] - 1.0).max()) < 0.02
    assert float((found["correction"] - 1.0).std()) < 0.006


def test_a_difference_far_above_the_noise_is_kept(case):
    factor = np.full((12, 12, 12), 1.06)
    found = _field(case, _channels(), _monte_carlo(factor, 0.005))
    high = found["correction"].values[..., :7]
    assert high.mean() == pytest.approx(1.06, abs=0.002)
    # one standard deviation: dose to the 0.8 or so is what channels give
    assert float(found["correction_uncertainty"].values[..., :7].mean()) == pytest.approx(0.006, rel=0.25)


def test_a_cold_plan_has_nothing_to_correct(case):
    cold = tuple(1e-3 * values for values in _channels())
    with pytest.raises(InputError, match="correction: expected a dose above a tenth of the prescription"):
        _field(case, cold, _monte_carlo(np.ones((12, 12, 12)), 0.01))


def test_a_field_of_another_size_is_refused(case):
    small = _monte_carlo(np.ones((12, 12, 12)), 0.01).isel(z=slice(0, 8))
    with pytest.raises(InputError, match=r"monte_carlo: expected \(12, 12, 12\) voxels"):
        _field(case, _channels(), small)


def test_on_the_grid_and_at_points_are_the_same_field():
    values = np.random.default_rng(1).random((12, 12, 12))
    field = xr.DataArray(schema.variable("correction", values), coords=_axes(12, 2.0))
    grid = on_grid(field, _phantom())
    z, y, x = np.meshgrid(*(np.arange(24) + 0.5,) * 3, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()])
    np.testing.assert_allclose(grid.ravel(), at_points(field, points), rtol=1e-6)


def test_the_corrected_operator_keeps_its_transpose():
    rng = np.random.default_rng(3)
    matrix = rng.random((2, 7, 5))

    class Plain:
        spots, samples = 5, 7

        def forward(self, weight):
            return matrix[0] @ weight, matrix[1] @ weight

        def adjoint(self, by_linear, by_root, *, of=None):
            return by_linear @ matrix[0] + by_root @ matrix[1]

    factor = rng.uniform(0.9, 1.1, 7)
    operator = CorrectedOperator(operator=Plain(), factor=factor)
    weight, one, two = rng.random(5), rng.random(7), rng.random(7)
    linear, root = operator.forward(weight)
    np.testing.assert_allclose(linear, factor * (matrix[0] @ weight))
    assert one @ linear + two @ root == pytest.approx(float(operator.adjoint(one, two) @ weight))
    assert (operator.spots, operator.samples) == (5, 7)
