"""The look-ups refuse what they don't know, and keep shapes."""

import numpy as np
import pytest

from doseplan.beam import csda_range, reaction_cross_section, stopping_power
from doseplan.beam.line import BeamLine
from doseplan.beam.species import TRANSPORTED, species_of
from doseplan.beam.transport import transport
from doseplan.messages import InputError


@pytest.mark.parametrize("name", ["C12", "12", "carbon", "12Xx", "56Fe", "13H", "2C", ""])
def test_unknown_ion_is_refused(name):
    with pytest.raises(InputError, match=r"^species: expected .*, got"):
        stopping_power(name, 100.0)


@pytest.mark.parametrize("door", [stopping_power, csda_range])
@pytest.mark.parametrize("energy", [0.0, -1.0, np.nan, np.inf, [100.0, -2.0]])
def test_energies_that_make_no_sense_are_refused(door, energy):
    with pytest.raises(InputError, match=r"^energy: expected 0 < energy < infinity MeV/u, got"):
        door("12C", energy)


@pytest.mark.parametrize("door", [stopping_power, csda_range])
def test_unknown_material_is_refused(door):
    with pytest.raises(InputError, match=r"^material: expected one of water, .*got .lead."):
        door("12C", 100.0, "lead")


def test_unknown_target_and_kind_are_refused():
    with pytest.raises(InputError, match=r"^target: expected water or one of H, .*, got 'Xx'"):
        reaction_cross_section("12C", 100.0, "Xx")
    with pytest.raises(InputError, match=r"^kind: expected one of reaction, charge_changing, got 'elastic'"):
        reaction_cross_section("12C", 100.0, "C", kind="elastic")
    with pytest.raises(InputError, match=r"^species: expected an ion up to 12C, got '16O'"):
        reaction_cross_section("16O", 100.0, "C")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"energy": 49.9}, r"^energy: expected 50 <= energy <= 430 MeV/u, got 49.9"),
        ({"energy": [100.0, 431.0]}, r"got 431.0"),
        ({"energy": float("nan")}, r"got nan"),
        ({"energy": 100.0, "step_mm": 0.0}, r"^step_mm: expected 0.02 <= step_mm <= 5, got 0.0"),
        ({"energy": 100.0, "line": BeamLine(momentum_spread=-0.1)}, r"^momentum_spread: expected"),
        ({"energy": 100.0, "line": BeamLine(ripple_filter_mm=50.0)}, r"^ripple_filter_mm: expected"),
        ({"energy": 100.0, "i_value_ev": 5.0}, r"^i_value_ev: expected"),
        ({"energy": 100.0, "depth_mm": 0.0}, r"^depth_mm: expected"),
    ],
)
def test_transport_refuses_what_makes_no_sense(arguments, message):
    with pytest.raises(InputError, match=message):
        transport(**arguments)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InputError) as caught:
        transport(10.0, step_mm=9.0)
    assert len(caught.value.lines) == 2


@pytest.mark.parametrize("door", [stopping_power, csda_range])
def test_scalars_and_arrays_give_the_same(door):
    energy = np.array([[1.0, 7.9], [8.1, 300.0]])
    values = door("12C", energy)
    assert values.shape == energy.shape
    assert np.ndim(door("12C", 300.0)) == 0
    assert values[1, 1] == door("12C", 300.0)


def test_stopping_power_goes_with_the_charge_squared_for_fast_ions():
    # at equal velocity; Barkas, Bloch and Mott terms are odd or quartic in the charge: 1 %
    ratio = stopping_power("12C", 400.0) / stopping_power("4He", 400.0)
    assert ratio == pytest.approx(9.0, rel=0.01)


def test_all_transported_species_are_known():
    assert TRANSPORTED[0] == "12C"
    assert {species_of(name).charge for name in TRANSPORTED} == set(range(1, 7))
