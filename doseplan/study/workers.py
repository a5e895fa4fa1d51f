"""Work of a study in other processes, on this machine or others: jobs that leave what they find on disk.

A job is done when its files are there, so one whose worker dies is done again by another, and nothing that
was finished is lost. `distributed` is imported only where workers are asked for.
"""

import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from doseplan.messages import InputError, LimitError, Progress, silent

GIB = 2**30

MEMORY_PART = 0.9
"""Of the machine's memory that local workers share if nothing else is stated."""

CONNECT_S = 30.0
"""[s] a scheduler, and a first worker of it, are waited for."""

FAILURES = 3
"""Times that a job may lose its worker before it is given up."""

LOOPBACK = "127.0.0.1"

STARTS_WITH = "doseplan.study.worker_start"
"""Module that a local worker loads first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who does the work: processes on this machine, or those of a scheduler that runs already.

    Attributes
    ----------
    local
        Number of processes, 0 with a scheduler.
    scheduler
        Its address, as `tcp://host:8786`.
    memory_gib
        [GiB] most memory of each local process, their part of the machine's if None.
    """

    local: int = 0
    scheduler: str | None = None
    memory_gib: float | None = None

    def __post_init__(self) -> None:
        """Refuse none, both, and workers that the machine can't hold."""
        if (self.local > 0) == (self.scheduler is not None):
            raise InputError("workers: expected exactly one of local workers, a scheduler, got both or none")
        if self.scheduler is not None and not self.scheduler.startswith(("tcp://", "tls://")):
            raise InputError(f"scheduler: expected an address like tcp://host:8786, got '{self.scheduler}'")
        if self.memory_gib is not None and self.scheduler is not None:
            raise InputError("worker_gib: expected with local workers only, got it with a scheduler")
        if self.memory_gib is not None and not self.memory_gib > 0.0:
            raise InputError(f"worker_gib: expected worker_gib > 0, got {self.memory_gib:g}")
        if find_spec("distributed") is None:
            raise InputError(
                "workers: expected the package distributed, got none; pip install 'doseplan[cluster]'"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A call that a worker makes.

    Attributes
    ----------
    call
        A function of a module with what it is called with; what it returns is not kept.
    """

    said: str
    call: Callable[..., object]
    arguments: tuple[Any, ...]


def share_out(
    workers: Workers, jobs: Sequence[Job], *, folder: Path, file: str, progress: Progress
) -> float | None:
    """Have workers do all jobs.

    Parameters
    ----------
    folder, file
        Where all workers keep what they find, and what describes it there.

    Returns
    -------
    Peak memory of the largest worker [GiB], None if there was nothing to do or it can't be told.

    Raises
    ------
    InputError
        There is no such scheduler, no worker, one that does not share the folder or has another version; and
        whatever a job says of its case.
    LimitError
        A job has lost its worker again and again.
    """
    if not jobs:
        return None
    with _connected(workers, len(jobs), progress) as client:
        peak = _all_done(client, jobs, folder.absolute(), file, progress)
    if peak is not None:
        progress(f"workers are done; the largest took {peak:.2f} GiB of memory", 1.0)
    return peak


def require_scheduler(workers: Workers | None) -> None:
    """Refuse a scheduler that is not there or has no worker, before anything is written.

    Raises
    ------
    InputError
        Says which.
    """
    if workers is not None and workers.scheduler is not None:
        with _connected(workers, 0, silent):
            pass


def local_memory_gib(workers: Workers) -> float:
    """Give the most memory of each local worker [GiB]; refuse more than the machine has."""
    from distributed.system import MEMORY_LIMIT

    there = float(MEMORY_LIMIT) / GIB
    if workers.memory_gib is None:
        return MEMORY_PART * there / workers.local
    if workers.memory_gib * workers.local > there:
        raise InputError(
            f"worker_gib: expected at most {there / workers.local:.1f} GiB for each of {workers.local} local "
            f"workers on a machine of {there:.1f} GiB, got {workers.memory_gib:g}"
        )
    return workers.memory_gib


@contextmanager
def _connected(workers: Workers, jobs: int, progress: Progress) -> Iterator[Any]:
    """Give a client of a scheduler with workers; one of local workers ends with it, and so do they."""
    from distributed import Client

    if workers.scheduler is None:
        with (
            _local_cluster(workers, jobs, progress) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(workers.scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler: expected a dask scheduler at {workers.scheduler}, got '{_line(error)}'"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            raise InputError(
                f"scheduler: expected a worker of {workers.scheduler}, got none in {CONNECT_S:.0f} s"
            ) from None
        progress(f"workers of {workers.scheduler}", 0.0)
        yield client


def _local_cluster(workers: Workers, jobs: int, progress: Progress) -> Any:
    """Start processes of one thread each that listen to this machine only."""
    import dask
    from distributed import LocalCluster

    count, gib = min(workers.local, jobs), local_memory_gib(workers)
    progress(f"{count} local workers of at most {gib:.1f} GiB each", 0.0)
    stated = dask.config.get("distributed.worker.preload", [])
    kept = {
        "distributed.scheduler.allowed-failures": FAILURES,
        "distributed.worker.memory.target": False,  # nothing is held that could be spilt
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,  # what Python has not given back would stop it
        "distributed.worker.memory.terminate": 0.95,
        "distributed.worker.preload": [*([stated] if isinstance(stated, str) else stated), STARTS_WITH],
    }
    with dask.config.set(kept):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",
            memory_limit=int(gib * GIB),
            env={"NUMBA_NUM_THREADS": "1"},
            silence_logs=50,
        )


def _all_done(client: Any, jobs: Sequence[Job], folder: Path, file: str, progress: Progress) -> float | None:
    from distributed import KilledWorker, as_completed

    futures: list[Any] = []
    for job in jobs:
        call = (job.call, job.arguments, folder, file, version("doseplan"))
        futures.append(client.submit(_work, *call, pure=False))
    names = {future.key: job.said for future, job in zip(futures, jobs, strict=True)}
    peaks: list[float | None] = []
    started = time.monotonic()
    for done, future in enumerate(as_completed(futures, loop=client.loop), 1):
        try:
            peaks.append(future.result())
        except KilledWorker:
            raise LimitError(
                f"workers died over '{names[future.key]}' time and again: it may need more memory "
                "than a worker has; what is finished is kept"
            ) from None
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"scheduler: expected workers with doseplan {version('doseplan')}, got '{_line(error)}'"
            ) from None
        left = (time.monotonic() - started) / done * (len(jobs) - done)
        progress(f"{done} of {len(jobs)} done: {names[future.key]}{_left(left)}", done / len(jobs))
    known = [peak for peak in peaks if peak is not None]
    return max(known, default=None)


def _work(
    call: Callable[..., object],
    arguments: tuple[Any, ...],
    folder: Path,
    file: str,
    expected: str,
) -> float | None:
    """Do a job on a worker, on one thread; give the peak memory of its process [GiB]."""
    import numba
    from threadpoolctl import threadpool_limits

    host = platform.node() or "a host without a name"
    if version("doseplan") != expected:
        raise InputError(
            f"scheduler: expected workers with doseplan {expected}, got {version('doseplan')} on {host}"
        )
    if not (folder / file).is_file():
        raise InputError(f"scheduler: expected workers that see {folder}, got one on {host} that does not")
    numba.set_num_threads(1)
    with threadpool_limits(1):
        call(*arguments)
    return _peak_gib()


def _peak_gib() -> float | None:
    """Give the largest memory that this process has had; None where the system does not tell.

    Linux tells it in a file; what `getrusage` says there includes the process that this one was started from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        told = [line.split() for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(told[0][1]) * 1024 / GIB if told else None
    if find_spec("resource") is None:
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def _left(seconds: float) -> str:
    if seconds < 1.0:
        return ""
    return f" (about {seconds:.0f} s left)" if seconds < 90.0 else f" (about {seconds / 60.0:.0f} min left)"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
