"""The command that recomputes a finished run by Monte Carlo."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import Progress

if TYPE_CHECKING:
    import xarray as xr

    from doseplan.case import Case

METHOD = "monte-carlo"
HISTORIES = 4_000_000
"""About 2.4 % uncertainty of the absorbed dose of one voxel of 2 mm in the bundled case, in two minutes."""


@app.command(epilog="Example: doseplan recalculate runs/first --arm separated --histories 4000000")
def recalculate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    arm: Annotated[list[str] | None, typer.Option(help="Arm, any number of times; default all.")] = None,
    histories: Annotated[
        int, typer.Option(help="Primary ions for each arm; four times as many halve the uncertainty.")
    ] = HISTORIES,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 1,
    as_json: Json = False,
) -> None:
    """Compute a finished plan by Monte Carlo, and set its limits and minima beside the pencil beam's."""
    prepare_kernels()
    from doseplan.case import parse_case
    from doseplan.exchange import read_run, write_text
    from doseplan.present.agreement import agreement_table
    from doseplan.study.recalculation import FOLDER, recalculate_run

    with progress() as report:
        tree = read_run(run_folder, progress=report)
        texts = (str(tree.attrs["case_toml"]), str(tree.attrs["anatomy_toml"]))
        case = parse_case(*texts, where=f"{tree.attrs['case']}.toml")
        out = run_folder / FOLDER
        summary = recalculate_run(
            tree, case, arms=arm or (), histories=histories, seed=seed, out=out, progress=report
        )
        write_text(out / "agreement.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
    answer(summary, as_json, lambda console: console.print(agreement_table(summary)))
    say(f"Monte Carlo: {out} (agreement.md, agreement.json, one .nc for each arm)")


def add_monte_carlo(
    tree: "xr.DataTree",
    case: "Case",
    folder: Path,
    summary: dict[str, Any],
    report_text: str,
    *,
    histories: int,
    report: Progress,
) -> None:
    """Recompute a run that has just been planned, and add the comparison to its summary and report."""
    from doseplan.exchange import write_text
    from doseplan.present.agreement import agreement_markdown
    from doseplan.study.recalculation import FOLDER, recalculate_run

    found = recalculate_run(tree, case, histories=histories, out=folder / FOLDER, progress=report)
    summary["monte_carlo"] = found
    write_text(folder / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
    write_text(folder / "report.md", report_text + "\n" + agreement_markdown(found, level=2))
