"""Fields on different days: dose, gradient and largest factor against one course, by hand, and by brentq."""

import numpy as np
import pytest
from scipy.optimize import brentq

from doseplan.biology.courses import course_dose, course_factor, course_gradient
from doseplan.biology.models import ConstantRbe, LemOne, NirsMkm, largest_factor
from doseplan.messages import InputError

MODELS = (NirsMkm(), LemOne(), ConstantRbe(rbe=3.0))


def channels(model, seed, courses, size=40):
    """Totals over each course of mixed fields: up to 40 Gy a course."""
    rng = np.random.default_rng(seed)
    dose = rng.uniform(0.05, 40.0, (courses, size))
    if isinstance(model, ConstantRbe):
        return np.zeros_like(dose), model.rbe * dose
    return dose * rng.uniform(0.2, 1.8, dose.shape), dose * rng.uniform(0.1, 0.25, dose.shape)


def test_same_day_fields_are_mixed_before_the_step_and_others_summed_after():
    model, one, two = NirsMkm(), (10.0, 4.0), (12.0, 3.0)
    same = course_dose(model, [one[0] + two[0]], [one[1] + two[1]], [16])
    alternate = course_dose(model, [one[0], two[0]], [one[1], two[1]], [8, 8])
    assert same == model.dose(22.0, 7.0, fractions=16)
    assert alternate == model.dose(*one, fractions=8) + model.dose(*two, fractions=8)
    # by hand, effects per fraction: 22/16 + (7/16)^2, 10/8 + (4/8)^2, 12/8 + (3/8)^2
    doses = [
        2.41 * (np.sqrt(0.764**2 + 4 * 0.0615 * effect) - 0.764) / (2 * 0.0615)
        for effect in (1.56640625, 1.5, 1.640625)
    ]
    assert same == pytest.approx(16 * doses[0], rel=1e-12)
    assert alternate == pytest.approx(8 * (doses[1] + doses[2]), rel=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
def test_one_course_gives_the_very_bits_of_the_model(model):
    linear, root = channels(model, 1, 1)
    np.testing.assert_array_equal(
        course_dose(model, linear, root, [16]), model.dose(linear[0], root[0], fractions=16)
    )
    found, expected = (
        course_gradient(model, linear, root, [16]),
        model.gradient(linear[0], root[0], fractions=16),
    )
    for by_course, by_channel in zip(found, expected, strict=True):
        np.testing.assert_array_equal(by_course[0], by_channel)
    np.testing.assert_array_equal(
        course_factor(model, linear, root, 50.0, [16]),
        largest_factor(model, linear[0], root[0], 50.0, fractions=16),
    )


@pytest.mark.parametrize("model", [NirsMkm(), LemOne()], ids=lambda model: model.scale)
def test_equal_days_split_into_courses_are_one_course(model):
    linear, root = channels(model, 2, 1)
    share = np.array([[3.0], [5.0], [8.0]]) / 16.0
    split = course_dose(model, share * linear, share * root, [3, 5, 8])
    np.testing.assert_allclose(split, course_dose(model, linear, root, [16]), rtol=1e-14)  # rounding
    factor = course_factor(model, share * linear, share * root, 50.0, [3, 5, 8])
    np.testing.assert_allclose(factor, course_factor(model, linear, root, 50.0, [16]), rtol=1e-13)  # rounding


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
def test_gradient_is_that_of_the_dose(model):
    linear, root = channels(model, 3, 2)
    fractions, step = [6, 10], 1e-5
    by_linear, by_root = course_gradient(model, linear, root, fractions)
    assert by_linear.shape == by_root.shape == linear.shape
    for course in range(2):
        change = np.zeros_like(linear)
        change[course] = step
        up, down = (course_dose(model, linear, root + side * change, fractions) for side in (1, -1))
        # central differences: 1e-10 of truncation, 1e-10 of rounding
        np.testing.assert_allclose(by_root[course], (up - down) / (2 * step), rtol=1e-5)
        if model.scale != "constant":
            up, down = (course_dose(model, linear + side * change, root, fractions) for side in (1, -1))
            np.testing.assert_allclose(by_linear[course], (up - down) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.scale)
@pytest.mark.parametrize("fractions", [[8, 8], [1, 15], [2, 5, 9]], ids=str)
def test_the_factor_reaches_the_total_and_never_exceeds_it(model, fractions):
    linear, root = channels(model, 4, len(fractions))
    root[0, 0] = linear[0, 0] = 0.0  # a sample that one of the courses misses
    total = np.random.default_rng(5).uniform(10.0, 70.0, linear.shape[1])
    factor = course_factor(model, linear, root, total, fractions)
    dose = course_dose(model, factor * linear, factor * root, fractions)
    assert (dose <= total).all()
    np.testing.assert_allclose(dose, total, rtol=1e-13)  # the last bits of a sum of roots

    def over(k, sample):
        return (
            float(course_dose(model, k * linear[:, sample], k * root[:, sample], fractions)) - total[sample]
        )

    expected = [
        brentq(over, 0.0, 1e4, args=(sample,), xtol=1e-14, rtol=1e-14) for sample in range(total.size)
    ]
    np.testing.assert_allclose(factor, expected, rtol=1e-11)  # of brentq


def test_a_constant_rbe_does_not_see_the_days():
    model = ConstantRbe(rbe=3.0)
    linear, root = channels(model, 6, 2)
    np.testing.assert_allclose(
        course_dose(model, linear, root, [4, 12]), model.dose(0.0, root.sum(axis=0), fractions=16), rtol=1e-14
    )
    np.testing.assert_allclose(
        course_factor(model, linear, root, 50.0, [4, 12]), 50.0 / root.sum(axis=0), rtol=1e-13
    )


def test_nothing_given_may_be_scaled_without_end_and_a_total_of_zero_leaves_nothing():
    model = NirsMkm()
    none = np.zeros((2, 1))
    assert np.isinf(course_factor(model, none, none, 50.0, [8, 8])).all()
    assert (course_dose(model, none, none, [8, 8]) == 0.0).all()
    some = np.ones((2, 1))
    assert (course_factor(model, some, some, 0.0, [8, 8]) == 0.0).all()


def test_fields_that_do_the_same_may_take_turns():
    model = LemOne()
    linear, root = (np.stack([values[0]] * 2) for values in channels(model, 7, 1))
    every_day = model.dose(linear.sum(axis=0), root.sum(axis=0), fractions=16)
    np.testing.assert_allclose(course_dose(model, linear, root, [8, 8]), every_day, rtol=1e-14)  # rounding


@pytest.mark.parametrize(
    ("linear", "root", "fractions"),
    [
        ([], [], []),
        ([[1.0]], [[1.0]], [8, 8]),
        ([[1.0], [1.0]], [[1.0, 2.0], [1.0, 2.0]], [8, 8]),
        (1.0, 1.0, [16]),
    ],
)
def test_channels_that_are_not_of_the_courses_are_refused(linear, root, fractions):
    for call in (course_dose, course_gradient):
        with pytest.raises(InputError, match=r"courses: expected channels of shape \(course, \.\.\.\) for"):
            call(NirsMkm(), linear, root, fractions)
    with pytest.raises(InputError, match=r"courses: expected channels of shape \(course, \.\.\.\) for"):
        course_factor(NirsMkm(), linear, root, 50.0, fractions)


@pytest.mark.parametrize(
    ("linear", "root", "total", "fractions", "line"),
    [
        ([[1.0], [-1.0]], [[1.0], [1.0]], 50.0, [8, 8], "linear: expected values of at least 0, got -1"),
        ([[1.0], [1.0]], [[1.0], [np.nan]], 50.0, [8, 8], "root: expected values of at least 0, got nan"),
        ([[1.0], [1.0]], [[1.0], [1.0]], -1.0, [8, 8], "total: expected values of at least 0, got -1"),
        (
            [[1.0], [1.0]],
            [[1.0], [1.0]],
            50.0,
            [8, 0],
            "fractions: expected a whole number of at least 1, got 0",
        ),
        ([[1.0], [1.0]], [[1.0], [1.0]], 50.0, [8, 7.5], "fractions: expected a whole number of at least 1"),
    ],
)
def test_senseless_values_are_refused(linear, root, total, fractions, line):
    with pytest.raises(InputError, match=line):
        course_factor(NirsMkm(), linear, root, total, fractions)
