"""Commands that exchange with other programs: import of a CT, export of a run."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from doseplan.cli.tell import Json, answer, app, checked_path, prepare_kernels, progress, say
from doseplan.messages import InputError


@app.command("import", epilog="Example: doseplan import patient_folder --out patient.nc")
def import_ct(
    source: Annotated[
        Path, typer.Argument(help="Folder of DICOM files (CT, RTSTRUCT) or NIfTI files, or an npz file.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="CT with contours, .nc; default <source>.nc. A case comes beside it.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Number, UID or description of the CT series, if there are several.")
    ] = None,
    structure_set: Annotated[
        str | None, typer.Option(help="Label or file of the structure set, if there are several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a CT with contours, say what was found and used, and write it with a first case file."""
    if not source.exists():
        raise InputError(f"{source}: expected a folder or an npz file, got no such file")
    path = checked_path(out or Path(f"{source.resolve().name.removesuffix('.npz')}.nc"), ".nc")
    case_file = path.with_suffix(".toml")
    prepare_kernels()
    from doseplan.exchange import write_scan, write_text
    from doseplan.exchange.masks import read_masks
    from doseplan.present import scan_table
    from doseplan.study import scan_numbers, starter_case

    with progress() as report:
        if source.is_file() or any(source.glob("*.nii*")):
            scan = read_masks(source)
        else:
            from doseplan.exchange.dicom_read import read_dicom

            scan = read_dicom(source, series=series, structure_set=structure_set, progress=report)
        numbers = scan_numbers(scan)
        report("writing", 0.9)
        write_scan(scan, path)
    numbers |= {"ct_file": str(path), "case_file": str(case_file)}
    kept = case_file.exists()
    if not kept:
        write_text(case_file, starter_case(numbers, path.name))
    answer(numbers, as_json, lambda console: console.print(scan_table(numbers)))
    for note in numbers["notes"]:
        say(note)
    say(f"CT: {path}; case file: {case_file}{' (kept as it was)' if kept else ''}")
    say(f"Next: doseplan phantom {json.dumps(str(case_file))}")


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
