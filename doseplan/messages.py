"""What is said to people while we work: errors and progress."""

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with what is being done and the part of it that is done, 0 to 1."""


def silent(message: str, done: float) -> None:
    """Report no progress."""


class InputError(ValueError):
    """Input that can't be used: one line for each mistake, `where: expected rule, got value`.

    The command line prints the lines and exits with code 2.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class LimitError(RuntimeError):
    """A hard limit is not met or no plan exists; the command line exits with code 3."""
