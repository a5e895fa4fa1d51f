"""Run folders on disk."""

from doseplan.exchange.runs import (
    check_folder,
    open_run,
    read_arm,
    read_run,
    run_digest,
    write_arm,
    write_attributes,
    write_run,
    write_text,
)

__all__ = [
    "check_folder",
    "open_run",
    "read_arm",
    "read_run",
    "run_digest",
    "write_arm",
    "write_attributes",
    "write_run",
    "write_text",
]
