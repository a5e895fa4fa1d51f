"""What a local worker loads first: Ctrl-C is for the process that asked, which then ends its workers."""

import signal


def dask_setup(worker: object) -> None:
    """Let Ctrl-C pass; dask calls this when a worker starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
