"""Phantoms that are costly to build and read by many tests."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import xarray as xr

from doseplan.anatomy import build_phantom
from doseplan.case import Case, bundled_cases, load_case


@pytest.fixture(scope="session")
def case() -> Case:
    """The bundled case on the part of the trunk around the spine."""
    whole = load_case(bundled_cases()["t11_t12_mpnst"])
    return replace(whole, grid=replace(whole.grid, x_mm=(-75.0, 75.0), y_mm=(-65.0, 65.0)))


@pytest.fixture(scope="session")
def slim(case: Case) -> Case:
    """The bundled case with a small tumour: the same contact with the dura, and faster to build."""
    tumour = replace(
        case.tumour,
        epidural_length_mm=24.0,
        bone_diameter_mm=14.0,
        paraspinal_width_mm=20.0,
        paraspinal_depth_mm=18.0,
        paraspinal_length_mm=18.0,
    )
    return replace(case, tumour=tumour)


def change(case: Case, table: str, **keys: Any) -> Case:
    return replace(case, **{table: replace(getattr(case, table), **keys)})


@pytest.fixture(scope="session")
def changed(case: Case) -> Callable[..., Case]:
    """Exchange keys of one table of the case: `changed("tumour", side="right")`."""
    return partial(change, case)


@pytest.fixture(scope="session")
def slim_changed(slim: Case) -> Callable[..., Case]:
    """Exchange keys of one table of the slim case, as `changed` does."""
    return partial(change, slim)


@pytest.fixture(scope="session")
def arms(case: Case) -> dict[str, xr.Dataset]:
    """The three arms of the bundled case."""
    found = [build_phantom(case, separation_mm=separation) for separation in (None, 0.0, 3.0)]
    return {phantom.attrs["arm"]: phantom for phantom in found}
