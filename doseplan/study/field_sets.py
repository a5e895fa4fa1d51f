"""Which fields: of all sets of so many among candidate angles, the one whose plan gives the target most.

A set whose proven maximum lies below what another one achieves can't win, and need not be planned.
"""

import hashlib
import heapq
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doseplan import schema
from doseplan.case import Case
from doseplan.exchange import STUDY_FILE, open_run, read_verdict, write_verdict
from doseplan.messages import InputError, Progress, silent
from doseplan.planning.bound import Bound, prove, require_provable
from doseplan.planning.plan import TOLERANCE_PERCENT
from doseplan.planning.screen import screen
from doseplan.planning.stored import proof_record
from doseplan.study.field_choice import Angles, Choice, TriedSet, names
from doseplan.study.field_rows import FieldSearch, begin_search
from doseplan.study.points import (
    Record,
    begin_study,
    give_scene,
    is_finished,
    is_proven,
    json_plain,
    planned_point,
    proven_point,
)
from doseplan.study.sweeping import kept_in

CANDIDATES = tuple(range(0, 360, 15))
"""[deg] gantry angles if none are stated."""

PLANS, PROOFS = 8, 32
"""Most sets that are planned, and that are proven on all samples."""

PROGRAMS = 60
"""Most linear programs of each proof that a set can't win."""

