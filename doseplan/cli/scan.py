"""The command that brings a patient's CT in: import."""

import json
from pathlib import Path
from typing import Annotated

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
