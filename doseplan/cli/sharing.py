"""Options of commands whose work other processes can do."""

from typing import TYPE_CHECKING, Annotated

import typer

from doseplan.messages import InputError

if TYPE_CHECKING:
    from doseplan.study import Workers

MOST = 256
"""Local workers."""

Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Have a dask scheduler do it, as tcp://host:8786."),
]
LocalWorkers = Annotated[
    int | None, typer.Option(metavar="N", help="Work in so many processes of one thread on this machine.")
]
WorkerGib = Annotated[
    float | None,
    typer.Option(metavar="GIB", help="Most memory of each local worker; default its part of the machine's."),
]


def workers_of(
    scheduler: str | None, local_workers: int | None, worker_gib: float | None
) -> "Workers | None":
    """Make the workers that options state; None if this process works alone."""
    if scheduler is not None and local_workers is not None:
        raise InputError("--scheduler: expected alone or --local-workers instead, got both")
    if scheduler is None and local_workers is None:
        if worker_gib is not None:
            raise InputError("--worker-gib: expected with --local-workers, got it without")
        return None
    if local_workers is not None and not 1 <= local_workers <= MOST:
        raise InputError(f"--local-workers: expected 1 <= local workers <= {MOST}, got {local_workers}")
    from doseplan.study.workers import Workers, local_memory_gib

    found = Workers(local=local_workers or 0, scheduler=scheduler, memory_gib=worker_gib)
    if scheduler is None:
        local_memory_gib(found)
    return found
