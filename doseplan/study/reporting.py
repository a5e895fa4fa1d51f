"""Report and sheet of a finished run, made from its folder alone."""

from pathlib import Path
from tempfile import TemporaryDirectory

from doseplan.case import parse_case
from doseplan.evaluation import evaluate
from doseplan.exchange import read_run, write_text
from doseplan.messages import InputError, Progress, silent
from doseplan.present import report_markdown, save_figures
from doseplan.present.board_sheet import board_sheet, save_sheet
from doseplan.present.html_report import html_report

MONTE_CARLO = Path("montecarlo") / "agreement.md"
"""What `doseplan recalculate` leaves in a run folder; it joins the report."""


def write_report(folder: Path, *, out: Path | None = None, progress: Progress = silent) -> dict[str, Path]:
    """Write `report.html` and `sheet.pdf`, the same bytes from the same folder every time.

    Parameters
    ----------
    folder
        Of the run.
    out
        Where they are written; by default into the run's folder.

    Raises
    ------
    InputError
        The folder is not a run, or a file can't be written.
    """
    tree = read_run(folder, progress=progress)
    where = f"{tree.attrs.get('case', 'case')}.toml"
    case = parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=where)
    progress("judging", 0.3)
    summary = evaluate(tree, case)
    text = report_markdown(summary, tree, case)
    if (folder / MONTE_CARLO).is_file():
        text += "\n#" + (folder / MONTE_CARLO).read_text(encoding="utf-8")
    place = out or folder
    page, sheet = place / "report.html", place / "sheet.pdf"
    with TemporaryDirectory() as drawn:
        # figures that are drawn again do not depend on what somebody did to those in the folder
        progress("figures", 0.5)
        save_figures(tree, case, Path(drawn) / "figures")
        write_text(page, html_report(text, lambda path: (Path(drawn) / path).read_bytes()))
    progress("sheet", 0.9)
    try:
        save_sheet(board_sheet(summary, tree, case), sheet)
    except OSError as error:
        raise InputError(f"{sheet}: expected a place that can be written, got '{error.strerror}'") from error
    return {"report": page, "sheet": sheet}
