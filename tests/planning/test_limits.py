"""Hard limits on samples, and the scaling that keeps them."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from doseplan import schema
from doseplan.biology.courses import course_dose
from doseplan.biology.mkm import HSG
from doseplan.biology.models import NirsMkm
from doseplan.case.spec import Constraint, Prescription
from doseplan.planning.limits import AIM_BELOW_GYE, largest_scale, upper_limits

FRACTIONS = (16,)


def _upper(*limits):
    """Limits of one sample of other tissue, two of cord and one of target, in that order."""
    case = SimpleNamespace(constraint=limits, prescription=Prescription(total_gy_rbe=64.0))
    structure = schema.variable("sample_structure", [0, 1, 1, 2])
    return upper_limits(case, xr.Dataset({"sample_structure": structure}))


def _random(seed, size=50):
    rng = np.random.default_rng(seed)
    dose = rng.uniform(0.1, 60.0, size)
    linear = dose * (HSG.alpha0 + HSG.beta * rng.uniform(2.0, 40.0, size))
    return linear[np.newaxis], np.sqrt(HSG.beta) * dose[np.newaxis], rng.uniform(5.0, 80.0, size)


def _gye(linear, root):
    return course_dose(NirsMkm(), linear, root, FRACTIONS)


def _bisect(linear, root, upper):
    """The largest factor in [0, 1] at which no sample is above its limit."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        fits = np.all(_gye(middle * linear, middle * root) <= upper)
        low, high = (middle, high) if fits else (low, middle)
    return low


def test_each_structure_gets_its_own_limit_and_other_tissue_none():
    found = _upper(
        Constraint(structure="cord", max_gy_rbe=50.0), Constraint(structure="target", max_percent=110.0)
    )
    np.testing.assert_allclose(found, np.array([np.inf, 50.0, 50.0, 70.4]) - AIM_BELOW_GYE, rtol=1e-14)


def test_no_constraint_means_no_limit():
    assert np.isposinf(_upper()).all()


@pytest.mark.parametrize("order", [1, -1])
def test_the_tightest_of_several_limits_holds_in_any_order(order):
    limits = (
        Constraint(structure="cord", max_gy_rbe=50.0),
        Constraint(structure="cord", max_percent=60.0),  # 38.4 GyE, the tightest
        Constraint(structure="cord", max_gy_rbe=45.0),
    )
    np.testing.assert_allclose(_upper(*limits[::order])[1:3], 38.4 - AIM_BELOW_GYE, rtol=1e-14)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_the_closed_form_equals_bisection(seed):
    channels = _random(seed)
    # bisection ends within 2^-60; the dose that it compares has rounding errors of a few 1e-16
    np.testing.assert_allclose(
        largest_scale(*channels, scale="NIRS", fractions=FRACTIONS), _bisect(*channels), rtol=1e-13
    )


def test_the_scaled_dose_reaches_the_limit_and_none_goes_above():
    linear, root, upper = _random(4)
    factor = largest_scale(linear, root, upper, scale="NIRS", fractions=FRACTIONS)
    assert factor < 1.0
    excess = _gye(factor * linear, factor * root) - upper
    # GyE of up to 80 in float64 after two square roots
    assert abs(excess.max()) < 1e-12


def test_a_plan_below_its_limits_is_never_scaled_up():
    linear, root, _ = _random(5)
    above = _gye(linear, root) + 1.0
    assert largest_scale(linear, root, above, scale="NIRS", fractions=FRACTIONS) == 1.0


def test_without_limits_or_without_dose_the_factor_is_one():
    linear, root, upper = _random(6)
    assert largest_scale(linear, root, np.full(upper.size, np.inf), scale="NIRS", fractions=FRACTIONS) == 1.0
    assert largest_scale(0.0 * linear, 0.0 * root, upper, scale="NIRS", fractions=FRACTIONS) == 1.0


def test_a_limit_below_the_aim_leaves_no_dose():
    linear, root, upper = _random(7)
    upper[3] = 0.005 - AIM_BELOW_GYE
    assert largest_scale(linear, root, upper, scale="NIRS", fractions=FRACTIONS) == 0.0
