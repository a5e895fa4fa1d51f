"""Commands on many plans of one case: sweep and margin."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.cases import Outside, case_names, case_path
from doseplan.cli.numbers import assignment, numbers
from doseplan.cli.plan import default_folder
from doseplan.cli.sharing import LocalWorkers, Scheduler, WorkerGib, workers_of
from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import InputError, LimitError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure
    from rich.console import Console

    from doseplan.study import Margin

CaseFile = Annotated[
    str | None,
    typer.Argument(
        metavar="CASE.toml", help="A case file, or the name of a bundled case.", autocompletion=case_names
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder of the points; default runs/<case>-points-<digest>.")]
Totals = Annotated[
    str | None, typer.Option(metavar="GYE", help="Prescriptions, as 60,64,70.4; default that of the case.")
]
Programs = Annotated[
    int, typer.Option(min=1, help="Most linear programs of each proof; bounds fall with them.")
]


@app.command(
    epilog="Example: doseplan sweep t11_t12_mpnst --separation-mm 0:10:1 --total-gy-rbe 60,64,67.2,70.4"
)
def sweep(
    case_file: CaseFile = None,
    separation_mm: Annotated[
        str, typer.Option(metavar="MM", help="Separations: first:last:step, values, or both.")
    ] = "0:10:1",
    total_gy_rbe: Totals = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUES", help="Any other number of the case, as tumour.wrap_deg=180,270."),
    ] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Prove at each point what no plan can beat; a minute or so each.")
    ] = False,
    programs: Programs = 60,
    dose: Annotated[
        bool, typer.Option("--dose", help="Keep voxels and dose grid of each point, too.")
    ] = False,
    scheduler: Scheduler = None,
    local_workers: LocalWorkers = None,
    worker_gib: WorkerGib = None,
    out: Out = None,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Plan a case at many separations and prescriptions: what each millimetre brings."""
    from doseplan.case import load_case

    separations = numbers(separation_mm, option="--separation-mm")
    totals = [] if total_gy_rbe is None else numbers(total_gy_rbe, option="--total-gy-rbe")
    others = dict(assignment(each, option="--vary") for each in vary or [])
    if len(others) < len(vary or []):
        raise InputError("--vary: expected each key once, got one again")
    case = load_case(case_path(case_file, command="sweep"), outside=outside)
    prepare_kernels()
    workers = workers_of(scheduler, local_workers, worker_gib)
    from doseplan.exchange import write_dataset, write_text
    from doseplan.present import cord_curve, margin_curve, sweep_table
    from doseplan.study import sweep as study_sweep
    from doseplan.study import sweep_csv, sweep_rows

    folder = out or default_folder(case, "points-")
    with _kept_when_stopped(folder), progress() as report:
        found = study_sweep(
            case,
            separation_mm=separations,
            total_gy_rbe=totals,
            vary=others,
            prove=prove,
            programs=programs,
            dose=dose,
            out=folder,
            workers=workers,
            progress=report,
        )
    write_dataset(found, folder / "sweep.nc")
    write_text(folder / "sweep.csv", sweep_csv(found))
    _draw(folder, found, {"margin": margin_curve, "cord": cord_curve})
    content = {"case": case.name, "folder": str(folder), "points": sweep_rows(found)}
    answer(content, as_json, lambda console: console.print(sweep_table(found)))
    say(f"Folder: {folder} (sweep.nc, sweep.csv, figures, points)")
    broken = int((~found["limits_met"].values).sum())
    if broken > 0:
        raise LimitError(f"a hard limit is broken in {broken} of {found['limits_met'].size} points")


