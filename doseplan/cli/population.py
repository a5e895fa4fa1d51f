"""Command on many anatomies of one case: population."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doseplan.cli.cases import Outside, case_path
from doseplan.cli.numbers import numbers
from doseplan.cli.plan import default_folder
from doseplan.cli.sharing import LocalWorkers, Scheduler, WorkerGib, workers_of
from doseplan.cli.studies import CaseFile, Programs
from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import LimitError

if TYPE_CHECKING:
    from rich.console import Console


@app.command(epilog="Example: doseplan population t11_t12_mpnst --anatomies 64 --separation-mm 0:10:1")
def population(
    case_file: CaseFile = None,
    anatomies: Annotated[int, typer.Option(help="How many are drawn; more later go on from the first.")] = 32,
    separation_mm: Annotated[
        str, typer.Option(metavar="MM", help="Separations that are searched, in even steps: first:last:step.")
    ] = "0:10:1",
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="What differs between patients (TOML); default the bundled table."),
    ] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Prove for each anatomy what is impossible below its margin.")
    ] = False,
    programs: Programs = 60,
    scheduler: Scheduler = None,
    local_workers: LocalWorkers = None,
    worker_gib: WorkerGib = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the anatomies; default runs/<case>-population-<digests>.")
    ] = None,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Find the margins of many drawn anatomies: how many need how many millimetres, and what drives it."""
    from doseplan.case import load_case, read_population

    separations = numbers(separation_mm, option="--separation-mm")
    stated = read_population(table)
    case = load_case(case_path(case_file, command="population"), outside=outside)
    prepare_kernels()
    workers = workers_of(scheduler, local_workers, worker_gib)
    from doseplan.exchange import write_dataset, write_text
    from doseplan.present import population_figure, population_tables, save_figure
    from doseplan.study import population_csv, population_numbers, sample_population

    digest = hashlib.sha256(stated.toml.encode()).hexdigest()[:4]
    folder = out or default_folder(case, f"population-{digest}-{seed}-")
    with _kept_when_stopped(folder), progress() as report:
        found = sample_population(
            case,
            anatomies=anatomies,
            separation_mm=separations,
            population=stated,
            seed=seed,
            prove=prove,
            programs=programs,
            out=folder,
            workers=workers,
            progress=report,
        )
    write_dataset(found, folder / "population.nc")
    write_text(folder / "population.csv", population_csv(found))
    save_figure(population_figure(found), folder / "population.png")
    content = population_numbers(found) | {"folder": str(folder)}

    def show(console: "Console") -> None:
        for each in population_tables(content):
            console.print(each)

    answer(content, as_json, show)
    for line in content["not_ranked"]:
        say(f"not ranked: {line}")
    for each in content["refused"]:
        say(f"refused: anatomy {each['anatomy']}: {each['why']}")
    for line in content["assumptions"]:
        if line.startswith("population: "):
            say(f"assumed of the {line}")
    say(f"Folder: {folder} (population.nc, population.csv, population.png, anatomies)")
    without = all(margin["none_in_range"]["share"] == 1.0 for margin in content["margins"].values())
    if without:
        raise LimitError(f"no separation up to {content['range_mm'][1]:g} mm meets all goals in any anatomy")


@contextmanager
def _kept_when_stopped(folder: Path) -> Iterator[None]:
    """Say on Ctrl-C how many anatomies are on disk, and that they need not be planned again."""
    from doseplan.exchange import finished_verdicts

    try:
        yield
    except KeyboardInterrupt:
        count = len(finished_verdicts(folder))
        say(f"kept in {folder}: {count} finished and points of the next; the same command goes on from there")
        raise
