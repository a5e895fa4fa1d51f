"""Command on sets of fields of one case: fields."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.cases import Outside, case_path
from doseplan.cli.numbers import numbers
from doseplan.cli.plan import default_folder
from doseplan.cli.studies import CaseFile, Programs
from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import InputError, LimitError

if TYPE_CHECKING:
    from rich.console import Console

NO_SURGERY = "none"


@app.command(epilog="Example: doseplan fields t11_t12_mpnst --choose-fields 2 --gantry-deg 0:330:30")
def fields(
    case_file: CaseFile = None,
    choose_fields: Annotated[int, typer.Option(metavar="N", help="Fields of a set.")] = 2,
    gantry_deg: Annotated[
        str, typer.Option(metavar="DEG", help="Candidate angles: first:last:step, values, or both.")
    ] = "0:345:15",
    separation_mm: Annotated[
        str | None,
        typer.Option(metavar="MM", help="Separation, or none: without surgery; default that of the case."),
    ] = None,
    plans: Annotated[int, typer.Option(help="Most sets that are planned.")] = 8,
    proofs: Annotated[int, typer.Option(help="Most sets that are proven; half a minute or so each.")] = 32,
    programs: Programs = 60,
    out: Annotated[
        Path | None, typer.Option(help="Folder of bounds and plans; default runs/<case>-fields-<digest>.")
    ] = None,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Choose gantry angles: the set with the best target minimum, and proof that others can't beat it."""
    from doseplan.case import load_case

    angles = numbers(gantry_deg, option="--gantry-deg")
    case = load_case(case_path(case_file, command="fields"), outside=outside)
    cut = case.surgery.separation_mm if separation_mm is None else _separation(separation_mm)
    prepare_kernels()
    from doseplan.exchange import write_text
    from doseplan.present import field_table
    from doseplan.study import choose_fields as study_choice

    folder = out or default_folder(case, "fields-")
    with _kept_when_stopped(folder), progress() as report:
        found = study_choice(
            case,
            choose_fields,
            gantry_deg=angles,
            separation_mm=cut,
            plans=plans,
            proofs=proofs,
            programs=programs,
            out=folder,
            progress=report,
        )
    content: dict[str, Any] = {"case": case.name, **found.numbers()}
    write_text(folder / "fields.json", json.dumps(content, indent=2, allow_nan=False) + "\n")

    def show(console: "Console") -> None:
        console.print(field_table(content))
        for line in content["said"]:
            console.print(line)

    answer(content, as_json, show)
    say(f"Folder: {folder} (fields.json, verdicts, points)")
    if found.best is None:
        raise LimitError("no set of fields has a plan that keeps the limits")


def _separation(stated: str) -> float | None:
    if stated.strip() == NO_SURGERY:
        return None
    found = numbers(stated, option="--separation-mm")
    if len(found) != 1:
        raise InputError(f"--separation-mm: expected one number or none, got '{stated}'")
    return found[0]


@contextmanager
def _kept_when_stopped(folder: Path) -> Iterator[None]:
    """Say on Ctrl-C what is on disk, and that it need not be done again."""
    from doseplan.exchange import finished_points, finished_verdicts

    try:
        yield
    except KeyboardInterrupt:
        done = f"{len(finished_verdicts(folder))} bounds and {len(finished_points(folder))} plans"
        say(f"kept in {folder}: {done}; the same command goes on from there")
        raise
