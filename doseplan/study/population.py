"""The margins of many anatomies: each is drawn, and searched for its smallest separation."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from doseplan.case import Case, Population, read_population
from doseplan.case.population import Anatomy
from doseplan.dose import has_scenarios
from doseplan.exchange import (
    POPULATION_FILE,
    check_folder,
    open_run,
    read_verdict,
    run_digest,
    write_verdict,
)
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import PROGRAMS, require_provable
from doseplan.study.draws import draw_anatomies, refuse_all_refused
from doseplan.study.margin import even_steps, require_goals, smallest_margin
from doseplan.study.pipeline import run_attributes
from doseplan.study.points import json_plain
from doseplan.study.population_dataset import population_dataset
from doseplan.study.sweeping import kept_in
from doseplan.study.time_left import Took, timed
from doseplan.study.workers import Job, Workers, require_scheduler, share_out

ANATOMIES = "anatomies"
"""Folder of the points, a folder for each anatomy."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How the margin of each anatomy is searched for.

    Attributes
    ----------
    separations : [mm]
        Evenly spaced.
    programs
        Most linear programs of each proof, 0 without proofs.
    """

    separations: tuple[float, ...]
    programs: int


def sample_population(
    case: Case,
    *,
    anatomies: int,
    separation_mm: Sequence[float],
    population: Population | None = None,
    seed: int = 1,
    prove: bool = False,
    programs: int = PROGRAMS,
    out: str | Path | None = None,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Find for each of many drawn anatomies the smallest separation whose plan meets all limits and goals.

    Fields, prescription, goals and what the population does not draw are those of the case. An anatomy that
    the case reader refuses, or that can't be planned, is counted as refused with the reason.

    Parameters
    ----------
    anatomies
        How many are drawn. With the same seed the first of more are the same, so a folder can grow.
    separation_mm : [mm]
        Evenly spaced; the search is that of `smallest_margin`, so not all of them are planned.
    population
        The bundled one if None.
    prove
        Prove what is impossible below each margin, as planned.
    programs
        Most linear programs of each proof.
    out
        Folder of the anatomies and their points: each is kept there at once, and those that are there are
        taken. None keeps nothing.
    workers
        Who does the work if not this process alone; the numbers are the same, bit for bit.

    Returns
    -------
    Dataset over anatomy, separation, errors, percentile, outcome, driver
        As the schema declares for populations. `errors` is `nominal`, and `robust` for a case that names
        errors. Drawn numbers are coordinates along `anatomy`.

    Raises
    ------
    InputError
        The case has no anatomy that can be drawn, every draw is refused, separations are not evenly spaced,
        or `out` is in use.
    """
    chosen = read_population() if population is None else population
    separations = even_steps(separation_mm)
    require_goals(case)
    if prove:
        require_provable(case)
    drawn = draw_anatomies(case, chosen, count=anatomies, seed=seed)
    search = Search(separations=separations, programs=programs if prove else 0)
    attributes = _attributes(case, chosen, seed)
    require_scheduler(workers)
    with kept_in(out) as folder:
        check_folder(folder, attributes, file=POPULATION_FILE)
        open_run(folder, attributes, file=POPULATION_FILE)
        left = [each for each in drawn if _kept(folder, each, search) is None]
        if workers is None:
            _one_by_one(folder, left, search, progress)
        else:
            jobs = [
                Job(said=_said(each), call=judge_anatomy, arguments=(folder.absolute(), each, search))
                for each in left
            ]
            share_out(workers, jobs, folder=folder, file=POPULATION_FILE, progress=progress)
        records = [judge_anatomy(folder, each, search) for each in drawn]
    refuse_all_refused(case, [record["why"] for record in records])
    progress("percentiles and ranking", 1.0)
    return population_dataset(case, chosen, drawn, separations, records, seed=seed)


def judge_anatomy(folder: Path, anatomy: Anatomy, search: Search, *, progress: Progress = silent) -> Record:
    """Search the margin of an anatomy and keep what was found; take it from the folder if it is there.

    Returns
    -------
    dict
        `anatomy` (its number), `why` (lines, empty if it was not refused), `nominal` and `robust` (numbers of
        a margin, None if refused; `robust` None for a case without errors).
    """
    found = _kept(folder, anatomy, search)
    if found is not None:
        return found
    record: Record = {"digest": _digest(anatomy, search), "anatomy": anatomy.number}
    record |= {"why": list(anatomy.why), "nominal": None, "robust": None}
    if anatomy.case is not None:
        try:
            record |= _searched(folder, anatomy, search, progress)
        except InputError as error:
            if any(line.startswith(str(folder)) for line in error.lines):  # of the disk, not of the anatomy
                raise
            record["why"] = list(error.lines)
    write_verdict(folder, _name(anatomy, search), json_plain(record))
    kept = _kept(folder, anatomy, search)
    assert kept is not None, "it was just written"
    return kept


def _searched(folder: Path, anatomy: Anatomy, search: Search, progress: Progress) -> Record:
    assert anatomy.case is not None
    first, second = search.separations[:2]
    found: Record = {}
    for name, robust in (("nominal", False), ("robust", True)):
        if robust and not has_scenarios(anatomy.case.robustness):
            continue
        margin = smallest_margin(
            anatomy.case,
            range_mm=(first, search.separations[-1]),
            step_mm=round(second - first, 6),
            robust=robust,
            prove=search.programs > 0 and not robust,
            programs=max(search.programs, 1),
            out=folder / ANATOMIES / f"{anatomy.number:04d}",
            progress=progress,
        )
        found[name] = margin.numbers()
    return found


def _one_by_one(folder: Path, left: Sequence[Anatomy], search: Search, progress: Progress) -> None:
    took: Took = {"anatomy": []}
    for number, anatomy in enumerate(left):
        kinds = ["anatomy"] * (len(left) - number)
        said = f"{number + 1} of {len(left)}: {_said(anatomy)}"
        with timed(progress, said, took, kinds, done=number) as told:
            judge_anatomy(folder, anatomy, search, progress=told)


def _attributes(case: Case, population: Population, seed: int) -> dict[str, Any]:
    """Describe the folder: those of a run of the case, with the population and its seed in the digest."""
    attributes = {**run_attributes(case), "population": f"seed = {seed}\n{population.toml}"}
    return {**attributes, "digest": run_digest(attributes)}


def _kept(folder: Path, anatomy: Anatomy, search: Search) -> Record | None:
    return read_verdict(folder, _name(anatomy, search), digest=_digest(anatomy, search))


def _digest(anatomy: Anatomy, search: Search) -> str:
    """Tell searches of one population apart; case, version and seed are those of the folder."""
    case = "" if anatomy.case is None else anatomy.case.case_toml
    text = json.dumps([anatomy.number, case, list(anatomy.why), asdict(search)])
    return hashlib.sha256(text.encode()).hexdigest()


def _name(anatomy: Anatomy, search: Search) -> str:
    return f"{anatomy.number:04d}_{_digest(anatomy, search)[:8]}"


def _said(anatomy: Anatomy) -> str:
    return f"anatomy {anatomy.number}"
