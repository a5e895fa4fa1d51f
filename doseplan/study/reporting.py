"""Report and sheet of a finished run, made from its folder alone."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import xarray as xr

from doseplan.case import parse_case
from doseplan.evaluation import evaluate
from doseplan.exchange import read_dataset, read_run, write_dataset, write_text
from doseplan.exchange.studies import STUDY_FILE
from doseplan.messages import InputError, Progress, silent
from doseplan.present import cord_curve, margin_curve, report_markdown, save_figure, save_figures
from doseplan.present.board_sheet import board_sheet, save_sheet
from doseplan.present.html_report import html_report
from doseplan.study.proof import add_bounds

MONTE_CARLO = Path("montecarlo") / "agreement.md"
"""What `doseplan recalculate` leaves in a run folder; it joins the report."""

SWEEP = "sweep.nc"
"""Name of a sweep in the folder of its points, and in that of a run that has taken it."""


def write_report(
    folder: Path, *, out: Path | None = None, points: Path | None = None, progress: Progress = silent
) -> dict[str, Path]:
    """Write `report.html` and `sheet.pdf`, the same bytes from the same folder every time.

    Parameters
    ----------
    folder
        Of the run.
    out
        Where they are written; by default into the run's folder.
    points
        Folder of a sweep of the same case: its curve is kept in the run's folder, for this report and later
        ones.

    Raises
    ------
    InputError
        The folder is not a run, the points are of another case, or a file can't be written.
    """
    tree = read_run(folder, progress=progress)
    where = f"{tree.attrs.get('case', 'case')}.toml"
    case = parse_case(tree.attrs["case_toml"], tree.attrs["anatomy_toml"], where=where)
    if points is not None:
        take_sweep(points, folder, digest=str(tree.attrs["digest"]))
    progress("judging", 0.3)
    summary = evaluate(tree, case)
    place = out or folder
    page, sheet = place / "report.html", place / "sheet.pdf"
    with TemporaryDirectory() as drawn:
        # figures that are drawn again do not depend on what somebody did to those in the folder
        progress("figures", 0.5)
        figures = Path(drawn) / "figures"
        save_figures(tree, case, figures)
        add_bounds(folder, tree, summary, figures=figures)
        sweep = _sweep(folder, figures)
        text = report_markdown(summary, tree, case, sweep=sweep)
        if (folder / MONTE_CARLO).is_file():
            text += "\n#" + (folder / MONTE_CARLO).read_text(encoding="utf-8")
        write_text(page, html_report(text, lambda path: (Path(drawn) / path).read_bytes()))
    progress("sheet", 0.9)
    try:
        save_sheet(board_sheet(summary, tree, case, sweep=sweep), sheet)
    except OSError as error:
        raise InputError(f"{sheet}: expected a place that can be written, got '{error.strerror}'") from error
    return {"report": page, "sheet": sheet}


def take_sweep(points: Path, folder: Path, *, digest: str) -> None:
    """Keep the sweep of a folder of points in the folder of a run.

    Raises
    ------
    InputError
        There is no sweep, or it is of another case or version.
    """
    if not (points / STUDY_FILE).is_file() or not (points / SWEEP).is_file():
        raise InputError(f"{points}: expected a folder that `doseplan sweep` has finished, got none")
    found = json.loads((points / STUDY_FILE).read_text(encoding="utf-8")).get("digest")
    if found != digest:
        raise InputError(
            f"{points}: expected points of the run's case and version (digest {digest[:8]}), got others "
            f"(digest {str(found)[:8]})"
        )
    write_dataset(_read(points / SWEEP), folder / SWEEP)


def _sweep(folder: Path, figures: Path) -> xr.Dataset | None:
    """Draw the sweep that a run has, if it has one."""
    if not (folder / SWEEP).is_file():
        return None
    sweep = _read(folder / SWEEP)
    for number in range(sweep.sizes["variant"]):
        for name, draw in (("margin", margin_curve), ("cord", cord_curve)):
            save_figure(draw(sweep.isel(variant=number)), figures / f"{name}_{number + 1}.png")
    return sweep


def _read(path: Path) -> xr.Dataset:
    return read_dataset(path, remedy="delete it; `doseplan report RUN --points FOLDER` takes it again")
