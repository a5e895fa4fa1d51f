"""Sweep a case over separations, prescriptions and any other of its numbers: one plan for each point."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import xarray as xr

from doseplan.case import Case, ScanCase
from doseplan.exchange import STUDY_FILE, open_run
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import PROGRAMS, require_provable
from doseplan.study.points import (
    SEPARATION,
    TOTAL,
    Point,
    Study,
    begin_study,
    check_voxels,
    has_dose,
    is_finished,
    is_proven,
    make_point,
    planned_point,
    with_bound,
)
from doseplan.study.sweep_table import sweep_dataset
from doseplan.study.time_left import Task, do_task, work_through
from doseplan.study.workers import Job, Workers, require_scheduler, share_out

FRACTIONS = "prescription.fractions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What is swept: rising values; a variant is a choice of the other numbers."""

    separations: tuple[float, ...]
    totals: tuple[float, ...]
    variants: tuple[dict[str, float], ...]

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Go through (variant, prescription, separation) as planned: prescriptions share their voxels."""
        sizes = (len(self.variants), len(self.separations), len(self.totals))
        for variant, separation, total in itertools.product(*map(range, sizes)):
            yield variant, total, separation


def sweep(
    case: Case,
    *,
    separation_mm: Sequence[float],
    total_gy_rbe: Sequence[float] = (),
    vary: Mapping[str, Sequence[float]] | None = None,
    prove: bool = False,
    programs: int = PROGRAMS,
    dose: bool = False,
    out: str | Path | None = None,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Plan a case at every combination of separation, prescription and other numbers.

    Parameters
    ----------
    separation_mm : [mm]
        0 is decompression alone.
    total_gy_rbe : [Gy(RBE)]
        Prescriptions; that of the case if empty.
    vary
        Other numbers of the case by dotted key, as `{"tumour.wrap_deg": [180.0, 270.0]}`.
    prove
        Prove at every point what no plan can beat.
    programs
        Most linear programs of each proof.
    dose
        Keep voxels and dose grid of each point, too; nothing that is reported needs them.
    out
        Folder of the points: each is kept there at once, and those that are there are taken. None keeps
        nothing.
    workers
        Who does the work if not this process alone; the numbers are the same, bit for bit.

    Returns
    -------
    Dataset over variant, prescription, separation
        As the schema declares for sweeps; numbers that vary are coordinates along `variant`.

    Raises
    ------
    InputError
        A combination is no valid case, surgery leaves nothing to plan, or `out` is in use.
    """
    axes = make_axes(case, separation_mm, total_gy_rbe, vary or {})
    points = points_of(case, axes)
    if prove:
        require_provable(case)
    require_scheduler(workers)
    with kept_in(out) as folder:
        study = begin_study(case, folder)
        tasks = tasks_of(study, list(points.values()), programs=programs if prove else 0, dose=dose)
        _check_widest(study, [task.point for task in tasks if task.kind == "plan"])
        if workers is None:
            work_through(study, tasks, programs=programs, progress=progress)
        else:
            _share_out(study, tasks, workers, programs=programs, progress=progress)
        records = {
            place: with_bound(study, point, planned_point(study, point)) for place, point in points.items()
        }
    return sweep_dataset(case, axes.separations, axes.totals, axes.variants, records)


def make_axes(
    case: Case,
    separation_mm: Sequence[float],
    total_gy_rbe: Sequence[float],
    vary: Mapping[str, Sequence[float]],
) -> Axes:
    """Put the values of each axis in rising order.

    Raises
    ------
    InputError
        An axis is empty, states a value twice, or one that is no number.
    """
    totals = total_gy_rbe or [case.prescription.total_gy_rbe]
    stated = {"separation_mm": separation_mm, "total_gy_rbe": totals, **vary}
    for key in (SEPARATION, TOTAL, FRACTIONS):
        if key in vary:
            raise InputError(f"{key}: {_NOT_VARIED[key]}")
    rising = {key: _rising(key, values) for key, values in stated.items()}
    choices = itertools.product(*(rising[key] for key in vary))
    return Axes(
        separations=rising["separation_mm"],
        totals=rising["total_gy_rbe"],
        variants=tuple(dict(zip(vary, choice, strict=True)) for choice in choices),
    )


