import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from doseplan.evaluation import dose_volume_histogram
from doseplan.evaluation.volume import (
    cumulative_percent,
    dose_at_percent,
    dose_at_volume,
    structure_masks,
    volume_percent_at,
)
from doseplan.messages import InputError

doses = arrays(float, st.integers(1, 30), elements=st.floats(0.0, 90.0))


@pytest.mark.parametrize("size", [50, 1000])
def test_a_linear_ramp_has_closed_forms(ramp_of, size) -> None:
    dose, volume = ramp_of(50.0, 70.0, size), np.full(size, 3.0 / size)
    for percent in (98, 95, 50, 2):
        # exact by midpoint interpolation of a straight line
        assert dose_at_percent(dose, volume, percent) == pytest.approx(70.0 - 0.2 * percent, abs=1e-9)
    assert dose_at_volume(dose, volume, 1.0) == pytest.approx(70.0 - 20.0 / 3.0, abs=1e-9)
    # whole samples are counted: one sample is 100 / size
    assert volume_percent_at(dose, volume, 60.8) == pytest.approx(46.0, abs=100.0 / size)


def test_unequal_volumes_weigh() -> None:
    dose, volume = np.array([10.0, 20.0, 30.0]), np.array([8.0, 1.0, 1.0])
    assert volume_percent_at(dose, volume, 20.0) == pytest.approx(20.0)
    assert volume_percent_at(dose, volume, 20.001) == pytest.approx(10.0)
    # middles of the shares lie at 0.5, 1.5 and 6 of 10 cm3
    assert dose_at_volume(dose, volume, 1.0) == pytest.approx(25.0)
    assert dose_at_volume(dose, volume, 3.75) == pytest.approx(15.0)


def test_points_without_volume_do_not_count_for_volumes() -> None:
    dose, volume = np.array([10.0, 99.0, 30.0]), np.array([1.0, 0.0, 1.0])
    assert dose_at_volume(dose, volume, 0.0) == 30.0
    assert volume_percent_at(dose, volume, 50.0) == 0.0


def test_more_than_the_structure_has_is_its_lowest_dose() -> None:
    assert dose_at_volume(np.array([10.0, 30.0]), np.array([0.01, 0.01]), 1.0) == 10.0


@given(doses, st.randoms(use_true_random=False))
def test_histograms_never_rise_and_start_at_all(samples_of, dose, random) -> None:
    volume = np.array([random.uniform(0.001, 1.0) for _ in dose])
    structure = np.array([random.choice([1, 2]) for _ in dose])
    samples = samples_of(structure, volume, dose)
    curves = dose_volume_histogram(samples, samples, separation_mm=None, bin_gy_rbe=1.0)
    dvh = curves["dvh"].values
    assert (np.diff(dvh, axis=1) <= 0.0).all()
    assert (dvh[:, 0] == 100.0).all()
    assert (dvh[:, -1] == 0.0).all()
    volumes = dict(zip(curves["structure"].values, curves["dvh_volume"].values, strict=True))
    # order of summation
    assert sum(volumes[name] for name in ("cord", "target") if name in volumes) == pytest.approx(volume.sum())
    for name, row in zip(curves["structure"].values, dvh, strict=True):
        mask = structure == {"cord": 1, "target": 2, "strip": 2}[name]
        for level, share in zip(curves["dvh_dose"].values, row, strict=True):
            expected = volume_percent_at(dose[mask], volume[mask], level)
            assert share == pytest.approx(expected, abs=1e-9)  # order of summation


@given(doses, st.floats(0.5, 2.0), st.floats(0.0, 100.0))
def test_doses_scale(dose, factor, percent) -> None:
    volume = np.linspace(1.0, 2.0, dose.size)
    # rounding only
    assert dose_at_percent(factor * dose, volume, percent) == pytest.approx(
        factor * dose_at_percent(dose, volume, percent), rel=1e-9, abs=1e-9
    )


