import pytest

from doseplan.anatomy.materials import materials, stopping_power_ratio
from doseplan.case.sense import material_names

# RSP at 300 MeV/u by a full Bethe calculation with Bragg mean excitation energies, water at 75.3 eV
# (three tissues without such a value are left out)
PUBLISHED = {
    "water": 1.0,
    "muscle": 1.041,
    "lung": 0.3789,
    "cord": 1.037,
    "blood": 1.05,
    "skin": 1.081,
    "cartilage": 1.079,
    "spongiosa": 1.065,
    "csf": 1.005,
    "air": 0.001064,
}


@pytest.mark.parametrize(("name", "rsp"), PUBLISHED.items())
def test_stopping_power_ratio_agrees_with_a_full_calculation(name: str, rsp: float) -> None:
    # the shell correction is left out, and electron density is rounded to 4 digits: 0.1 %
    assert materials()[name].rsp == pytest.approx(rsp, rel=1.5e-3)


def test_measured_substitutes_are_near() -> None:
    # muscle 1.036, adipose 0.953 (PMC9121765 table 2, 115 MeV protons, substitutes): 2 % for composition
    assert materials()["muscle"].rsp == pytest.approx(1.036, rel=0.02)
    assert materials()["fat"].rsp == pytest.approx(0.953, rel=0.025)


def test_a_higher_mean_excitation_energy_stops_less() -> None:
    assert stopping_power_ratio(1.0, 112.0) < stopping_power_ratio(1.0, 75.3) == 1.0


def test_every_material_has_a_density_and_names_agree() -> None:
    assert set(material_names()) == set(materials())
    assert all(material.density > 0 for material in materials().values())