_NOT_VARIED = {
    SEPARATION: "expected as separations of the sweep, got among the other numbers",
    TOTAL: "expected as prescriptions of the sweep, got among the other numbers",
    FRACTIONS: "expected the same in a whole sweep, as doses of different fractions can't be compared, "
    "got several",
}


def points_of(case: Case, axes: Axes) -> dict[tuple[int, int, int], Point]:
    """Make all points by their place, in the order of planning; all mistakes are reported at once."""
    found: dict[tuple[int, int, int], Point] = {}
    lines: list[str] = []
    for place in axes.places():
        variant, total, separation = place
        values = {TOTAL: axes.totals[total], **axes.variants[variant]}
        try:
            found[place] = make_point(case, axes.separations[separation], values)
        except InputError as error:
            lines += error.lines
    if lines:
        raise InputError(*dict.fromkeys(lines))
    return found


def tasks_of(study: Study, points: Sequence[Point], *, programs: int, dose: bool) -> list[Task]:
    """List what is not on disk yet: plans, proofs if `programs` is above 0."""
    tasks = []
    for point in points:
        if not is_finished(study, point):
            tasks.append(Task(kind="plan", point=point))
        if programs > 0 and not is_proven(study, point, programs):
            tasks.append(Task(kind="proof", point=point))
        if dose and not has_dose(study, point):
            tasks.append(Task(kind="dose", point=point))
    return tasks


def do_all(study: Study, tasks: Sequence[Task], programs: int) -> None:
    """Do tasks on the same voxels in turn, as a worker."""
    for task in tasks:
        do_task(study, task, programs=programs, progress=silent)


def _share_out(
    study: Study, tasks: Sequence[Task], workers: Workers, *, programs: int, progress: Progress
) -> None:
    """Have workers do all tasks: those on the same voxels together."""
    together: dict[tuple[str, float | None], list[Task]] = {}
    for task in tasks:
        together.setdefault((task.point.voxels, task.point.separation_mm), []).append(task)
    open_run(study.folder, study.attributes, file=STUDY_FILE)
    sent = replace(
        study, base=_anywhere(study.base), folder=study.folder.absolute(), scenes={}, spots={}, libraries=[]
    )
    jobs = []
    for group in together.values():
        said = group[0].said if len(group) == 1 else f"{group[0].said} and {len(group) - 1} more"
        tasks = [replace(each, point=replace(each.point, case=_anywhere(each.point.case))) for each in group]
        jobs.append(Job(said=said, call=do_all, arguments=(sent, tasks, programs)))
    share_out(workers, jobs, folder=study.folder, file=STUDY_FILE, progress=progress)


def _anywhere(case: Case) -> Case:
    """Give a case whose CT is found from any working folder."""
    return replace(case, folder=str(Path(case.folder).absolute())) if isinstance(case, ScanCase) else case


@contextmanager
def kept_in(out: str | Path | None) -> Iterator[Path]:
    """Give the folder of the points; one that is gone afterwards if none is stated."""
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="doseplan-points-") as folder:
        yield Path(folder)


def _check_widest(study: Study, points: Sequence[Point]) -> None:
    """Refuse separations that leave no tumour before any planning: the widest of each set of voxels."""
    widest: dict[str, Point] = {}
    for point in points:
        own = point.voxels
        best = widest.get(own)
        if point.separation_mm is not None and (
            best is None or point.separation_mm > (best.separation_mm or 0.0)
        ):
            widest[own] = point
    for point in widest.values():
        check_voxels(study, point)


def _rising(key: str, values: Sequence[float]) -> tuple[float, ...]:
    found = [float(value) for value in values]
    if not found:
        raise InputError(f"{key}: expected at least one value, got none")
    wrong = [value for value in found if not math.isfinite(value)]
    if wrong:
        raise InputError(f"{key}: expected finite numbers, got {wrong[0]}")
    twice = [value for value in found if found.count(value) > 1]
    if twice:
        raise InputError(f"{key}: expected each value once, got {twice[0]:g} again")
    return tuple(sorted(found))
