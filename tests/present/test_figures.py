"""The figures of a run: nothing blank, a unit on every axis, nothing told by colour alone, same bytes."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.image import imread

from doseplan.case import Case
from doseplan.present import (
    axis_depth_dose,
    dose_slices,
    dose_volume_figure,
    let_figure,
    proof_figure,
    save_figures,
)

DRAWN = {"dose": dose_slices, "dvh": dose_volume_figure, "depth": axis_depth_dose}
Draw = Callable[[xr.DataTree, Case], Figure]


def drawn(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def panels(figure: Figure) -> list[Axes]:
    """All axes but the colour bar."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def styles(figure: Figure) -> list[tuple[object, ...]]:
    """What tells the entries of all legends apart without colour."""
    lines = [line for legend in figure.legends for line in legend.get_lines()]
    return [(line._dash_pattern, line.get_linewidth(), line.get_marker()) for line in lines]


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_every_panel_shows_something(draw: Draw, tree: xr.DataTree, case: Case) -> None:
    figure = draw(tree, case)
    picture = np.asarray(drawn(figure).buffer_rgba())[:, :, :3]
    height = picture.shape[0]
    for panel in panels(figure):
        box = panel.get_window_extent()
        inside = picture[
            int(height - box.y1) + 2 : int(height - box.y0) - 2, int(box.x0) + 2 : int(box.x1) - 2
        ]
        # more than the lines of a grid in one grey: a curve or an image has many shades
        assert len(np.unique(inside.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_every_axis_that_is_labelled_has_a_unit(draw: Draw, tree: xr.DataTree, case: Case) -> None:
    figure = draw(tree, case)
    labels = [text for panel in figure.axes for text in (panel.get_xlabel(), panel.get_ylabel()) if text]
    assert len(labels) >= len(figure.axes) / 2
    for text in labels:
        assert "[" in text, text
        assert text.endswith("]"), text


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_page_says_what_it_must_not_be_used_for(draw: Draw, tree: xr.DataTree, case: Case) -> None:
    assert "Not for clinical use" in draw(tree, case).get_suptitle()


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_no_text_lies_on_other_text(draw: Draw, tree: xr.DataTree, case: Case) -> None:
    figure = draw(tree, case)
    renderer = drawn(figure).get_renderer()
    texts = [figure._suptitle, *(text for legend in figure.legends for text in legend.get_texts())]
    for panel in panels(figure):
        texts += [panel.title, panel.xaxis.label, panel.yaxis.label, *panel.texts]
    boxes = [text.get_window_extent(renderer) for text in texts if text is not None and text.get_text()]
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second)


@pytest.mark.parametrize("draw", [dose_slices, dose_volume_figure, let_figure])
def test_arms_that_are_compared_have_room_too(draw: Draw, tree: xr.DataTree, case: Case) -> None:
    more = tree.copy()
    for arm in ("separated_no_implant", "separated_cfr_peek"):
        more[arm] = tree["separated"].copy()
    figure = draw(more, case)
    renderer = drawn(figure).get_renderer()
    page, legend = figure.bbox, figure.legends[0].get_window_extent(renderer)
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1
    assert page.y0 <= legend.y0
    boxes = [legend, *(panel.title.get_window_extent(renderer) for panel in panels(figure))]
    boxes += [panel.xaxis.label.get_window_extent(renderer) for panel in panels(figure)]
    for first, second in combinations([box for box in boxes if box.width > 1.0], 2):
        assert not first.overlaps(second)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_legend_is_told_apart_without_colour(draw: Draw, tree: xr.DataTree, case: Case) -> None:
    found = [str(style) for style in styles(draw(tree, case))]
    # slices and histograms explain six lines or more; two of them may share a dash only with another width
    assert len(found) == len(set(found)) >= 2


def test_slices_go_through_the_coldest_target_point(tree: xr.DataTree, case: Case) -> None:
    samples = tree["none/samples"].to_dataset()
    target = samples["sample_structure"].values == 2
    coldest = np.argmin(np.where(target, samples["sample_dose_rbe"].values, np.inf))
    x, y, z = samples["sample_position"].values[coldest]
    figure = dose_slices(tree, case)
    axial, sagittal = panels(figure)[0], panels(figure)[3]
    assert f"z = {z:.0f} mm" in axial.get_title()
    assert f"x = {x:.0f} mm" in sagittal.get_title()
    marks = [[line.get_xydata()[0].tolist() for line in panel.lines] for panel in (axial, sagittal)]
    assert marks == [[[x, y]], [[y, z]]]


def test_a_proof_for_errors_says_so_in_its_title(tree: xr.DataTree) -> None:
    samples = tree["none/samples"].to_dataset()
    titles = [
        proof_figure("none", [], samples, 48.5, scenarios=count).get_suptitle().replace("\n", " ")
        for count in (1, 9)
    ]
    assert titles[0].startswith("none: no plan gives the coldest part more than 48.50 GyE.")
    assert "48.50 GyE in each of 9 scenarios." in titles[1]


def test_left_of_the_patient_is_on_the_right_of_the_axial_view(tree: xr.DataTree, case: Case) -> None:
    axial = panels(dose_slices(tree, case))[0]
    places = {text.get_text(): text.get_position() for text in axial.texts}
    # LPS: x grows to the left, y towards posterior
    assert axial.get_xlim()[0] < axial.get_xlim()[1]
    assert places["L"][0] > 0.5 > places["R"][0]
    assert axial.get_ylim()[0] > axial.get_ylim()[1]
    assert places["A"][1] > 0.5 > places["P"][1]


def test_head_is_above_in_the_sagittal_view(tree: xr.DataTree, case: Case) -> None:
    sagittal = panels(dose_slices(tree, case))[3]
    places = {text.get_text(): text.get_position() for text in sagittal.texts}
    assert sagittal.get_ylim()[0] < sagittal.get_ylim()[1]
    assert places["H"][1] > 0.5 > places["F"][1]
    assert places["P"][0] > 0.5 > places["A"][0]


def test_isodoses_are_those_of_prescription_and_limit(tree: xr.DataTree, case: Case) -> None:
    figure = dose_slices(tree, case)
    drawn_levels = {
        float(level)
        for panel in panels(figure)
        for part in panel.collections
        if isinstance(part, QuadContourSet)
        for level in part.levels
    }
    # 0 is the edge of a structure in its distance field
    assert sorted(drawn_levels) == pytest.approx([0.0, 50.0, 57.6, 60.8])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:3] == ["90 % (57.6 GyE)", "95 % (60.8 GyE)", "cord limit (50.0 GyE)"]


