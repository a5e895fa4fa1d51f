"""Figure and tables of a population: what is drawn, what is said of what can't be told, and room for all."""

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from doseplan.case import parse_case, read_population
from doseplan.present import population_figure, population_tables
from doseplan.study import population_numbers
from doseplan.study.draws import draw_anatomies
from doseplan.study.population_dataset import population_dataset

CASE = """
name = "made up"
anatomy = { levels = "T11-T12" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
tumour = { side = "right" }
"""

STEPS = (0.0, 1.0, 2.0, 3.0, 4.0)


def made_population(count: int = 40, *, errors: bool = True) -> xr.Dataset:
    """Margins that the ring angle decides, a millimetre more with errors; the first anatomy is refused."""
    text = CASE + ("robustness = { setup_mm = 2.0 }\n" if errors else "")
    case, population = parse_case(text, None), read_population()
    drawn = draw_anatomies(case, population, count=count, seed=1)
    records = []
    for anatomy in drawn:
        ring = float(anatomy.drawn["ring angle"])
        margin = int((ring - 180.0) / 40.0)
        tried = [{"separation_mm": 0.0, "target_minimum_gye": 60.0 - ring / 20.0, "cord_maximum_gye": 49.0}]
        found = {
            name: {
                "margin_mm": None if margin + more > 4 else float(margin + more),
                "impossible_mm": None,
                "tried": tried,
            }
            for name, more in (("nominal", 0), ("robust", 1))
        }
        records.append(
            {"why": [], **found} if errors else {"why": [], "nominal": found["nominal"], "robust": None}
        )
    records[0] = {"why": ["made up 0000: tumour: expected some"], "nominal": None, "robust": None}
    return population_dataset(case, population, drawn, STEPS, records, seed=1)


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("errors", [False, True])
def test_panels_have_titles_units_and_room(errors: bool) -> None:
    figure = drawn(population_figure(made_population(errors=errors)))
    shares, *ranked = figure.axes
    assert shares.get_xlabel() == "separation [mm]"
    assert len(ranked) == (3 if errors else 2)
    assert ranked[0].get_yticklabels()[0].get_text() == "ring angle"
    said = figure.get_suptitle()
    assert "39 anatomies" in said
    assert "1 refused" in said
    assert "Not for clinical use" in said
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [panel.get_tightbbox(renderer) for panel in figure.axes]
    assert not any(one.overlaps(two) for number, one in enumerate(boxes) for two in boxes[:number])
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_shares_rise_with_separation_and_need_more_with_errors() -> None:
    found = made_population()
    figure = population_figure(found)
    nominal, robust = (line.get_ydata() for line in figure.axes[0].get_lines()[:2])
    assert (np.diff(nominal) >= 0.0).all()
    assert (robust <= nominal).all()
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "as planned",
        "in every error scenario, too",
    ]
    assert nominal.tolist() == found["margin_share"].sel(errors="nominal").values.tolist()
    assert (found["margin_share_low"] <= found["margin_share"]).all()
    assert (found["margin_share"] <= found["margin_share_high"]).all()


def test_bars_that_are_chance_differ_by_more_than_colour() -> None:
    figure = population_figure(made_population())
    bars = [patch for patch in figure.axes[1].patches if patch.get_width() != 0.0]
    assert bars[0].get_hatch() is None or bars[0].get_hatch() == ""
    assert bars[0].get_width() > 0.9
    assert {bar.get_hatch() for bar in bars[1:]} == {"///"}
    assert figure.axes[1].get_xlabel() == "grey, hatched: not told from chance"


def test_too_few_anatomies_say_so_in_place_of_bars() -> None:
    found = made_population(8)
    figure = drawn(population_figure(found))
    for panel in figure.axes[1:]:
        (said,) = [text.get_text() for text in panel.texts]
        assert " ".join(said.split()) == "expected at least 20 anatomies with a verdict to rank by, got 7"
        assert not panel.patches


def test_tables_say_what_is_above_the_range() -> None:
    content = population_numbers(made_population())
    console = Console(width=118, record=True, file=io.StringIO())
    for each in population_tables(content):
        console.print(each)
    text = console.export_text()
    assert "made up, 39 anatomies: smallest separation that meets all goals" in text
    assert "1 of 40 drawn anatomies refused" in text
    assert "> 4 mm" in text
    assert "none from 0 to 4 mm" in text
    assert "with errors" in text
    assert "what drives the margin" in text
    assert "Not for clinical use" in text


def test_the_same_population_gives_the_same_picture(tmp_path) -> None:
    from doseplan.present import save_figure

    one, two = (
        save_figure(population_figure(made_population(24)), tmp_path / name) for name in ("a.png", "b.png")
    )
    assert one.read_bytes() == two.read_bytes()
