"""The report as HTML, with nothing from outside; the sheet, one page; both the same bytes again."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from shutil import rmtree

import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from doseplan import schema
from doseplan.case import Case
from doseplan.case.clinical_spec import Clinical, Sins
from doseplan.evaluation import evaluate
from doseplan.exchange import read_dataset, read_run, run_digest, write_dataset, write_run
from doseplan.messages import InputError
from doseplan.present import report_markdown
from doseplan.present.board_sheet import board_sheet, save_sheet
from doseplan.present.html_report import html_report
from doseplan.present.staging_section import body_rows, body_section
from doseplan.study.reporting import SWEEP, write_report
from doseplan.study.sweep_table import sweep_dataset

VOID = {"meta", "img"}


class Balanced(HTMLParser):
    """Every element that opens is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_kind_of_block_becomes_html() -> None:
    text = "# A <case>\n\n**Not** `this`\n\n## Table\n\n| a | b |\n|---|---|\n| 1 < 2 | **x** |\n"
    text += "\n- one\n- two\n\n![Dose & more](figures/dose.png)\n"
    page = html_report(text, lambda path: path.encode())
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    assert "<h1>A &lt;case&gt;</h1>" in page
    assert "<strong>Not</strong> <code>this</code>" in page
    assert "<td>1 &lt; 2</td><td><strong>x</strong></td>" in page
    assert '<th scope="col">a</th>' in page
    assert page.count("<li>") == 2
    assert 'src="data:image/png;base64,ZmlndXJlcy9kb3NlLnBuZw==" alt="Dose &amp; more"' in page


@pytest.fixture(scope="module")
def run(tree: xr.DataTree, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    whole = tree.copy()
    attributes = {**tree.attrs, "schema_version": schema.VERSION}
    whole.attrs = {**attributes, "digest": run_digest(attributes)}
    write_run(whole, folder)
    return folder


def test_html_says_all_that_the_report_says(tree: xr.DataTree, case: Case) -> None:
    text = report_markdown(evaluate(tree, case), tree, case)
    page = html_report(text, lambda path: b"")
    reader = Balanced()
    reader.feed(page)
    assert reader.seen.count("h2") == text.count("\n## ")
    words = re.sub(r"<[^>]+>", " ", page)
    for number in re.findall(r"\d+\.\d+", text):
        assert number in words, number


def test_the_sheet_is_one_page_with_what_a_board_asks(tree: xr.DataTree, case: Case, tmp_path: Path) -> None:
    summary = evaluate(tree, case)
    figure = board_sheet(summary, tree, case)
    FigureCanvasAgg(figure).draw()
    texts = [text.get_text() for text in figure.findobj(Text)]
    tables = [table for panel in figure.axes for table in panel.tables]
    texts += [cell.get_text().get_text() for table in tables for cell in table.get_celld().values()]
    said = "\n".join(texts)
    for wanted in (
        "Not for clinical use",
        "64 GyE in 16 fractions (NIRS scale)",
        "7 of 8",
        "0 of 3",
        "n = 11",
    ):
        assert wanted in said
    for arm in summary["arms"].values():
        assert f"{arm['cord']['max_gye']:.2f} (" in said
        assert f"{arm['tumour']['dmin_gye']:.2f} (" in said
    assert "NOT MET" in said
    path = save_sheet(figure, tmp_path / "sheet.pdf")
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", content)) == 1
    assert b"CreationDate" not in content


def test_nothing_of_the_sheet_leaves_the_page_or_covers_its_neighbour(tree: xr.DataTree, case: Case) -> None:
    stays_on_the_page(board_sheet(evaluate(tree, case), tree, case))


def stays_on_the_page(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    page = figure.bbox
    for panel in figure.axes:
        box = panel.get_tightbbox(renderer)
        assert box is not None
        assert page.x0 <= box.x0 < box.x1 <= page.x1, box
        assert page.y0 <= box.y0 < box.y1 <= page.y1, box
    legend = figure.legends[0].get_window_extent(renderer)
    for panel in figure.axes:
        box = panel.get_tightbbox(renderer)
        assert box is None or not legend.overlaps(box), panel.get_title()


@pytest.fixture
def points(run: Path, case: Case, tmp_path: Path) -> Path:
    """A finished sweep of the run's case, 3 to 5 mm: the first can't be enough, the others are."""
    arm = evaluate(read_run(run), case)["arms"]["separated"]
    met = [{**goal, "met": True} for goal in arm["goals"]]
    planned = {**arm, "goals": met, "goals_met": True, "limits_met": True}
    records = {
        (0, 0, 0): {
            "nominal": {**planned, "goals_met": False},
            "bound": {"dmin_upper_gye": 55.0, "scenarios": 1},
        },
        (0, 0, 1): {"nominal": planned, "bound": {"dmin_upper_gye": 63.0, "scenarios": 1}},
        (0, 0, 2): {"nominal": planned, "bound": None},
    }
    folder = tmp_path / "points"
    folder.mkdir()
    write_dataset(sweep_dataset(case, (3.0, 4.0, 5.0), (64.0,), ({},), records), folder / SWEEP)
    digest = read_run(run).attrs["digest"]
    (folder / "study.json").write_text(json.dumps({"digest": digest}), encoding="utf-8")
    return folder


def test_both_come_from_the_folder_alone_the_same_bytes_again(
    run: Path, points: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write_report(run, out=tmp_path / "a", points=points)
    rmtree(points)  # the curve has joined the run
    second = write_report(run, out=tmp_path / "b")
    (run / SWEEP).unlink()
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name
    page = first["report"].read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["report.html", "sheet.pdf"]
    assert "http://" not in page
    assert "https://" not in page
    assert str(tmp_path) not in page
    said = "64 GyE: all goals met from 4 mm on, of 3 separations planned; proven impossible up to 3 mm"
    assert f"<li>{said}</li>" in page
    assert page.count("data:image/png;base64,") == 7


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / SWEEP).unlink(), "a folder that `doseplan sweep` has finished"),
        (
            lambda folder: (folder / "study.json").write_text('{"digest": "other"}'),
            r"points of the run's case and version .* got others \(digest other\)",
        ),
    ],
)
def test_points_of_something_else_are_refused(
    run: Path, points: Path, tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    damage(points)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=f"points: expected {expected}"):
        write_report(run, out=tmp_path / "out", points=points)
    assert not (run / SWEEP).exists()
    assert list((tmp_path / "out").iterdir()) == []


