"""What every command shares: the application, answers, progress, compiled kernels."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.messages import InputError, Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

app = typer.Typer(
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Carbon-ion dose and the spinal cord: what can this tumour get? Not for clinical use.",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def say(line: str) -> None:
    """Tell people something on standard error."""
    print(line, file=sys.stderr)


def answer(content: dict[str, Any], as_json: bool, show: Callable[["Console"], None]) -> None:
    """Print the JSON object on standard output, or the table for people."""
    from rich.console import Console

    if as_json:
        print(json.dumps(content, indent=2, allow_nan=False))
    else:
        console = Console()
        show(console if console.is_terminal else Console(width=118))


def prepare_kernels() -> None:
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
        say(f"warning: compiled kernels can't be kept ({error.strerror}); compiling into {folder}")
    if not any(folder.iterdir()):
        say("compiling kernels, once (about a minute in all)")
    os.environ["NUMBA_CACHE_DIR"] = str(folder)


def checked_path(path: Path, suffix: str, *, option: str = "--out") -> Path:
    """Refuse a file that can't be what is written."""
    if path.is_dir() or path.suffix.lower() != suffix or not path.parent.is_dir():
        raise InputError(f"{option}: expected a {suffix} file in a folder that exists, got {path}")
    return path


def draw(figure: "Figure", path: Path) -> None:
    """Write a picture, or say why it can't be written."""
    from doseplan.present import save_figure

    save_figure(figure, path)
    say(f"Picture: {path}")


@contextmanager
def progress() -> Iterator[Progress]:
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
            say(step)

    return report
