"""Structure names: what they suggest, and what is said when they do not."""

import pytest

from doseplan.exchange import find_structure, kind_of_cord, require_structure, role_of
from doseplan.messages import InputError


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("SPINALCORD", "cord"),
        ("Spinal_Cord", "cord"),
        ("cord", "cord"),
        ("Myelon", "cord"),
        ("Cord +0.3cm", "prv"),
        ("SpinalCord_PRV", "prv"),
        ("PRV cord 3mm", "prv"),
        ("SpinalCanal", "canal"),
        ("Thecal sac", "dura"),
        ("GTV", "tumour"),
        ("GTV1", "tumour"),
        ("gtv_primary", "tumour"),
        ("CTV 64", "target"),
        ("External", "body"),
        ("Heart", None),
        ("Record", None),
        ("PTV+3mm", None),
    ],
)
def test_names_suggest_roles(name: str, role: str | None) -> None:
    assert role_of(name) == role


def test_the_stated_structure_is_taken_and_a_misspelt_one_named() -> None:
    names = ["SpinalCord", "Cord", "GTV"]
    assert find_structure(names, "cord", "SpinalCord", where="case") == "SpinalCord"
    with pytest.raises(InputError, match=r"ct\.cord: .* got 'SpinalCrod'; did you mean 'SpinalCord'"):
        find_structure(names, "cord", "SpinalCrod", where="case")


def test_two_names_for_one_role_are_asked_about() -> None:
    with pytest.raises(InputError, match=r"expected one structure, got SpinalCord, Cord by their names"):
        find_structure(["SpinalCord", "Cord"], "cord", None, where="case")


def test_a_margin_is_never_taken_for_the_cord_but_suggested() -> None:
    with pytest.raises(InputError, match=r'Cord \+0\.3cm can stand for it if stated: cord = "Cord \+0\.3cm"'):
        require_structure(["Cord +0.3cm", "GTV"], "cord", None, where="case")


def test_what_the_limit_applies_to_is_said() -> None:
    assert kind_of_cord("SPINALCORD") == "spinal cord"
    assert kind_of_cord("SpinalCanal") == "spinal canal"
    assert kind_of_cord("Cord +0.3cm") == "cord with a margin (PRV)"
    assert kind_of_cord("Structure 7") == "structure stated as cord"
