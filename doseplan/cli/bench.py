"""The command bench: times the kernels against other ways of doing the same work."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.tell import Json, answer, app, checked_path, prepare_kernels, say
from doseplan.messages import InputError

if TYPE_CHECKING:
    from rich.table import Table

REGRESSION = 4
PACKAGE = "doseplan_benchmarks"


@app.command(epilog="Example: doseplan bench --out bench.json")
def bench(
    work: Annotated[list[str] | None, typer.Argument(help="Rows to time; all if none is named.")] = None,
    seconds: Annotated[float, typer.Option(min=0.0, max=60.0, help="For the turns of a comparison.")] = 2.0,
    against: Annotated[Path | None, typer.Option(help="Stored ratios; default: those bundled.")] = None,
    out: Annotated[Path | None, typer.Option(help="Results, .json.")] = None,
    as_json: Json = False,
) -> None:
    """Time the kernels against slow twins, scipy and the memory; exit 4 if a ratio got worse than stored."""
    target = None if out is None else checked_path(out, ".json")
    stored = benchmark_file("baseline.json") if against is None else against
    baseline = _read(stored)
    with tempfile.TemporaryDirectory(prefix="doseplan-bench-") as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache  # empty, so that compiling can be timed
        prepare_kernels()
        rows = benchmark_module("comparisons").COMPARISONS
        chosen = {name: rows[name] for name in _names(work or [], list(rows))}
        start = time.perf_counter()
        result = {
            **circumstances(),
            **benchmark_module("measure").measure(chosen, seconds=seconds, tell=say),
        }
    result["seconds"], result["cpu_seconds"] = time.perf_counter() - start, time.process_time()
    result["regressions"] = benchmark_module("judge").regressions(result, baseline)
    if target is not None:
        from doseplan.exchange import write_text

        write_text(target, json.dumps(result, indent=1, allow_nan=False) + "\n")
    answer(result, as_json, lambda console: console.print(_table(result)))
    for line in result["regressions"]:
        say(line)
    if result["regressions"]:
        raise typer.Exit(REGRESSION)


def benchmark_file(name: str) -> Path:
    """Find a file of the benchmarks: they come with the program, or lie beside it in a checkout."""
    installed = Path(__file__).parents[1] / "benchmarks"
    checkout = installed.parents[1] / "benchmarks"
    return (installed if installed.is_dir() else checkout) / name


def benchmark_module(name: str) -> ModuleType:
    """Import a module of the benchmarks, which are data of the program and no room of it."""
    if PACKAGE not in sys.modules:
        path = benchmark_file("__init__.py")
        spec = importlib.util.spec_from_file_location(
            PACKAGE, path, submodule_search_locations=[str(path.parent)]
        )
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f"bench: expected the folder of benchmarks at {path.parent}, got none")
        package = importlib.util.module_from_spec(spec)
        sys.modules[PACKAGE] = package
        spec.loader.exec_module(package)
    return import_module(f"{PACKAGE}.{name}")


def _names(wanted: list[str], known: list[str]) -> list[str]:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(f"WORK: expected names among {', '.join(known)}, got {', '.join(unknown)}")
    return wanted or known


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected stored ratios, got '{error.strerror}'") from error
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, got '{error}'") from error
    if not isinstance(found, dict) or not isinstance(found.get("rows"), dict):
        raise InputError(f"{path}: expected stored ratios with `rows`, got something else")
    return found


def circumstances() -> dict[str, Any]:
    """Say what was measured, and with which versions."""
    names = ("doseplan", "numba", "numpy", "scipy")
    return {
        "commit": _commit(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def _commit() -> str:
    """Name the commit of the checkout; empty when installed."""
    folder = benchmark_file("").parent
    if not (folder / ".git").exists():
        return ""
    done = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def _table(result: dict[str, Any]) -> "Table":
    from rich.table import Table

    share = " (other programs had a part of the cores)" if result["busy"] else ""
    table = Table(title=f"quickest turns{share}; ratios: the larger, the better for the kernel")
    for column in ("work", "ns per", "1 thread", "2 threads", "times as fast as", "of roofline", "growth"):
        table.add_column(column)
    for name, row in result["rows"].items():
        nanoseconds = [row["ns_per_piece"].get(f"kernel, {count}") for count in ("1 thread", "2 threads")]
        ratios = row["ratios"]
        others = [
            f"{ratio.split(' / ')[0]}: {value:.3g}"
            for ratio, value in ratios.items()
            if ratio.endswith((" / kernel, 1 thread", "small size")) and not ratio.startswith("roofline")
        ]
        roof = ratios.get("roofline / kernel, 1 thread")
        table.add_row(
            name,
            row["unit"],
            *("" if value is None else f"{value:.3g}" for value in nanoseconds),
            ", ".join(others),
            "" if roof is None else f"{100.0 * roof:.0f} %",
            ", ".join(f"{axis}^{growth['exponent']:.2f}" for axis, growth in row["growth"].items()),
        )
    return table
