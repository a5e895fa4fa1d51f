"""The report as HTML, with nothing from outside; the sheet, one page; both the same bytes again."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from doseplan import schema
from doseplan.case import Case
from doseplan.evaluation import evaluate
from doseplan.exchange import run_digest, write_run
from doseplan.messages import InputError
from doseplan.present import report_markdown
from doseplan.present.board_sheet import board_sheet, save_sheet
from doseplan.present.html_report import html_report
from doseplan.study.reporting import write_report

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


def test_report_and_sheet_come_from_the_folder_alone_the_same_bytes_again(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write_report(run, out=tmp_path / "a")
    second = write_report(run, out=tmp_path / "b")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name
    page = first["report"].read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["report.html", "sheet.pdf"]
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 5
    assert str(tmp_path) not in page


def test_html_says_all_that_the_report_says(tree: xr.DataTree, case: Case) -> None:
    text = report_markdown(evaluate(tree, case), tree, case)
    page = html_report(text, lambda path: b"")
    reader = Balanced()
    reader.feed(page)
    assert reader.seen.count("h2") == text.count("\n## ")
    words = re.sub(r"<[^>]+>", " ", page)
    for number in re.findall(r"\d+\.\d+", text):
        assert number in words, number


def test_the_monte_carlo_of_a_run_joins_the_report(run: Path, tmp_path: Path) -> None:
    (run / "montecarlo").mkdir()
    (run / "montecarlo" / "agreement.md").write_text("# Monte Carlo\n\n- both agree\n", encoding="utf-8")
    page = write_report(run, out=tmp_path)["report"].read_text(encoding="utf-8")
    (run / "montecarlo" / "agreement.md").unlink()
    (run / "montecarlo").rmdir()
    assert "<h2>Monte Carlo</h2>" in page
    assert "both agree" in page


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
    figure = board_sheet(evaluate(tree, case), tree, case)
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


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
