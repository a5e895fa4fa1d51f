"""LET histograms on samples whose shares are known by hand."""

import numpy as np
import pytest

from doseplan.evaluation import dose_let_histogram, let_volume_histogram, volume_above
from doseplan.messages import InputError

DOSE, LET = np.array([10.0, 30.0, 48.0, 49.0]), np.array([20.0, 40.0, 60.0, 100.0])
VOLUME = np.array([4.0, 3.0, 2.0, 1.0])


def test_let_volume_histogram_counts_volume_at_or_above():
    found = let_volume_histogram(LET, VOLUME, levels=[0.0, 20.0, 20.1, 60.0, 100.0, 101.0])
    np.testing.assert_allclose(found, [100.0, 100.0, 60.0, 30.0, 10.0, 0.0], atol=1e-12)


def test_dose_let_histogram_holds_all_the_volume():
    found = dose_let_histogram(DOSE, LET, VOLUME, dose_edges=[0.0, 25.0, 50.0], let_edges=[0.0, 50.0, 80.0])
    # what lies beyond the last edge, 100 keV/um, is in the last bin
    np.testing.assert_allclose(found["share"], [[40.0, 0.0], [30.0, 30.0]], atol=1e-12)
    assert found["dose_bin"].attrs["units"] == "Gy(RBE)"
    assert found["let_bin"].values.tolist() == [25.0, 65.0]


def test_volume_above_needs_both():
    assert volume_above(DOSE, LET, VOLUME, dose_gy_rbe=45.0, let_kev_um=50.0) == 3.0
    assert volume_above(DOSE, LET, VOLUME, dose_gy_rbe=48.5, let_kev_um=0.0) == 1.0


def test_let_volume_histogram_is_the_one_of_a_sorted_count():
    random = np.random.default_rng(5)
    let_d, volume = random.uniform(0.0, 120.0, 500), random.uniform(0.0, 0.01, 500)
    levels = np.linspace(0.0, 130.0, 40)
    order = np.argsort(-let_d)
    reached, above = -let_d[order], np.concatenate([[0.0], np.cumsum(volume[order])])
    expected = 100.0 * above[np.searchsorted(reached, -levels, side="right")] / volume.sum()
    # sums of 500 volumes in another order
    found = let_volume_histogram(let_d, volume, levels=levels)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert np.all(np.diff(found) <= 0.0)


@pytest.mark.parametrize(
    ("let_d", "volume", "message"),
    [
        ([np.nan, 1.0], [1.0, 1.0], "let_d: expected finite values of at least 0, got nan"),
        ([-2.0, 1.0], [1.0, 1.0], "let_d: expected finite values of at least 0, got -2"),
        ([2.0, 1.0], [3.0, -1.0], "volume: expected finite values of at least 0, got -1"),
        ([2.0, 1.0], [3.0], "samples: expected as many values of each kind"),
    ],
)
def test_values_that_would_be_miscounted_are_refused(let_d, volume, message):
    let_d, volume, dose = np.array(let_d), np.array(volume), np.ones(2)
    with pytest.raises(InputError, match=message):
        let_volume_histogram(let_d, volume, levels=[1.0])
    with pytest.raises(InputError, match=message):
        dose_let_histogram(dose, let_d, volume, dose_edges=[0.0, 1.0], let_edges=[0.0, 1.0])
    with pytest.raises(InputError, match=message):
        volume_above(dose, let_d, volume, dose_gy_rbe=1.0, let_kev_um=1.0)


def test_thresholds_below_zero_are_refused():
    with pytest.raises(InputError, match="let_kev_um: expected at least 0, got -1"):
        volume_above(DOSE, LET, VOLUME, dose_gy_rbe=45.0, let_kev_um=-1.0)
    with pytest.raises(InputError, match="dose_gy_rbe: expected at least 0, got nan"):
        volume_above(DOSE, LET, VOLUME, dose_gy_rbe=np.nan, let_kev_um=1.0)


def test_senseless_input_is_refused():
    with pytest.raises(InputError, match="volume: expected samples with volume, got none"):
        let_volume_histogram(LET, 0.0 * VOLUME, levels=[1.0])
    with pytest.raises(InputError, match="let_edges: expected at least two rising edges"):
        dose_let_histogram(DOSE, LET, VOLUME, dose_edges=[0.0, 1.0], let_edges=[3.0, 2.0])


def test_a_dose_let_histogram_says_what_it_holds():
    found = dose_let_histogram(DOSE, LET, VOLUME, dose_edges=[0.0, 25.0, 50.0], let_edges=[0.0, 50.0, 80.0])
    assert found["share"].dims == ("dose_bin", "let_bin")
    assert found["dose_bin"].values.tolist() == [12.5, 37.5]
    assert {name: found[name].attrs["units"] for name in found.variables} == {
        "share": "%",
        "dose_bin": "Gy(RBE)",
        "let_bin": "keV/um",
    }


def test_what_lies_before_the_first_edge_is_in_the_first_bin():
    found = dose_let_histogram(DOSE, LET, VOLUME, dose_edges=[20.0, 40.0, 45.0], let_edges=[30.0, 50.0])
    np.testing.assert_allclose(found["share"], [[70.0], [30.0]], atol=1e-12)


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [[0.0, 1.0]], [0.0, np.nan]])
@pytest.mark.parametrize("name", ["dose_edges", "let_edges"])
def test_edges_that_do_not_rise_are_refused_by_name(name, edges):
    given = {"dose_edges": [0.0, 1.0], "let_edges": [0.0, 1.0], name: edges}
    with pytest.raises(InputError, match=f"^{name}: expected at least two rising edges, got "):
        dose_let_histogram(DOSE, LET, VOLUME, **given)


def test_a_dose_that_is_none_is_refused():
    wrong = np.array([10.0, -3.0, 48.0, 49.0])
    with pytest.raises(InputError, match=r"^dose: expected finite values of at least 0, got -3$"):
        dose_let_histogram(wrong, LET, VOLUME, dose_edges=[0.0, 1.0], let_edges=[0.0, 1.0])
    with pytest.raises(InputError, match=r"^dose: expected finite values of at least 0, got -3$"):
        volume_above(wrong, LET, VOLUME, dose_gy_rbe=1.0, let_kev_um=1.0)


def test_what_just_reaches_both_counts():
    assert volume_above(DOSE, LET, VOLUME, dose_gy_rbe=48.0, let_kev_um=60.0) == 3.0


def test_a_small_volume_is_one():
    found = let_volume_histogram(LET, 0.01 * VOLUME, levels=[50.0])
    np.testing.assert_allclose(found, [30.0], rtol=1e-12)
    with pytest.raises(InputError, match=r"^volume: expected samples with volume, got none$"):
        let_volume_histogram(LET, 0.0 * VOLUME, levels=[1.0])
