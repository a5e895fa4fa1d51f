"""Run folders on disk."""

from doseplan.exchange.runs import open_run, read_arm, read_run, write_arm, write_run, write_text

__all__ = ["open_run", "read_arm", "read_run", "write_arm", "write_run", "write_text"]
