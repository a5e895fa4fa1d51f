"""Pictures of the voxel model: the right side of the patient, nothing blank, everything named."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from doseplan.anatomy import build_phantom
from doseplan.case import Case, bundled_cases, load_case
from doseplan.evaluation import phantom_numbers
from doseplan.present import phantom_table, phantom_views


@pytest.fixture(scope="module")
def implants() -> Case:
    case = load_case(bundled_cases()["t11_implants"])
    return replace(case, grid=replace(case.grid, voxel_mm=2.0))


@pytest.fixture(scope="module")
def phantoms(implants: Case) -> dict[str, xr.Dataset]:
    separations = {"none": None, "decompressed": 0.0, "separated": 3.0}
    return {name: build_phantom(implants, separation_mm=gap, arm=name) for name, gap in separations.items()}


@pytest.fixture(scope="module")
def figure(implants: Case, phantoms: dict[str, xr.Dataset]) -> Figure:
    return phantom_views({name: phantoms[name] for name in ("none", "separated")}, implants)


def test_a_row_for_each_arm_with_three_views(figure: Figure) -> None:
    assert len(figure.axes) == 6
    titles = [axes.get_title() for axes in figure.axes]
    assert all("mm" in title for title in titles)
    assert sum("seen from the feet: the patient's left is on the right" in title for title in titles) == 2
    for axes in figure.axes:
        assert "[mm]" in axes.get_xlabel()
        assert "[mm]" in axes.get_ylabel()
        assert np.ptp(axes.images[0].get_array()) > 0.3


def places(axes: object) -> dict[str, tuple[float, float]]:
    return {text.get_text(): text.get_position() for text in axes.texts}  # type: ignore[attr-defined]


def test_zone_1_is_the_patients_left_half_behind_and_left_is_on_the_right(figure: Figure) -> None:
    axial = figure.axes[0]
    at = places(axial)
    assert at["1"][0] > 0.0 > at["12"][0]  # x grows to the patient's left, and to the right of the picture
    assert at["1"][1] > 0.0  # y grows to the back
    low, high = axial.get_xlim()
    assert low < high
    bottom, top = axial.get_ylim()
    assert bottom > top  # the front is above
    assert at["L"][0] > at["R"][0]  # letters stand in axes coordinates


def test_levels_are_named_from_the_head_down(figure: Figure) -> None:
    for axes in (figure.axes[1], figure.axes[2]):
        at = places(axes)
        assert at["T10"][1] > at["T11"][1] > at["T12"][1]


def test_the_tumour_on_the_right_is_drawn_on_the_left_of_the_picture(figure: Figure) -> None:
    axial = figure.axes[0]
    picture = np.asarray(axial.images[0].get_array())
    orange = (picture[..., 0] > 0.5) & (picture[..., 1] < 0.5) & (picture[..., 2] < 0.3)
    left, right, _, _ = axial.images[0].get_extent()
    x = np.linspace(left, right, picture.shape[1])
    assert x[np.nonzero(orange)[1]].mean() < -5.0


def test_legend_names_what_is_seen(figure: Figure) -> None:
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"tumour", "cavity", "fluid", "cord", "implant", "dura contour", "target contour"} <= names


def test_table_and_numbers_agree(implants: Case, phantoms: dict[str, xr.Dataset]) -> None:
    numbers = phantom_numbers(implants, phantoms)
    assert numbers["dumbbell"]["score"] == 5
    assert numbers["arms"]["none"]["staging"]["escc"] == "2"
    assert numbers["arms"]["separated"]["gaps_mm"]["tumour_dura"] == pytest.approx(3.0, abs=0.1)
    table = phantom_table(numbers)
    assert table.row_count == 7 + 6 + 4
    assert [str(column.header) for column in table.columns] == ["", "none", "decompressed", "separated"]


def test_tissues_are_told_apart_without_colour(figure: Figure) -> None:
    patches = {
        patch.get_label() or text.get_text(): patch
        for legend in figure.legends
        for patch, text in zip(legend.legend_handles, legend.get_texts(), strict=True)
    }
    hatches = {name: patch.get_hatch() for name, patch in patches.items() if hasattr(patch, "get_hatch")}
    assert {"tumour", "cord", "implant", "cement", "fluid"} <= set(hatches)
    assert len(set(hatches.values())) == len(hatches)  # fluid alone has none
    drawn = {
        hatch for axes in figure.axes for part in axes.collections for hatch in getattr(part, "hatches", ())
    }
    assert {hatch[: len(hatch) // 2] for hatch in hatches.values() if hatch} <= drawn