@app.command(epilog="Example: doseplan margin t11_t12_mpnst --total-gy-rbe 60,64,67.2,70.4")
def margin(
    case_file: CaseFile = None,
    total_gy_rbe: Totals = None,
    range_mm: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="Separations that are searched.")
    ] = "0:10",
    step_mm: Annotated[float, typer.Option(help="How far the bracket is narrowed.")] = 0.5,
    robust: Annotated[
        bool, typer.Option("--robust", help="Goals have to hold in every error scenario of the case, too.")
    ] = False,
    setup_mm: Annotated[
        str | None,
        typer.Option(
            metavar="MM", help="Plan for setup errors, as 1,2,3, and the case's range error: a line each."
        ),
    ] = None,
    prove: Annotated[bool, typer.Option(help="Prove what is impossible below.")] = True,
    programs: Programs = 60,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Search again with another number, as grid.voxel_mm=2, and say how far the margins differ.",
        ),
    ] = None,
    out: Out = None,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Find the smallest separation that meets all goals: a plan above it, a proof below it."""
    from doseplan.case import load_case

    low, high = _ends(range_mm)
    case = load_case(case_path(case_file, command="margin"), outside=outside)
    totals = (
        [case.prescription.total_gy_rbe]
        if total_gy_rbe is None
        else numbers(total_gy_rbe, option="--total-gy-rbe")
    )
    others = [
        {key: value}
        for key, values in (assignment(each, option="--against") for each in against or [])
        for value in values
    ]
    prepare_kernels()
    from doseplan.exchange import write_text
    from doseplan.present import margin_table
    from doseplan.study import margins_of_levels, require_other_number, uncertainty_levels

    for each in others:
        require_other_number(case, each)
    levels = uncertainty_levels(
        case, robust=robust, setup_mm=[] if setup_mm is None else numbers(setup_mm, option="--setup-mm")
    )
    folder = out or default_folder(case, "points-")
    found: list[Margin] = []
    content: dict[str, Any] = {"case": case.name, "margins": []}
    folders = [level.folder(folder) for level in levels]
    with _kept_when_stopped(*folders), progress() as report:
        for total in totals:
            margins = margins_of_levels(
                levels,
                total_gy_rbe=total,
                range_mm=(low, high),
                step_mm=step_mm,
                prove=prove,
                programs=programs,
                against=others,
                out=folder,
                progress=report,
            )
            for margin, beside in margins:
                found.append(margin)
                content["margins"].append(
                    {**margin.numbers(), "against": [each.numbers() for each in beside]}
                )
    folder = min(folders, key=lambda each: len(each.name))
    write_text(folder / "margin.json", json.dumps(content, indent=2, allow_nan=False) + "\n")

    def show(console: "Console") -> None:
        console.print(margin_table(content))

    answer(content, as_json, show)
    say(f"Folder: {folder} (margin.json, points)")
    without = [each.named() for each in found if each.margin_mm is None]
    if without:
        raise LimitError(f"no separation up to {high:g} mm meets all goals at: {', '.join(without)}")


def _ends(stated: str) -> tuple[float, float]:
    try:
        low, high = (float(each) for each in stated.split(":"))
    except ValueError:
        raise InputError(f"--range-mm: expected LOW:HIGH like 0:10, got '{stated}'") from None
    return low, high


def _draw(folder: Path, found: "xr.Dataset", figures: "dict[str, Any]") -> None:
    """Draw every figure of a sweep, one of each for each variant."""
    from doseplan.present import save_figure

    place = folder / "figures"
    place.mkdir(exist_ok=True)
    for variant in range(found.sizes["variant"]):
        number = f"_{variant + 1}" if found.sizes["variant"] > 1 else ""
        for name, draw in figures.items():
            picture: Figure = draw(found.isel(variant=variant))
            save_figure(picture, place / f"{name}{number}.png")


@contextmanager
def _kept_when_stopped(*folders: Path) -> Iterator[None]:
    """Say on Ctrl-C how many points are on disk, and that they need not be planned again."""
    from doseplan.exchange import finished_points

    try:
        yield
    except KeyboardInterrupt:
        for folder in folders:
            count = len(finished_points(folder))
            say(f"kept in {folder}: {count} points; the same command goes on from there")
        raise