@given(doses, st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_a_hotter_part_has_no_lower_dose(dose, first, second) -> None:
    volume = np.linspace(1.0, 2.0, dose.size)
    small, large = sorted((first, second))
    hot, cold = (dose_at_percent(dose, volume, percent) for percent in (small, large))
    # rounding of the interpolation
    assert dose.min() - 1e-9 <= cold <= hot + 1e-9 <= dose.max() + 2e-9


def test_the_histogram_knows_its_scale_and_leaves_an_empty_strip_out(samples_of) -> None:
    samples = samples_of([1, 2, 2], [1.0, 1.0, 3.0], [10.0, 20.0, 30.0], dura=[0.0, 6.0, 9.0])
    curves = dose_volume_histogram(samples, samples, separation_mm=None)
    assert list(curves["structure"].values) == ["cord", "target"]
    assert curves["dvh"].attrs["scale"] == "NIRS"
    assert curves["dvh"].attrs["fractions"] == 16
    strip = dose_volume_histogram(samples, samples, separation_mm=2.0)
    assert strip["dvh_volume"].values.tolist() == [1.0, 4.0, 1.0]


def test_a_bin_of_no_width_is_refused(samples_of) -> None:
    samples = samples_of([1, 2], [1.0, 1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="bin_gy_rbe: expected more than 0, got 0"):
        dose_volume_histogram(samples, samples, separation_mm=None, bin_gy_rbe=0.0)


def test_samples_of_the_same_dose_keep_their_order() -> None:
    """So that the result has the same bits on every machine; many samples, which other sorts would mix."""
    rng = np.random.default_rng(1)
    dose, volume = rng.choice([10.0, 20.0, 30.0], 500), rng.uniform(0.1, 1.0, 500)
    falling = sorted(range(500), key=lambda sample: -dose[sample])
    middle = np.cumsum(volume[falling]) - 0.5 * volume[falling]
    border = np.searchsorted(-dose[falling], [-20.0, -10.0])
    for number in border:
        between = 0.3 * middle[number - 1] + 0.7 * middle[number]
        # doses of 10 apart: rounding of the interpolation is far below
        expected = 0.3 * dose[falling][number - 1] + 0.7 * dose[falling][number]
        assert dose_at_volume(dose, volume, between) == pytest.approx(expected, abs=1e-9)
    rising = sorted(range(500), key=lambda sample: dose[sample])
    below = np.concatenate([[0.0], np.cumsum(volume[rising])])
    places = [int((dose < level).sum()) for level in (10.0, 10.5, 20.0, 30.0, 31.0)]
    expected = 100.0 * (1.0 - below[places] / below[-1])
    levels = np.array([10.0, 10.5, 20.0, 30.0, 31.0])
    assert cumulative_percent(dose, volume, levels).tolist() == expected.tolist()


def test_the_strip_holds_its_rim(samples_of) -> None:
    samples = samples_of([1, 2, 2, 2, 0], np.ones(5), np.ones(5), dura=[0.0, 5.0, 7.0, 7.001, 1.0])
    for separation, expected in ((2.0, [1, 2]), (0.0, [1]), (None, [1])):
        masks = structure_masks(samples, separation)
        assert np.flatnonzero(masks["strip"]).tolist() == expected
        assert np.flatnonzero(masks["target"]).tolist() == [1, 2, 3]
        assert np.flatnonzero(masks["cord"]).tolist() == [0]


def test_levels_go_in_tenths_to_the_first_beyond_the_highest_dose(samples_of) -> None:
    samples = samples_of([1, 2, 0], [1.0, 1.0, 1.0], [10.0, 30.05, 80.0])
    level = dose_volume_histogram(samples, samples, separation_mm=None)["dvh_dose"].values
    # other tissue has no histogram
    np.testing.assert_allclose(level, 0.1 * np.arange(302), rtol=1e-15)
    assert level[-2] <= 30.05 < level[-1]


def test_without_volume_there_is_no_histogram(samples_of) -> None:
    samples = samples_of([1, 2], [0.0, 0.0], [10.0, 30.0])
    curves = dose_volume_histogram(samples, samples, separation_mm=None, bin_gy_rbe=0.5)
    assert curves["dvh"].shape == (0, 2)
    assert curves["dvh_dose"].values.tolist() == [0.0, 0.5]
