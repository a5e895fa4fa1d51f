"""The command that reads margins off a sweep by other definitions of the cord's dose."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doseplan.cli.cases import Outside, case_path
from doseplan.cli.plan import default_folder
from doseplan.cli.studies import CaseFile
from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import InputError

if TYPE_CHECKING:
    from rich.console import Console


@app.command(epilog="Example: doseplan definitions t11_t12_mpnst --points runs/t11-points")
def definitions(
    case_file: CaseFile = None,
    points: Annotated[
        Path | None,
        typer.Option(help="Folder of `doseplan sweep` on the case; default runs/<case>-points-<digest>."),
    ] = None,
    lem1_gy_rbe: Annotated[
        float | None,
        typer.Option(help="Limit of the cord on the scale of LEM I; default the number of the case's limit."),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CASE=FOLDER",
            help="Another case, as of another number of fractions, and its sweep: its tables come below.",
        ),
    ] = None,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Read margins off a sweep by other definitions of the cord's dose: dura or PRV, maximum or volume."""
    from doseplan.case import load_case

    if lem1_gy_rbe is not None and not 0.0 < lem1_gy_rbe <= 200.0:
        raise InputError(f"--lem1-gy-rbe: expected more than 0, at most 200, got {lem1_gy_rbe:g}")
    case = load_case(case_path(case_file, command="definitions"), outside=outside)
    folder = points or default_folder(case, "points-")
    swept = [(case, folder)]
    for each in beside or []:
        other, equals, there = each.partition("=")
        if not (other and equals and there):
            raise InputError(f"--beside: expected CASE=FOLDER like twelve.toml=points_12, got '{each}'")
        swept.append((load_case(case_path(other, command="definitions"), outside=outside), Path(there)))
    for _, place in swept:
        if not place.is_dir():
            raise InputError(f"{place}: expected a folder that `doseplan sweep` has finished, got none")
    prepare_kernels()
    from doseplan.exchange import write_text
    from doseplan.present import definitions_markdown, definitions_tables
    from doseplan.study import definitions_csv, margins_by_definition

    with progress() as report:
        rows = [
            row
            for each, place in swept
            for row in margins_by_definition(each, place, lem1_limit_gy_rbe=lem1_gy_rbe, progress=report)
        ]
    content = {"case": case.name, "margins": rows}
    write_text(folder / "definitions.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_text(folder / "definitions.csv", definitions_csv(rows))
    write_text(folder / "definitions.md", definitions_markdown(rows))

    def show(console: "Console") -> None:
        for table in definitions_tables(rows):
            console.print(table)

    answer(content, as_json, show)
    say(f"Folder: {folder} (definitions.md, definitions.csv, definitions.json)")