MOST_SETS = 300
"""Up to so many sets are all looked at; of more, those that exchanges of one field lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """Most sets that are planned, and proven."""

    plans: int
    proofs: int

    def __post_init__(self) -> None:
        """Refuse a search that would do nothing."""
        for name, least in (("plans", 1), ("proofs", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}, got {getattr(self, name)}")


def choose_fields(
    case: Case,
    count: int,
    *,
    gantry_deg: Sequence[float] = CANDIDATES,
    separation_mm: float | None = None,
    plans: int = PLANS,
    proofs: int = PROOFS,
    programs: int = PROGRAMS,
    out: str | Path | None = None,
    progress: Progress = silent,
) -> Choice:
    """Find the set of fields whose plan has the highest target minimum under the case's limits.

    One set is proven, and every set is bounded from above by the samples of this proof and a few others.
    Then the set with the highest bound is taken each time: at first it is proven, on all samples, which
    lowers its bound; when it comes up again, it is planned. The search ends when no bound is above what is
    achieved. Up to `MOST_SETS` sets, all are looked at. Of more, fields are added one by one and then
    exchanged one by one, as long as bounds rise.

    Parameters
    ----------
    count
        Fields of a set; each covers the whole target, at the case's angles of couch and table top.
    gantry_deg
        Candidate angles.
    separation_mm
        None without surgery.
    plans, proofs
        Most sets that are planned, and that are proven.
    programs
        Most linear programs of each proof.
    out
        Folder of bounds, plans and proofs: each is kept there at once, and those that are there are taken.

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        Angles or numbers make no sense, the case can't be proven or is planned with errors, no angle can be
        used, or `out` is in use.
    """
    angles = _angles(gantry_deg, count)
    most = Most(plans=plans, proofs=proofs)
    require_provable(case)
    if case.robustness is not None and case.robustness.plan:
        raise InputError(
            f"{case.name}: robustness.plan: expected false, as sets of fields are compared without errors, "
            "got true"
        )
    with kept_in(out) as folder:
        study = begin_study(case, folder)
        search = begin_search(study, angles, count, separation_mm, programs, progress)
        open_run(folder, study.attributes, file=STUDY_FILE)
        _learn(search, progress)
        looked = _look(search, progress)
        return _planned_in_turn(search, looked, most, progress)


def _angles(gantry_deg: Sequence[float], count: int) -> Angles:
    wrong = [each for each in gantry_deg if not 0.0 <= each < 360.0]
    if wrong:
        raise InputError(f"gantry_deg: expected 0 <= gantry_deg < 360, got {wrong[0]:g}")
    angles = tuple(sorted(float(each) for each in gantry_deg))
    twice = [one for one, other in pairwise(angles) if one == other]
    if twice:
        raise InputError(f"gantry_deg: expected each angle once, got {twice[0]:g} again")
    if not 1 <= count <= len(angles):
        raise InputError(f"fields: expected 1 to {len(angles)} of the candidate angles, got {count}")
    return angles


def _first_set(search: FieldSearch) -> Angles:
    """Give the set whose fields are spread most evenly among the angles, the first of them."""
    usable = search.usable
    return tuple(usable[number * len(usable) // search.count] for number in range(search.count))


def _learn(search: FieldSearch, progress: Progress) -> None:
    """Prove one set, so that all are bounded by the samples of its proof, too: they bind in others."""
    first = _first_set(search)
    progress(f"the samples that bind, {names(first)}", 0.0)
    record = _sharper(search, first, progress)
    if record["upper_gye"] is not None:
        search.learn(record["proof"]["target_samples"], record["proof"]["limited_samples"])


def _look(search: FieldSearch, progress: Progress) -> dict[Angles, float]:
    """Bound all sets, or those that exchanges lead to."""
    sets = math.comb(len(search.usable), search.count)
    found: dict[Angles, float] = {}

    def upper(angles: Angles) -> float:
        if angles not in found:
            share = min(1.0, len(found) / sets)
            progress(f"bounds, {len(found) + 1} of {sets} sets", share)
            record = _screened(search, angles)
            found[angles] = math.inf if record["upper_gye"] is None else float(record["upper_gye"])
        return found[angles]

    if sets <= MOST_SETS:
        for angles in combinations(search.usable, search.count):
            upper(angles)
    else:
        exchanged(search.usable, search.count, upper)
    return {angles: bound for angles, bound in found.items() if len(angles) == search.count}


def exchanged(usable: Angles, count: int, value: Callable[[Angles], float]) -> Angles:
    """Find a set by adding the angle that raises a value most, then by exchanging one as long as it rises."""
    best: Angles = ()
    while len(best) < count:
        more = [tuple(sorted((*best, each))) for each in usable if each not in best]
        best = max(more, key=lambda each: (value(each), each))
    while True:
        others = [
            tuple(sorted((*(kept for kept in best if kept != out), each)))
            for out in best
            for each in usable
            if each not in best
        ]
        better = max(others, key=lambda each: (value(each), each), default=best)
        if value(better) <= value(best):
            return best
        best = better


def _screened(search: FieldSearch, angles: Angles) -> Record:
    """Bound a set and keep the bound; take it from the folder if it is there."""
    begun = f"samples of {_first_set(search)} with {search.programs}"
    name, digest = _kept_as(search, angles, f"bound, {begun}")
    found = read_verdict(search.study.folder, name, digest=digest)
    if found is None:
        found = _with_proof(search, angles, lambda: _screen(search, angles))
        write_verdict(search.study.folder, name, json_plain({"digest": digest, **found}))
    return found


def _sharper(search: FieldSearch, angles: Angles, progress: Progress) -> Record:
    """Bound a set by all samples of the case, and keep the bound; take it from the folder if it is there."""
    first = _first_set(search)
    begun = "alone" if angles == first else f"samples of {first}"  # where it begins changes where it ends
    name, digest = _kept_as(search, angles, f"proof with {search.programs}, {begun}")
    found = read_verdict(search.study.folder, name, digest=digest)
    if found is None:
        found = _with_proof(search, angles, lambda: _proof(search, angles, progress))
        write_verdict(search.study.folder, name, json_plain({"digest": digest, **found}))
    return found


def _proof(search: FieldSearch, angles: Angles, progress: Progress) -> Bound:
    """Prove from where the screening ended, which takes no plan."""
    _, point = search.point(angles)
    scene = search.scene(point)
    weight = screen(search.evidence(angles), search.prescription_gye).weight
    return prove(
        point.case,
        scene.phantom,
        scene.samples,
        scene.spots.assign(weight=schema.variable("weight", weight)),
        search.library,
        programs=search.programs,
        progress=_named(progress, angles),
    )


def _screen(search: FieldSearch, angles: Angles) -> Bound:
    """Bound a set by a few samples."""
    found = screen(search.evidence(angles), search.prescription_gye)
    target, limited, number = search.chosen[0]
    return Bound(
        proof=found.proof,
        target=_as_planned(number[target[found.target]]),
        limited=_as_planned(number[limited[found.limited]]),
        scenarios=1,
        witness_gye=0.0,
        witness=found.weight,
        history=np.empty((0, 2)),
    )


def _as_planned(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Name samples as planned, without errors."""
    return np.column_stack([number, np.zeros_like(number)])


def _with_proof(search: FieldSearch, angles: Angles, make: Callable[[], Bound]) -> Record:
    """Make a proof for a set and list it; `upper_gye` is None with a `why` if there is none."""
    record: Record = {"gantry_deg": list(angles), "separation_mm": search.separation_mm}
    try:
        bound = make()
    except InputError as error:
        return {**record, "upper_gye": None, "why": str(error)}
    return {**record, "upper_gye": bound.upper_gye, "why": "", "proof": proof_record(bound)}


def _kept_as(search: FieldSearch, angles: Angles, said: str) -> tuple[str, str]:
    """Give name and digest of what is kept of a set."""
    _, point = search.point(angles)
    digest = hashlib.sha256(json.dumps([point.digest, said]).encode()).hexdigest()
    return f"{'_'.join(f'{each:g}' for each in angles)}_{digest[:8]}", digest


