"""Commands that exchange runs with other programs: export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from doseplan.cli.tell import Json, answer, app, progress, say


@app.command(epilog="Example: doseplan export runs/first --out dicom --arm separated")
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="New or empty folder; default RUN/dicom.")] = None,
    arm: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this arm; can be given again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write CT, structures, doses and ion plans of a run as DICOM. Not for treatment."""
    from doseplan.exchange import read_run
    from doseplan.exchange.dicom_write import check_empty, write_dicom

    folder = out or run_folder / "dicom"
    check_empty(folder)
    with progress() as report:
        tree = read_run(run_folder, progress=report)
        files = write_dicom(tree, folder, arms=arm or None, progress=report)
    content = _content(folder, files)
    answer(content, as_json, lambda console: console.print(_lines(content), highlight=False))
    say(f"DICOM folder: {folder} (research only, not for treatment)")


def _content(folder: Path, files: list[Path]) -> dict[str, Any]:
    """List the files by arm, and their size."""
    arms: dict[str, list[str]] = {}
    for path in files:
        inside = path.relative_to(folder)
        arms.setdefault(inside.parts[0], []).append(inside.as_posix())
    size = sum(path.stat().st_size for path in files)
    return {"folder": str(folder), "arms": arms, "megabytes": round(size / 1e6, 1)}


def _lines(content: dict[str, Any]) -> str:
    """Tell how many images an arm has, and name its other files."""
    lines = []
    for arm, files in content["arms"].items():
        others = [Path(name).name for name in files if "/CT/" not in name]
        lines.append(f"{arm}: {len(files) - len(others)} CT images, {', '.join(others)}")
    return "\n".join([*lines, f"{content['megabytes']:g} MB"])