def test_the_curve_stands_on_the_sheet(points: Path, tree: xr.DataTree, case: Case) -> None:
    sweep = read_dataset(points / SWEEP, remedy="")
    figure = board_sheet(evaluate(tree, case), tree, case, sweep=sweep)
    margin = figure.axes[-2]  # below it what is known from patients
    assert margin.get_title() == "target minimum, 64 GyE"
    labels = [text.get_text() for text in margin.get_legend().get_texts()]
    assert labels == ["planned", "goal", "proven maximum"]
    stays_on_the_page(figure)


def test_a_stored_proof_and_a_monte_carlo_join_the_report(run: Path, tmp_path: Path) -> None:
    tree = read_run(run)
    structure = tree["none/samples"].to_dataset()["sample_structure"].values
    target, cord = (int((structure == number).argmax()) for number in (2, 1))
    record = {
        "digest": tree.attrs["digest"],
        "witness_gye": 47.0,
        "level_gye": 48.5,
        "scenarios": 1,
        "target_samples": [target],
        "target_scenarios": [0],
        "limited_samples": [cord],
        "limited_scenarios": [0],
        "leaves": [{"target": [1.0], "limit": [2.0]}],
    }
    (run / "none" / "proof.json").write_text(json.dumps(record), encoding="utf-8")
    (run / "montecarlo").mkdir()
    (run / "montecarlo" / "agreement.md").write_text("# Monte Carlo\n\n- both agree\n", encoding="utf-8")
    page = write_report(run, out=tmp_path)["report"].read_text(encoding="utf-8")
    (run / "none" / "proof.json").unlink()
    rmtree(run / "montecarlo")
    assert "achieved 46.00 GyE, proven maximum 48.50 GyE" in page
    assert page.count("data:image/png;base64,") == 6
    assert "<h2>Monte Carlo</h2>" in page
    assert "<li>both agree</li>" in page
    assert not (run / "figures").exists()


def test_what_is_stated_of_the_patient_stands_in_both(tree: xr.DataTree, case: Case) -> None:
    findings = Sins(
        location="junctional",
        pain="mechanical",
        lesion="lytic",
        alignment="normal",
        collapse="none",
        posterolateral="none",
    )
    told = replace(case, clinical=Clinical(sins=findings, frankel="D"))
    summary = evaluate(tree, told)
    assert summary["staging"]["sins"]["score"] == 8
    sheet = "\n".join(text.get_text() for text in board_sheet(summary, tree, told).findobj(Text))
    report = report_markdown(summary, tree, told)
    for text in (sheet.replace("\n", " "), report):
        assert "8 (potentially unstable)" in text
        assert "9 % below a SINS of 8, 80 % from 8 on (n = 30)" in text
        assert "7 of 8 controlled" in text
        assert "no myelopathy in 11" in text
    assert "HIGH RISK of fracture" in sheet


def test_bodies_have_a_row_for_each_measure_of_each_level() -> None:
    body = {"mean_gye": 45.94, "mean_absorbed_gy": 15.9, "mean_let_d_kev_um": 74.2}
    body |= {"v40_percent": 66.2, "v60_percent": 47.4}
    of_lem = {"mean_lem1_gy_rbe": 52.13, "v40_lem1_percent": 71.0, "v60_lem1_percent": None}
    arms = {"none": {"separation_mm": None, "bodies": {"T12": {**body, **of_lem}}}}
    arms["separated"] = {"separation_mm": 3.0, "bodies": {}}
    assert body_rows(arms) == [
        ["body T12 mean", "45.9 (52.1, 15.9, 74)", "-"],
        ["body T12 V40, V60", "66 % (71 %), 47 % (-)", "-"],
    ]
    (section,) = body_section(arms)
    assert "| body T12 mean | 45.9 (52.1, 15.9, 74) | - |" in section
    assert body_section({"none": {"separation_mm": None, "bodies": None}}) == []


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
