"""The command line. Cases are checked before anything heavy is imported."""

import json
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from doseplan.messages import InputError, LimitError, Progress

if TYPE_CHECKING:
    from rich.console import Console

GOOD, BAD_INPUT, LIMIT_BROKEN, INTERNAL, INTERRUPTED = 0, 2, 3, 70, 130

WHAT_TO_REPORT = "please report the lines above, the command and the case file"

app = typer.Typer(
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Carbon-ion dose and the spinal cord: what can this tumour get? Not for clinical use.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.callback(invoke_without_command=True)
def start(context: typer.Context, version: Annotated[bool, typer.Option("--version")] = False) -> None:
    """Show what to try when no command is given."""
    if version:
        print(f"doseplan {_version()}")
    elif context.invoked_subcommand is None:
        print("doseplan: carbon-ion dose and the spinal cord. Not for clinical use.\n\nTry:")
        for name in _bundled():
            print(f"  doseplan run {name}    three arms of the bundled case, side by side")
        print("  doseplan bragg 290     a Bragg curve with fragments, LET and GyE")
        print("  doseplan --help        all commands")


@app.command(epilog="Example: doseplan run phantoms/cases/t11_t12_mpnst.toml --out runs/first")
def run(
    case_file: Annotated[
        str | None, typer.Argument(metavar="CASE.toml", help="A case file, or the name of a bundled case.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/<case>-<digest>.")] = None,
    as_json: Json = False,
) -> None:
    """Plan a case without surgery, after decompression, and after separation: the main job."""
    from doseplan.case import load_case

    if case_file is None:
        raise InputError(f"run: expected a case file, got none; bundled cases: {', '.join(_bundled())}")
    bundled = _bundled()
    case = load_case(bundled.get(case_file, case_file))
    _prepare_kernels()
    from doseplan.evaluation import evaluate
    from doseplan.exchange import write_text
    from doseplan.present import report_markdown, save_figures, summary_table
    from doseplan.study import plan_case, run_attributes

    digest = str(run_attributes(case)["digest"])
    plain_name = re.sub(r"[^\w.-]+", "_", case.name).strip(".")
    folder = out or Path("runs") / f"{plain_name}-{digest[:8]}"
    with _kept_when_stopped(folder), _progress() as progress:
        tree = plan_case(case, out=folder, progress=progress)
        summary = evaluate(tree, case)
        write_text(folder / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
        progress("figures", 0.0)
        save_figures(tree, case, folder / "figures")
        write_text(folder / "report.md", report_markdown(summary, tree, case))
    _answer(summary, as_json, lambda console: console.print(summary_table(summary)))
    _say(f"Run folder: {folder} (report.md, summary.json, figures)")
    _exit_on_limits(summary)


@app.command(epilog="Example: doseplan check runs/first")
def check(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")], as_json: Json = False
) -> None:
    """Judge the finished dose of a run again; exit 3 when a hard limit is broken."""
    from doseplan.evaluation import evaluate
    from doseplan.exchange import read_run
    from doseplan.exchange.runs import ARMS
    from doseplan.present import summary_table

    with _progress() as progress:
        summary = evaluate(read_run(run_folder, progress=progress))
    missing = [arm for arm in ARMS if arm not in summary["arms"]]
    if missing:
        _say(f"warning: the run is not finished: no {', '.join(missing)}; `doseplan run` goes on with it")
    _answer(summary, as_json, lambda console: console.print(summary_table(summary)))
    _exit_on_limits(summary)


@app.command(epilog="Example: doseplan bragg 290 --out bragg.png")
def bragg(
    energy: Annotated[float, typer.Argument(metavar="ENERGY", help="MeV/u, 50 to 430.")],
    ion: Annotated[str, typer.Option(help="Primary ion.")] = "12C",
    ripple_filter_mm: Annotated[float, typer.Option(help="Ripple filter, mm of water.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Picture; default bragg_<ion>_<energy>.png.")] = None,
    as_json: Json = False,
) -> None:
    """Show one Bragg curve in water: by charge, LET, GyE, picture and numbers."""
    _prepare_kernels()
    from doseplan.dose import depth_dose
    from doseplan.present import bragg_curve, bragg_numbers, bragg_table, save_figure

    path = out or Path(f"bragg_{ion}_{energy:g}.png")
    if path.is_dir() or path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise InputError(f"--out: expected a .png file in a folder that exists, got {path}")
    curve = depth_dose(energy, ion=ion, ripple_filter_mm=ripple_filter_mm)
    try:
        save_figure(bragg_curve(curve), path)
    except OSError as error:
        raise InputError(f"--out: expected a file that can be written, got '{error.strerror}'") from error
    _answer(bragg_numbers(curve), as_json, lambda console: console.print(bragg_table(curve)))
    _say(f"Picture: {path}")


def main() -> None:
    """Run the command line with the exit codes that DESIGN.md names."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = app(standalone_mode=False)
    except InputError as error:
        sys.exit(_fail(BAD_INPUT, *error.lines))
    except LimitError as error:
        sys.exit(_fail(LIMIT_BROKEN, str(error)))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_fail(INTERRUPTED, "stopped"))
    except BrokenPipeError:
        sys.exit(INTERNAL)
    except Exception as error:
        show = getattr(error, "format_message", None)
        if show is not None:  # a mistake in the command itself
            sys.exit(_fail(BAD_INPUT, f"doseplan: {show()}; `doseplan --help` shows what there is"))
        traceback.print_exc()
        version = _version()
        sys.exit(
            _fail(INTERNAL, f"doseplan {version}: internal error, not a mistake of yours: {WHAT_TO_REPORT}")
        )
    if code == INTERRUPTED:  # typer has turned Ctrl-C into an exit code
        _say("stopped")
    sys.exit(code if isinstance(code, int) else GOOD)


def _fail(code: int, *lines: str) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return code


def _version() -> str:
    from doseplan import __version__

    return __version__


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as a line for people, without the place in the source that it comes from."""
    _say(f"warning: {message}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _bundled() -> dict[str, Path]:
    from doseplan.case import bundled_cases

    return bundled_cases()


def _answer(content: dict[str, Any], as_json: bool, show: Callable[["Console"], None]) -> None:
    """Print the JSON object on standard output, or the table for people."""
    from rich.console import Console

    if as_json:
        print(json.dumps(content, indent=2, allow_nan=False))
    else:
        console = Console()
        show(console if console.is_terminal else Console(width=118))


def _exit_on_limits(summary: dict[str, Any]) -> None:
    broken = [name for name, arm in summary["arms"].items() if not arm["limits_met"]]
    if broken:
        raise LimitError(f"a hard limit is broken in: {', '.join(broken)}")


def _prepare_kernels() -> None:
    """Choose the folder of compiled kernels before numba is imported, and let waiting threads sleep.

    Threads that spin while they wait slow other processes on the machine, and win nothing here.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    from importlib.metadata import version

    from platformdirs import user_cache_path

    folder = user_cache_path("doseplan") / f"kernels-{version('doseplan')}-numba-{version('numba')}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        folder = Path(tempfile.mkdtemp(prefix="doseplan-kernels-"))
        _say(f"warning: compiled kernels can't be kept ({error.strerror}); compiling into {folder}")
    if not any(folder.iterdir()):
        _say("compiling kernels, once (about a minute in all)")
    os.environ["NUMBA_CACHE_DIR"] = str(folder)


@contextmanager
def _kept_when_stopped(folder: Path) -> Iterator[None]:
    """Say on Ctrl-C which arms are on disk, and that they need not be planned again."""
    from doseplan.exchange.runs import ARMS, STAGES

    try:
        yield
    except KeyboardInterrupt:
        whole = [arm for arm in ARMS if all((folder / arm / f"{stage}.nc").exists() for stage in STAGES)]
        if whole:
            _say(f"kept in {folder}: {', '.join(whole)}; the same command goes on from there")
        else:
            _say("no arm was finished, so nothing is kept")
        raise


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is being done: a bar on a terminal, a line for each new step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda message, done: bar.update(task, description=message, completed=done)


def _lines() -> Progress:
    """Print a line when the step changes; numbers after a comma don't make a new step."""
    said: list[str] = []

    def report(message: str, done: float) -> None:
        step = message.split(",")[0]
        if step not in said:
            said.append(step)
            _say(step)

    return report
