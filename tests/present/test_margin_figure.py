"""Figures and tables of sweeps: what is drawn, what is explained, and nothing that lies on something else."""

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from doseplan import schema
from doseplan.biology import rbe_attributes
from doseplan.present import cord_curve, margin_curve, margin_table, sweep_table
from doseplan.present.margin_figure import _spans

SEPARATIONS = np.arange(0.0, 5.0)


def made_sweep(totals: tuple[float, ...] = (60.0, 64.0), *, proven: bool = True) -> xr.Dataset:
    """A sweep whose target minimum rises by 1 GyE a millimetre from 54 GyE; proven is half a GyE more."""
    shape = (1, len(totals), SEPARATIONS.size)
    goal = np.broadcast_to(0.9 * np.array(totals)[:, np.newaxis], shape)
    least = np.broadcast_to(54.0 + SEPARATIONS, shape)
    values = {
        "target_minimum": least,
        "target_minimum_bound": np.where(SEPARATIONS < 3.0, least + 0.5, np.nan)
        if proven
        else least * np.nan,
        "target_minimum_goal": goal,
        "target_v95": np.broadcast_to(80.0 + 4.0 * SEPARATIONS, shape),
        "strip_v95": np.broadcast_to(70.0 + 4.0 * SEPARATIONS, shape),
        "target_d98": least + 2.0,
        "strip_d98": least + 1.0,
        "cord_maximum": np.broadcast_to(49.9 - SEPARATIONS, shape),
        "cord_d0_03cc": np.broadcast_to(47.0 - SEPARATIONS, shape),
        "cord_limit": np.full(shape, 50.0),
    }
    labels = rbe_attributes(16)
    data = {
        name: schema.variable(name, value, **(labels if schema.VARIABLES[name].rbe_weighted else {}))
        for name, value in values.items()
    }
    data["limits_met"] = schema.variable("limits_met", np.ones(shape))
    data["goals_met"] = schema.variable("goals_met", least >= goal)
    data["goal_impossible"] = schema.variable("goal_impossible", values["target_minimum_bound"] < goal)
    coordinates = {
        "separation": schema.variable("separation", SEPARATIONS),
        "prescription": schema.variable("prescription", totals),
        "variant": [""],
    }
    return xr.Dataset(data, coords=coordinates, attrs={"case": "made up", "varied": []})


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize(
    "totals", [(64.0,), (60.0, 64.0), (60.0, 64.0, 67.2, 70.4), (50.0, 60.0, 64.0, 67.2, 70.4)]
)
def test_panels_have_titles_units_and_room(totals: tuple[float, ...]) -> None:
    figure = drawn(margin_curve(made_sweep(totals).isel(variant=0)))
    shown = [panel for panel in figure.axes if panel.axison]
    assert len(shown) == 2 * len(totals)
    assert [panel.get_title() for panel in shown if panel.get_title()] == [
        f"{total:g} GyE prescribed" for total in totals
    ]
    assert "GyE" in shown[0].get_ylabel()
    assert all("mm" in panel.get_xlabel() for panel in shown if panel.get_xlabel())
    assert sum(bool(panel.get_xlabel()) for panel in shown) == len(totals)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    page = figure.bbox
    legend = figure.legends[0].get_window_extent(renderer)
    assert page.x0 <= legend.x0
    assert legend.x1 <= page.x1
    boxes = [panel.get_tightbbox(renderer) for panel in shown]
    assert not any(box.overlaps(legend) for box in boxes)
    assert not any(one.overlaps(two) for number, one in enumerate(boxes) for two in boxes[:number])


def test_only_what_is_there_is_explained() -> None:
    whole = texts(margin_curve(made_sweep().isel(variant=0)))
    assert "proven maximum of the target minimum" in whole
    assert "all limits and goals met" in whole
    plain = texts(margin_curve(made_sweep((80.0,), proven=False).isel(variant=0)))
    assert len(plain) == 3
    assert not any("proven" in text or "met" in text.split() for text in plain)


def test_the_ceiling_stands_above_the_curve() -> None:
    figure = margin_curve(made_sweep((64.0,)).isel(variant=0))
    achieved, goal, bound = figure.axes[0].get_lines()
    assert goal.get_ydata()[0] == pytest.approx(57.6)
    assert (bound.get_ydata() - achieved.get_ydata()[:3] == 0.5).all()
    assert achieved.get_linestyle() != bound.get_linestyle()  # not by colour alone
    low, high = figure.axes[0].get_ylim()
    assert low < 54.0
    assert high > 64.0


def test_shaded_are_the_separations_that_meet_all_goals() -> None:
    separation = np.array([0.0, 1.0, 2.0, 4.0])
    assert _spans(separation, np.array([False, True, True, False])) == [(0.5, 3.0)]
    assert _spans(separation, np.array([True, False, False, True])) == [(-0.25, 0.5), (3.0, 4.25)]
    assert _spans(separation[:1], np.array([True])) == [(-0.25, 0.25)]


def test_cord_is_drawn_below_its_limit_with_a_look_for_each_prescription() -> None:
    figure = drawn(cord_curve(made_sweep((60.0, 64.0, 67.2)).isel(variant=0)))
    left, right = figure.axes
    assert [panel.get_xlabel() for panel in (left, right)] == ["separation [mm]"] * 2
    assert "GyE" in left.get_ylabel()
    *lines, limit = left.get_lines()
    assert limit.get_ydata()[0] == 50.0
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 3
    assert texts(figure)[-1] == "the cord's limit, 50 GyE"


def test_the_same_sweep_gives_the_same_picture(tmp_path) -> None:
    from doseplan.present import save_figure

    one, two = (
        save_figure(margin_curve(made_sweep().isel(variant=0)), tmp_path / name)
        for name in ("a.png", "b.png")
    )
    assert one.read_bytes() == two.read_bytes()


def printed(table) -> str:
    console = Console(width=118, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_a_table_has_a_line_for_each_point() -> None:
    text = printed(sweep_table(made_sweep()))
    # all limits, and goals of 54 GyE at five separations and of 57.6 GyE at one
    assert text.count("│ met") == 10 + 6
    assert "impossible" in text
    assert "maximum" in text
    assert "proven" not in printed(sweep_table(made_sweep(proven=False)))


def test_margins_are_said_in_a_line_each() -> None:
    said = "64 GyE: 4.0 mm; proven impossible at 3.5 mm"
    text = printed(margin_table({"case": "made up", "margins": [{"said": said}]}))
    assert said in text
    assert "Not for clinical use" in text