def _planned_in_turn(
    search: FieldSearch, looked: dict[Angles, float], most: Most, progress: Progress
) -> Choice:
    """Take the set that may still win most, prove it, plan it when it comes up again, until none may win."""
    goal = search.prescription_gye * (1.0 - 0.01 * TOLERANCE_PERCENT)
    upper, sharp = dict(looked), set[Angles]()
    tried: dict[Angles, TriedSet] = {}
    best, enough, planned = None, False, 0
    waiting = [(-bound, angles) for angles, bound in looked.items()]
    heapq.heapify(waiting)
    while waiting and planned < most.plans and not enough:
        bound, angles = heapq.heappop(waiting)
        if best is not None and -bound < _achieved(best):
            break
        if angles not in sharp and len(sharp) < most.proofs:
            progress(f"proof {len(sharp) + 1}, {names(angles)}", len(sharp) / most.proofs)
            sharp.add(angles)
            proven = _sharper(search, angles, progress)["upper_gye"]
            upper[angles] = min(upper[angles], math.inf if proven is None else float(proven))
            heapq.heappush(waiting, (-upper[angles], angles))
            continue
        progress(f"plan {planned + 1}, {names(angles)}", planned / most.plans)
        tried[angles] = _planned(search, angles, upper[angles], progress)
        planned += tried[angles].status == "planned"
        if tried[angles].status == "planned" and (best is None or _achieved(tried[angles]) > _achieved(best)):
            best = tried[angles]
            enough = _achieved(best) >= goal
    tried |= {each: _without_plan(each, upper[each]) for each in looked if each not in tried}
    if best is not None:
        progress(f"proof for {names(best.gantry_deg)}", 1.0)
        best = _proven(search, best, progress)
        tried[best.gantry_deg] = best
    return _choice(search, tried, best, enough=enough)


def _achieved(tried: TriedSet) -> float:
    return -math.inf if tried.achieved_gye is None else tried.achieved_gye


def _without_plan(angles: Angles, upper: float) -> TriedSet:
    return TriedSet(gantry_deg=angles, status="open", upper_gye=upper if math.isfinite(upper) else None)


def _planned(search: FieldSearch, angles: Angles, upper: float, progress: Progress) -> TriedSet:
    """Plan a set; a plan that breaks a limit is none."""
    proven = upper if math.isfinite(upper) else None
    study, point = search.point(angles)
    try:
        if not is_finished(study, point):
            give_scene(study, point, search.scene(point))
        record = planned_point(study, point, progress=_named(progress, angles))
    except InputError as error:
        if any(line.startswith(str(search.study.folder)) for line in error.lines):  # of the disk
            raise
        return TriedSet(gantry_deg=angles, status="no plan", upper_gye=proven, why=str(error))
    arm = record["nominal"]
    if not record["plan"]["limits_met"]:
        return TriedSet(gantry_deg=angles, status="no plan", upper_gye=proven, why="a hard limit is broken")
    return TriedSet(
        gantry_deg=angles,
        status="planned",
        upper_gye=proven,
        achieved_gye=float(record["plan"]["target_minimum_gye"]),
        cord_maximum_gye=(arm["cord"] or {}).get("max_gye"),
        goals_met=bool(arm["goals_met"]),
    )


def _proven(search: FieldSearch, best: TriedSet, progress: Progress) -> TriedSet:
    """Prove what no plan of the best set exceeds, on the samples that bind its own plan."""
    study, point = search.point(best.gantry_deg)
    if not is_proven(study, point, search.programs):
        give_scene(study, point, search.scene(point))
    told = _named(progress, best.gantry_deg)
    bound = proven_point(study, point, programs=search.programs, progress=told)["bound"]
    if bound is None:
        return best
    known = math.inf if best.upper_gye is None else best.upper_gye
    return replace(best, upper_gye=min(known, float(bound["dmin_upper_gye"])))


def _choice(
    search: FieldSearch, tried: dict[Angles, TriedSet], best: TriedSet | None, *, enough: bool
) -> Choice:
    level = -math.inf if best is None else _achieved(best)
    judged = [
        replace(each, status="refuted")
        if each.status == "open" and each.upper_gye is not None and each.upper_gye < level
        else each
        for each in tried.values()
    ]
    others = [each for each in judged if best is None or each.gantry_deg != best.gantry_deg]
    others.sort(key=lambda each: (-math.inf if each.upper_gye is None else -each.upper_gye, each.gantry_deg))
    sets = math.comb(len(search.usable), search.count)
    return Choice(
        fields=search.count,
        separation_mm=search.separation_mm,
        prescription_gye=search.prescription_gye,
        left_out=search.left_out,
        sets=sets,
        exhaustive=len(tried) == sets,
        best=best,
        closed=best is not None
        and all(each.upper_gye is not None and each.upper_gye < level for each in others),
        enough=enough,
        tried=tuple([] if best is None else [best]) + tuple(others),
    )


def _named(progress: Progress, angles: Angles) -> Progress:
    return lambda message, done: progress(f"{names(angles)}: {message}", done)
