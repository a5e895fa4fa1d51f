"""The command that writes report and sheet of a finished run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress
from doseplan.messages import InputError

if TYPE_CHECKING:
    from rich.console import Console


@app.command(epilog="Example: doseplan report runs/first")
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder; by default the run's own.")] = None,
    points: Annotated[
        Path | None, typer.Option(help="Folder of `doseplan sweep` on the same case: its curve joins.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write report.html and the page for a tumour board, sheet.pdf, from a run folder alone."""
    if out is not None and not out.is_dir():
        raise InputError(f"--out: expected a folder that exists, got {out}")
    prepare_kernels()
    from doseplan.study.reporting import write_report

    with progress() as told:
        written = write_report(run_folder, out=out, points=points, progress=told)
    content = {name: str(path) for name, path in written.items()}

    def show(console: "Console") -> None:
        for name, path in written.items():
            console.print(f"{name}: {path}", soft_wrap=True)

    answer(content, as_json, show)