def test_arms_are_named_with_their_separation(tree: xr.DataTree, case: Case) -> None:
    titles = [panel.get_title().splitlines()[0] for panel in panels(dose_slices(tree, case))[:3]]
    assert titles == ["no surgery", "decompressed, 0 mm", "separated, 3 mm"]


def test_histograms_hold_every_arm_and_the_limit(tree: xr.DataTree, case: Case) -> None:
    cord, target, strip = panels(dose_volume_figure(tree, case))
    marks = [[float(line.get_xdata()[0]) for line in panel.lines[3:]] for panel in (cord, target, strip)]
    assert marks[0] == [50.0]
    assert marks[1] == marks[2] == pytest.approx([57.6, 60.8])
    for panel in (cord, target, strip):
        for line in panel.lines[:3]:
            assert line.get_ydata()[0] == 100.0
            assert np.all(np.diff(line.get_ydata()) <= 0.0)


def test_water_equivalent_depth_grows_with_rsp(tree: xr.DataTree, case: Case) -> None:
    behind = panels(axis_depth_dose(tree, case))[5].lines[0].get_xydata()  # third row, second field
    # the axis at x = 6 leaves the ellipse of half axes 52.8 (x) and 48 mm (y) at y = 47.7
    assert behind[-1, 0] == pytest.approx(2 * 47.7, abs=4.0)  # one voxel
    # the part beyond y = 20 is bone of 1.6; a voxel and a half of 0.6 where it begins and ends
    assert behind[-1, 1] - behind[-1, 0] == pytest.approx(0.6 * (47.7 - 20.0), abs=1.5 * 4.0 * 0.6)
    assert np.all(np.diff(behind[:, 1]) > 0.0)


def test_a_roll_of_the_table_top_stands_in_the_title(tree: xr.DataTree, case: Case) -> None:
    titles = [panel.get_title() for panel in panels(axis_depth_dose(tree, case))[:2]]
    assert titles == [
        "along field 1: gantry 90, couch 0 deg",
        "along field 2: gantry 195, couch 0, roll 15 deg",
    ]


def test_no_curve_leaves_its_panel(tree: xr.DataTree, case: Case) -> None:
    for panel in panels(axis_depth_dose(tree, case)):
        low, high = panel.get_ylim()
        for line in panel.lines:
            assert low <= line.get_ydata().min()
            assert line.get_ydata().max() <= high


def test_unfinished_run_is_drawn_with_what_is_there(
    tree_of: Callable[..., xr.DataTree], case: Case, tmp_path: Path
) -> None:
    assert len(save_figures(tree_of(46.0), case, tmp_path)) == 5


def test_files_are_the_same_every_time_and_whole(tree: xr.DataTree, case: Case, tmp_path: Path) -> None:
    first, second = (save_figures(tree, case, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [
        "phantom.png",
        "dose.png",
        "dvh.png",
        "depth_dose.png",
        "let.png",
    ]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert imread(one).std() > 0.0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in first)
