"""Work through plans and proofs of a study, and say how long the rest will take."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from doseplan.messages import Progress
from doseplan.study.points import Point, Study, planned_point, proven_point


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A plan, or a proof, that is not on disk yet."""

    kind: Literal["plan", "proof"]
    point: Point


def work_through(study: Study, tasks: Sequence[Task], *, programs: int, progress: Progress) -> None:
    """Do all tasks in turn; what they give is on disk at once."""
    took: dict[str, list[float]] = {"plan": [], "proof": []}
    for number, task in enumerate(tasks):
        left = time_left([each.kind for each in tasks[number:]], took)
        name = task.point.said if task.kind == "plan" else f"proof for {task.point.said}"
        step = f"{number + 1} of {len(tasks)}: {name}{left}"
        started = time.monotonic()
        told = _within(progress, step, number, len(tasks))
        if task.kind == "plan":
            planned_point(study, task.point, progress=told)
        else:
            proven_point(study, task.point, programs=programs, progress=told)
        took[task.kind].append(time.monotonic() - started)


def time_left(kinds: Sequence[str], took: dict[str, list[float]]) -> str:
    """Say how long tasks will take, from the mean of those of their kind so far; nothing before the first.

    Parameters
    ----------
    kinds
        Of the tasks that are left.
    took : [s]
        By kind.
    """
    every = [seconds for kind in took.values() for seconds in kind]
    if not every:
        return ""
    usual = sum(every) / len(every)
    mean = {kind: sum(each) / len(each) if each else usual for kind, each in took.items()}
    seconds = sum(mean[kind] for kind in kinds)
    if seconds < 90.0:
        return f" (about {seconds:.0f} s left)"
    if seconds < 5400.0:
        return f" (about {seconds / 60.0:.0f} min left)"
    return f" (about {seconds / 3600.0:.1f} h left)"


def _within(progress: Progress, step: str, number: int, count: int) -> Progress:
    progress(step, number / count)
    return lambda message, done: progress(f"{step}, {message}", (number + min(max(done, 0.0), 1.0)) / count)
