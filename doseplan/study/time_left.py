"""Work through plans and proofs of a study, and say how long the rest will take."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from doseplan.messages import Progress
from doseplan.study.points import Point, Study, dosed_point, planned_point, proven_point


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A plan, a proof or a dose on the grid that is not on disk yet."""

    kind: Literal["plan", "proof", "dose"]
    point: Point

    @property
    def said(self) -> str:
        """What people call it."""
        return self.point.said if self.kind == "plan" else f"{self.kind} for {self.point.said}"


Took = dict[str, list[float]]
"""Seconds of what is done, by kind."""


def work_through(study: Study, tasks: Sequence[Task], *, programs: int, progress: Progress) -> None:
    """Do all tasks in turn; what they give is on disk at once."""
    took: Took = {"plan": [], "proof": [], "dose": []}
    for number, task in enumerate(tasks):
        left = [each.kind for each in tasks[number:]]
        with timed(progress, f"{number + 1} of {len(tasks)}: {task.said}", took, left, done=number) as told:
            do_task(study, task, programs=programs, progress=told)


def do_task(study: Study, task: Task, *, programs: int, progress: Progress) -> None:
    """Do one task; what it gives is on disk then."""
    if task.kind == "plan":
        planned_point(study, task.point, progress=progress)
    elif task.kind == "proof":
        proven_point(study, task.point, programs=programs, progress=progress)
    else:
        dosed_point(study, task.point, progress=progress)


@contextmanager
def timed(progress: Progress, name: str, took: Took, left: Sequence[str], *, done: int) -> Iterator[Progress]:
    """Name a piece of work with the time that is left, give its own progress, and note how long it took.

    Parameters
    ----------
    left
        Kinds of work that are left, this one first.
    done
        Pieces of work that are done.
    """
    step = f"{name}{time_left(left, took)}"
    count = done + len(left)
    progress(step, done / count)
    started = time.monotonic()
    yield lambda message, part: progress(f"{step}, {message}", (done + min(max(part, 0.0), 1.0)) / count)
    took[left[0]].append(time.monotonic() - started)


def time_left(kinds: Sequence[str], took: Took) -> str:
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
