"""The commands that recompute a finished run by Monte Carlo, and that plan it again with what they find."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.tell import Json, answer, app, prepare_kernels, progress, say
from doseplan.messages import LimitError, Progress

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


@app.command(epilog="Example: doseplan correct runs/first --arm separated --out runs/corrected")
def correct(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the new run; default RUN-corrected.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Arm, any number of times; default all.")] = None,
    histories: Annotated[
        int, typer.Option(help="Primary ions of each of the two Monte Carlos of each arm.")
    ] = HISTORIES,
    seed: Annotated[int, typer.Option(help="Of the first Monte Carlo; the second has the next one.")] = 1,
    as_json: Json = False,
) -> None:
    """Plan a run again with the pencil beam that its Monte Carlo corrects, and compute that plan by another.

    Exit 3 if under the second Monte Carlo the cord limit does not hold within the uncertainty.
    """
    prepare_kernels()
    from doseplan.case import parse_case
    from doseplan.evaluation import evaluate
    from doseplan.exchange import read_run
    from doseplan.present import report_markdown, save_figures
    from doseplan.present.agreement import agreement_table
    from doseplan.study.correction import cord_verdicts, correct_run
    from doseplan.study.recalculation import FOLDER

    folder = out or run_folder.resolve().parent / f"{run_folder.resolve().name}-corrected"
    with progress() as report:
        source = read_run(run_folder, progress=report)
        texts = (str(source.attrs["case_toml"]), str(source.attrs["anatomy_toml"]))
        case = parse_case(*texts, where=f"{source.attrs['case']}.toml")
        tree = correct_run(
            source,
            case,
            out=folder,
            source=run_folder / FOLDER,
            arms=arm or (),
            histories=histories,
            seed=seed,
            progress=report,
        )
        summary = evaluate(tree, case)
        report("figures", 0.0)
        save_figures(tree, case, folder / "figures")
        text = report_markdown(summary, tree, case)
        add_monte_carlo(tree, case, folder, summary, text, histories=histories, seed=seed + 1, report=report)
        found = summary["monte_carlo"]
    verdicts = cord_verdicts(found)
    answer({**found, "cord": verdicts}, as_json, lambda console: console.print(agreement_table(found)))
    say(f"Run folder: {folder} (report.md, summary.json, figures, montecarlo)")
    for name, verdict in verdicts.items():
        say(f"{name}: {_verdict_line(verdict)}")
    broken = [name for name in verdicts if not verdicts[name]["holds"]]
    broken += [name for name, one in summary["arms"].items() if not one["limits_met"] and name not in broken]
    if broken:
        raise LimitError(f"a hard limit is broken in: {', '.join(broken)}")


def _verdict_line(verdict: dict[str, Any]) -> str:
    found = (
        f"{verdict['monte_carlo_gye']:.2f} +- {verdict['uncertainty_gye']:.2f} GyE by Monte Carlo, spread "
    )
    found += f"{verdict['spread_gye']:.2f} +- {verdict['spread_uncertainty_gye']:.2f} GyE"
    holds = "holds" if verdict["holds"] else "does NOT hold"
    return f"the cord limit of {verdict['limit_gye']:g} GyE {holds} within the uncertainty: {found}"


def add_monte_carlo(
    tree: "xr.DataTree",
    case: "Case",
    folder: Path,
    summary: dict[str, Any],
    report_text: str,
    *,
    histories: int,
    seed: int = 1,
    report: Progress,
) -> None:
    """Recompute a run that has just been planned, and add the comparison to its summary and report."""
    from doseplan.exchange import write_text
    from doseplan.present.agreement import agreement_markdown
    from doseplan.study.recalculation import FOLDER, recalculate_run

    found = recalculate_run(tree, case, histories=histories, seed=seed, out=folder / FOLDER, progress=report)
    summary["monte_carlo"] = found
    write_text(folder / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
    write_text(folder / "report.md", report_text + "\n" + agreement_markdown(found, level=2))
