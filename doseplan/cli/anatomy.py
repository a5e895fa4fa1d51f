"""The command on anatomies: phantom."""

from pathlib import Path
from typing import Annotated

import typer

from doseplan.cli.cases import Outside, case_names, case_path
from doseplan.cli.tell import Json, answer, app, checked_path, draw, prepare_kernels, progress
from doseplan.messages import InputError


@app.command(epilog="Example: doseplan phantom t11_t12_mpnst --out phantom.png")
def phantom(
    case_file: Annotated[
        str,
        typer.Argument(
            metavar="CASE.toml", help="A case file, or the name of a bundled case.", autocompletion=case_names
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Picture, .png; default phantom_<case>.png.")] = None,
    voxel_mm: Annotated[float | None, typer.Option(help="Voxel size instead of the case's, mm.")] = None,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Draw the voxel model of a case before and after surgery, with volumes, gaps and staging."""
    from dataclasses import replace

    from doseplan.case import load_case

    case = load_case(case_path(case_file, command="phantom"), outside=outside)
    if voxel_mm is not None:
        if not 0.5 <= voxel_mm <= 5.0:
            raise InputError(f"--voxel-mm: expected 0.5 <= voxel_mm <= 5, got {voxel_mm:g}")
        case = replace(case, grid=replace(case.grid, voxel_mm=voxel_mm))
    picture = checked_path(out or Path(f"phantom_{case.name}.png"), ".png")
    prepare_kernels()
    from doseplan.evaluation import phantom_numbers
    from doseplan.present import phantom_table, phantom_views
    from doseplan.study import build_phantoms

    with progress() as report:
        arms = build_phantoms(case, progress=report)
        numbers = phantom_numbers(case, arms)
        report("picture", 0.9)
        shown = {name: arms[name] for name in ("none", "separated")}
        draw(phantom_views(shown, case), picture)
    answer(numbers, as_json, lambda console: console.print(phantom_table(numbers)))
