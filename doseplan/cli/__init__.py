"""The command line. Cases are checked before anything heavy is imported."""

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, TextIO

import typer

from doseplan.cli import (
    anatomy,
    beam,
    bench,
    definitions,
    doctor,
    exchange,
    explore,
    fields,
    montecarlo,
    plan,
    population,
    report,
    studies,
)
from doseplan.cli.tell import app, say
from doseplan.messages import InputError, LimitError

__all__ = [
    "anatomy",
    "app",
    "beam",
    "bench",
    "definitions",
    "doctor",
    "exchange",
    "explore",
    "fields",
    "main",
    "montecarlo",
    "plan",
    "population",
    "report",
    "studies",
]

GOOD, BAD_INPUT, LIMIT_BROKEN, INTERNAL, INTERRUPTED = 0, 2, 3, 70, 130

TRY = (
    ("explore", "a page to play with: beams, peaks, a spine; no code, offline"),
    ("run t11_t12_mpnst", "the arms of a bundled case, side by side"),
    ("margin t11_t12_mpnst", "how many millimetres must the surgeon make?"),
    ("phantom t11_t12_mpnst", "its voxel model: picture, volumes, staging"),
    ("import FOLDER", "a patient's CT and contours, ready to plan on"),
    ("bragg 290", "a Bragg curve with fragments, LET and GyE"),
    ("sobp 350", "a spread-out Bragg peak, flat in GyE"),
    ("doctor", "is everything installed as it should be?"),
    ("--install-completion", "let the Tab key complete commands and names of cases"),
    ("--help", "all commands"),
)
"""What is shown when no command is given."""

WHAT_TO_REPORT = "please report the lines above, the command and the case file"


@app.callback(invoke_without_command=True)
def start(context: typer.Context, version: Annotated[bool, typer.Option("--version")] = False) -> None:
    """Show what to try when no command is given."""
    if version:
        print(f"doseplan {_version()}")
    elif context.invoked_subcommand is None:
        print("doseplan: carbon-ion dose and the spinal cord. Not for clinical use.\n\nTry:")
        for command, said in TRY:
            print(f"  doseplan {command:<26}{said}")
        print(f"\nBundled cases: {', '.join(_bundled())}")


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
        if _in_kernel_cache(error):
            sys.exit(_fail(BAD_INPUT, _damaged_cache(error)))
        traceback.print_exc()
        version = _version()
        sys.exit(
            _fail(INTERNAL, f"doseplan {version}: internal error, not a mistake of yours: {WHAT_TO_REPORT}")
        )
    if code == INTERRUPTED:  # typer has turned Ctrl-C into an exit code
        say("stopped")
    sys.exit(code if isinstance(code, int) else GOOD)


def _fail(code: int, *lines: str) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return code


def _in_kernel_cache(error: Exception) -> bool:
    """Tell whether an error comes from reading compiled kernels, as after a disk has failed."""
    frames = (frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__))
    return "numba.core.caching" in frames


def _damaged_cache(error: Exception) -> str:
    folder = os.environ.get("NUMBA_CACHE_DIR", "kernel cache")
    return (
        f"{folder}: expected compiled kernels, got damaged ones ({type(error).__name__}); delete the folder, "
        "and they are compiled again"
    )


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
    say(f"warning: {message}")


def _bundled() -> dict[str, Path]:
    from doseplan.case import bundled_cases

    return bundled_cases()
