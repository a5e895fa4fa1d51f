"""Commands on cases and runs: run, check and prove."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.cases import Outside, case_names, case_path
from doseplan.cli.montecarlo import HISTORIES, METHOD, add_monte_carlo
from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import InputError, LimitError

if TYPE_CHECKING:
    from rich.console import Console

    from doseplan.case import Case


@app.command(epilog="Example: doseplan run phantoms/cases/t11_t12_mpnst.toml --out runs/first")
def run(
    case_file: Annotated[
        str | None,
        typer.Argument(
            metavar="CASE.toml", help="A case file, or the name of a bundled case.", autocompletion=case_names
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/<case>-<digest>.")] = None,
    recalculate: Annotated[
        str | None, typer.Option(help="monte-carlo: compute the finished plan again, side by side.")
    ] = None,
    histories: Annotated[
        int, typer.Option(help="Primary ions of the Monte Carlo, for each arm.")
    ] = HISTORIES,
    prove: Annotated[
        bool, typer.Option("--prove", help="Prove for each arm what no plan can beat; a minute or so an arm.")
    ] = False,
    finer: Annotated[
        bool,
        typer.Option(
            "--finer-spots",
            help="Plan with spots of half the spacing and half the energy step: takes longer.",
        ),
    ] = False,
    outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Plan a case without surgery, after decompression, and after separation: the main job."""
    from doseplan.case import load_case, with_finer_grid

    path = case_path(case_file, command="run")
    if recalculate not in (None, METHOD):
        raise InputError(f"--recalculate: expected {METHOD}, got {recalculate!r}")
    case = load_case(path, outside=outside)
    if finer:
        case = with_finer_grid(case)
    prepare_kernels()
    from doseplan.evaluation import evaluate
    from doseplan.exchange import write_text
    from doseplan.present import report_markdown, save_figures, summary_table
    from doseplan.study import add_bounds, plan_case, prove_arms, require_provable

    if prove:
        require_provable(case)
    folder = out or default_folder(case)
    with _kept_when_stopped(folder), progress() as report:
        tree = plan_case(case, out=folder, progress=report)
        if prove:
            prove_arms(folder, tree, case, progress=report)
        summary = evaluate(tree, case)
        add_bounds(folder, tree, summary)
        write_text(folder / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
        report("figures", 0.0)
        save_figures(tree, case, folder / "figures")
        report_text = report_markdown(summary, tree, case)
        write_text(folder / "report.md", report_text)
        if recalculate is not None:
            add_monte_carlo(tree, case, folder, summary, report_text, histories=histories, report=report)
    answer(summary, as_json, lambda console: console.print(summary_table(summary)))
    say(f"Run folder: {folder} (report.md, summary.json, figures)")
    _exit_on_limits(summary)


def default_folder(case: "Case", kind: str = "") -> Path:
    """Name the folder of a case and version, for when none is stated."""
    from doseplan.study import run_attributes

    digest = str(run_attributes(case)["digest"])
    plain_name = re.sub(r"[^\w.-]+", "_", case.name).strip(".")
    return Path("runs") / f"{plain_name}-{kind}{digest[:8]}"


@app.command(epilog="Example: doseplan check runs/first")
def check(
    run_folder: Annotated[
        Path, typer.Argument(metavar="RUN|DICOM", help="A run folder, or a folder with RT Dose and RTSTRUCT.")
    ],
    case_file: Annotated[
        Path | None,
        typer.Option("--case", help="Case with limits, goals and structures for a dose from DICOM."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a finished dose again; exit 3 when a hard limit is broken."""
    if not (run_folder / "run.json").is_file() and _holds_dicom(run_folder):
        return _check_dicom(run_folder, case_file, as_json)
    if case_file is not None:
        raise InputError(f"--case: expected with a folder of DICOM files only, got the run {run_folder}")
    from doseplan.evaluation import evaluate
    from doseplan.exchange import read_run
    from doseplan.present import summary_table
    from doseplan.schema import ARMS
    from doseplan.study import add_bounds

    with progress() as report:
        tree = read_run(run_folder, progress=report)
        summary = evaluate(tree)
        add_bounds(run_folder, tree, summary, draw=False)
    missing = [arm for arm in ARMS if arm not in summary["arms"]]
    if missing:
        say(f"warning: the run is not finished: no {', '.join(missing)}; `doseplan run` goes on with it")
    answer(summary, as_json, lambda console: console.print(summary_table(summary)))
    _exit_on_limits(summary)


@app.command(epilog="Example: doseplan prove runs/first --arm none")
def prove(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    arm: Annotated[list[str] | None, typer.Option(help="Arm to prove; all if not named.")] = None,
    programs: Annotated[
        int,
        typer.Option(
            min=1, help="Most linear programs of the search in each arm; the bound falls with them."
        ),
    ] = 60,
    check: Annotated[bool, typer.Option("--check", help="Check the proofs that are stored instead.")] = False,
    finer: Annotated[
        bool,
        typer.Option(
            "--finer-spots", help="Bound plans with spots of half the spacing and half the energy step, too."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Prove for each arm of a run that no plan gives the target's coldest part more, within the limits."""
    prepare_kernels()
    if check:
        return _check_proofs(run_folder, as_json)
    from doseplan.present.table import achieved_and_proven, more_lines
    from doseplan.study.proof import prove_run

    with progress() as report:
        found = prove_run(run_folder, arms=arm, programs=programs, finer=finer, progress=report)

    def show(console: "Console") -> None:
        for name, each in found.items():
            console.print(achieved_and_proven(name, each, digits=2))
            for line in more_lines(name, each):
                console.print(line)

    answer({"arms": found}, as_json, show)


def _check_proofs(folder: Path, as_json: bool) -> None:
    from doseplan.study.proof import check_proofs

    with progress() as report:
        found = check_proofs(folder, progress=report)
    if not found:
        raise InputError(f"{folder}: expected a stored proof, got none; `doseplan prove` makes one")
    lines = [f"{arm}: proof {'holds' if holds else 'does NOT hold'}" for arm, holds in found.items()]
    answer({"arms": found}, as_json, lambda console: console.print("\n".join(lines)))
    if not all(found.values()):
        raise LimitError(f"a stored proof does not hold in: {folder}")


def _holds_dicom(folder: Path) -> bool:
    """Tell whether a folder has a DICOM file in it, whatever its name."""
    from pydicom.misc import is_dicom

    return any(is_dicom(path) for path in folder.rglob("*") if path.is_file())


def _check_dicom(folder: Path, case_file: Path | None, as_json: bool) -> None:
    from doseplan.case import ScanCase, load_case

    case = None if case_file is None else load_case(case_file)
    if case is not None and not isinstance(case, ScanCase):
        raise InputError(f"--case: expected a case on a CT, got one on a phantom: {case_file}")
    prepare_kernels()
    from doseplan.present import grid_table
    from doseplan.study import judge_dicom

    with progress() as report:
        found = judge_dicom(folder, case, progress=report)
    answer(found, as_json, lambda console: console.print(grid_table(found)))
    for note in found["notes"]:
        say(note)
    if not found["limits_met"]:
        raise LimitError(f"a hard limit is broken in: {folder}")


def _exit_on_limits(summary: dict[str, Any]) -> None:
    broken = [name for name, arm in summary["arms"].items() if not arm["limits_met"]]
    if broken:
        raise LimitError(f"a hard limit is broken in: {', '.join(broken)}")


@contextmanager
def _kept_when_stopped(folder: Path) -> Iterator[None]:
    """Say on Ctrl-C which arms are on disk, and that they need not be planned again."""
    from doseplan.exchange.runs import STAGES
    from doseplan.schema import in_order

    try:
        yield
    except KeyboardInterrupt:
        there = in_order(path.name for path in folder.iterdir()) if folder.is_dir() else []
        whole = [arm for arm in there if all((folder / arm / f"{stage}.nc").exists() for stage in STAGES)]
        if whole:
            say(f"kept in {folder}: {', '.join(whole)}; the same command goes on from there")
        else:
            say("no arm was finished, so nothing is kept")
        raise
