"""Depth dose, components, and the library with its cache."""

import warnings

import numpy as np
import pytest

from doseplan import schema
from doseplan.biology import mkm
from doseplan.dose import beam_cache, beam_data
from doseplan.messages import InputError


@pytest.fixture(scope="module")
def curve():
    return beam_data.depth_dose(200.0)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A library of three energies in a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(beam_data, "LIBRARY_ENERGIES", (100.0, 110.0))
    monkeypatch.setattr(beam_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    return tmp_path / "doseplan"


def test_charges_add_up(curve):
    np.testing.assert_allclose(curve["idd_by_charge"].sum("charge"), curve["idd"], rtol=1e-12)
    np.testing.assert_allclose(curve["idd_by_component"].sum("component"), curve["idd"], rtol=1e-12)
    assert curve["charge"].values.tolist() == [1, 2, 3, 4, 5, 6]
    # 1 mm grid of the fragments: a thousandth of an ion
    assert float(curve["fluence_by_charge"].sel(charge=6)[0]) == pytest.approx(1.0, abs=1e-3)


def test_means_lie_between_the_extremes(curve):
    where = curve["idd"] > 0.0
    assert (curve["let_d"].where(where, 1.0) > 0.1).all()
    # no ion of a carbon beam has a larger LET than carbon at its maximum, 880 keV/um within 10 %
    assert float(curve["let_d"].max()) < 970.0
    assert 20.0 < float(mkm.z_star("12C", 13.0)) < 30.0
    # z* of carbon has its maximum near 26 Gy; the mean over a beam can't be above
    assert float(curve["z_star_mean"].max()) < 27.0


def test_range_and_peak(curve):
    # Gaussian straggling puts 80 % at the range to 0.1 mm; the peak lies 0.3 to 1 mm before
    assert curve.attrs["r80_mm"] == pytest.approx(curve.attrs["csda_mm"], abs=0.1)
    assert 0.1 < curve.attrs["r80_mm"] - curve.attrs["peak_depth_mm"] < 1.0
    assert all(isinstance(line, str) for line in curve.attrs["assumptions"])
    assert any("momentum spread 0.05 %" in line for line in curve.attrs["assumptions"])


@pytest.mark.parametrize(
    ("energy", "let"),
    # at 1 cm depth without target fragments, prototype of the reference, section G [keV/um]
    [(135.0, 23.0), (200.0, 17.0), (270.0, 13.6), (330.0, 12.1), (400.0, 10.9)],
)
def test_let_at_the_entrance(energy, let):
    found = beam_data.depth_dose(energy, step_mm=0.25)
    # two to three digits
    assert float(found["let_d"].interp(depth=10.0)) == pytest.approx(let, rel=0.025)


@pytest.mark.parametrize("ion", ["4He", "1H", "carbon"])
def test_other_ions_are_refused(ion):
    with pytest.raises(InputError, match=f"^ion: expected 12C, got '{ion}'"):
        beam_data.depth_dose(200.0, ion=ion)


def test_z_star_table_follows_the_model():
    # off the table's points; 40 points a decade and a cubic spline
    energy = np.geomspace(0.05, 700.0, 57)
    for name in ("1H", "4He", "12C"):
        np.testing.assert_allclose(
            beam_data.z_star_factor(name, energy), mkm.z_star(name, energy), rtol=2e-3, err_msg=name
        )


def test_lateral_sigma_is_finite_everywhere(curve):
    sigma = curve["lateral_sigma"].values
    assert np.isfinite(sigma).all()
    assert (sigma >= 0.0).all()
    # no step of 0.1 mm changes it by more than a twentieth of a millimetre, but where primary ions give way
    # to light carbon isotopes
    steps = np.abs(np.diff(sigma, axis=1))
    assert steps[1].max() < 0.05
    assert steps[0].max() < 0.5


def test_library_energies_are_equal_steps_of_range():
    energies = beam_data.library_energies()
    distance = beam_data.csda_range("12C", energies) / 0.0998
    assert energies[[0, -1]] == pytest.approx([80.0, 430.0], rel=1e-9)
    np.testing.assert_allclose(np.diff(distance), 2.5, atol=0.02)


def test_library_is_declared_and_comes_back_from_the_cache(small):
    said = []
    built = beam_data.beam_library(progress=lambda message, done: said.append((message, done)))
    schema.check(built, "idd", "idd_z_star", "idd_let", "lateral_sigma", "air_sigma", "r80")
    assert said[-1][1] == 1.0
    assert len(list(small.glob("*.nc"))) == 1
    assert not list(small.glob("*.part"))
    said.clear()
    loaded = beam_data.beam_library(progress=lambda message, done: said.append(message))
    assert said == []
    assert loaded.identical(built)
    assert loaded.attrs["assumptions"] == built.attrs["assumptions"]


def test_damaged_cache_is_computed_again_with_one_warning(small):
    built = beam_data.beam_library()
    (file,) = small.glob("*.nc")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="computed again") as caught:
        again = beam_data.beam_library()
    assert len(caught) == 1
    assert again.identical(built)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert beam_data.beam_library().identical(built)


def test_cache_that_cannot_be_written_costs_one_warning(small):
    small.parent.mkdir(exist_ok=True)
    small.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="expected to keep the beam library there") as caught:
        library = beam_data.beam_library()
    assert len(caught) == 1
    assert library.sizes["energy"] >= 2


def test_key_changes_with_the_inputs():
    assert beam_cache.key_of({"a": 1}) != beam_cache.key_of({"a": 2})
    assert beam_cache.key_of({"a": 1}) == beam_cache.key_of({"a": 1})


def test_air_sigma_is_held_beyond_its_line():
    found = beam_data.air_sigma(np.array([10.0, 40.0, 120.0, 200.0, 300.0]))
    np.testing.assert_allclose(found, [4.9, 4.9, 4.35, 3.8, 3.8])
