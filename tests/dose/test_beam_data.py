"""The library of depth curves and its cache."""

import warnings

import numpy as np
import pytest

from doseplan import schema
from doseplan.dose import beam_cache, beam_data
from doseplan.dose.channels import CURVES


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A library of three energies in a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(beam_data, "LIBRARY_ENERGIES", (100.0, 110.0))
    monkeypatch.setattr(beam_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    return tmp_path / "doseplan"


def test_library_energies_are_equal_steps_of_range():
    energies = beam_data.library_energies()
    distance = beam_data.csda_range("12C", energies) / 0.0998
    assert energies[[0, -1]] == pytest.approx([80.0, 430.0], rel=1e-9)
    np.testing.assert_allclose(np.diff(distance), 2.5, atol=0.02)


def test_library_is_declared_and_comes_back_from_the_cache(small):
    said = []
    built = beam_data.beam_library(progress=lambda message, done: said.append((message, done)))
    schema.check(built, *CURVES, "lateral_sigma", "air_sigma", "r80")
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
