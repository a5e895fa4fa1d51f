"""LET of a run as a figure, and the cord in photon models as a section of the report."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from doseplan.case import Case
from doseplan.evaluation import evaluate, radiosurgery_share, schultheiss
from doseplan.evaluation.cord_model import NOT_VALIDATED
from doseplan.present import report_markdown
from doseplan.present.let_figure import let_figure

TITLE = "Cord: photon models (not validated for this scale)"


@pytest.fixture
def figure(tree: xr.DataTree, case: Case) -> Figure:
    return let_figure(tree, case)


@pytest.fixture
def panels(figure: Figure) -> list[Axes]:
    """Cord, target, then the cord of each arm."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def test_every_axis_that_is_labelled_has_a_unit(figure: Figure) -> None:
    labels = [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel()) if text]
    # a label under each of five panels, one beside each row, one at the colours
    assert len(labels) == 8
    for text in labels:
        assert text.endswith("]"), text


def test_page_says_what_it_must_not_be_used_for(figure: Figure) -> None:
    assert "Not for clinical use" in figure.get_suptitle()


def test_no_text_lies_on_other_text_or_on_a_panel(figure: Figure, panels: list[Axes]) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    outside = [figure._suptitle, *(text for legend in figure.legends for text in legend.get_texts())]
    texts = [*outside, *(t for axes in figure.axes for t in (axes.title, axes.xaxis.label, axes.yaxis.label))]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second)
    for panel in panels:
        assert panel.get_legend() is None
        for text in outside:
            assert not panel.get_window_extent(renderer).overlaps(text.get_window_extent(renderer))


def test_legend_is_told_apart_without_colour(figure: Figure) -> None:
    lines = figure.legends[0].get_lines()
    assert [line.get_label() for line in lines] == [
        "no surgery",
        "decompressed, 0 mm",
        "separated, 3 mm",
        "cord limit (50.0 GyE)",
    ]
    assert len({str((line._dash_pattern, line.get_linewidth())) for line in lines}) == len(lines)


def test_curves_start_full_and_end_at_nothing(panels: list[Axes]) -> None:
    for panel in panels[:2]:
        assert len(panel.lines) == 3
        for line in panel.lines:
            volume = line.get_ydata()
            assert (volume[0], volume[-1]) == (100.0, 0.0)
            assert np.all(np.diff(volume) <= 0.0)
            assert line.get_xdata()[-1] <= panel.get_xlim()[1]


def test_pairs_hold_the_whole_cord_and_its_limit(panels: list[Axes]) -> None:
    for panel in panels[2:]:
        share = panel.collections[0].get_array()
        # empty bins are left white
        assert float(np.nansum(np.ma.filled(share, np.nan))) == pytest.approx(100.0, rel=1e-12)
        assert [line.get_xdata()[0] for line in panel.lines] == [50.0]
        assert panel.get_ylim() == panels[2].get_ylim()


def test_pairs_lie_where_the_samples_are(panels: list[Axes], tree: xr.DataTree) -> None:
    samples = tree["separated/samples"].to_dataset()
    cord = samples["sample_structure"].values == 1
    mesh = panels[-1].collections[0]
    corners = mesh.get_coordinates()
    share = np.ma.filled(mesh.get_array(), np.nan).reshape(corners.shape[0] - 1, corners.shape[1] - 1)
    rows, columns = np.nonzero(share > 0.0)
    for axis, name, width in ((0, "sample_dose_rbe", 2.0), (1, "sample_let_d", 4.0)):
        low, high = corners[rows, columns, axis].min(), corners[rows + 1, columns + 1, axis].max()
        values = samples[name].values[cord]
        # the outermost filled bins hold the lowest and the highest sample
        assert low <= values.min() < low + width
        assert high - width <= values.max() < high


def test_a_single_arm_is_drawn(tree_of: Callable[..., xr.DataTree], case: Case) -> None:
    # two panels above, one below, one for the colours
    assert len(let_figure(tree_of(46.0), case).axes) == 4


def test_report_prints_every_photon_number_with_its_sentence(tree: xr.DataTree, case: Case) -> None:
    summary = evaluate(tree, case)
    section = report_markdown(summary, tree, case).split(f"## {TITLE}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("- ")]
    assert len(lines) == 2 * len(summary["arms"])
    for line in lines:
        assert NOT_VALIDATED in line
    for (name, arm), line in zip(summary["arms"].items(), lines[::2], strict=True):
        dose = arm["cord"]["max_gye"]
        assert line.startswith(f"- {name}: maximum {dose:.1f} GyE")
        assert str(schultheiss(dose, fractions=16)) in line
        assert f"{100.0 * radiosurgery_share(dose, fractions=16):.0f} % of the EQD2(2) of 44.6 Gy" in line
