"""Levels of uncertainty that a margin is stated for, the one without any errors beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doseplan.case import Case, with_setup_error, without_errors
from doseplan.study.margin import Margin, require_errors, smallest_margin
from doseplan.study.margin_against import Against, margin_against


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What a margin is searched for.

    Attributes
    ----------
    robust
        Limits and goals have to hold in the case's error scenarios, too.
    suffix
        Of the folder of its points: another case needs one of its own. Empty for the case itself.
    """

    case: Case
    robust: bool
    suffix: str

    def folder(self, out: Path) -> Path:
        """Give the folder of its points, beside that of the case itself."""
        return out.with_name(out.name + self.suffix)


def uncertainty_levels(case: Case, *, robust: bool, setup_mm: Sequence[float] = ()) -> list[Level]:
    """List what margins are searched for: first without errors, then for each level.

    Parameters
    ----------
    robust
        Of the case's own errors, if no setup errors are stated.
    setup_mm : [mm]
        Setup errors that the case is planned and judged for, one after the other.

    Raises
    ------
    InputError
        The case's reader refuses one of them, or there are no errors to hold out against.
    """
    stated = [(with_setup_error(case, each), f"_setup_{each:g}_mm") for each in setup_mm]
    if not stated and not robust:
        return [Level(case=case, robust=False, suffix="")]
    levels = [Level(case=each, robust=True, suffix=suffix) for each, suffix in stated or [(case, "")]]
    for level in levels:
        require_errors(level.case)
    plain = without_errors(case)
    return [Level(case=plain, robust=False, suffix="" if plain is case else "_without_errors"), *levels]


def margins_of_levels(
    levels: Sequence[Level],
    *,
    out: Path,
    prove: bool,
    programs: int,
    against: Sequence[Mapping[str, float]] = (),
    **search: Any,
) -> list[tuple[Margin, list[Against]]]:
    """Find the margin of each level, and those beside it.

    Parameters
    ----------
    out
        Folder of the points of the case itself.
    against
        Other numbers of the case that each margin is set beside.
    search
        As for `smallest_margin`.

    Returns
    -------
    list
        What holds with errors first, without them last.
    """
    found: list[tuple[Margin, list[Against]]] = []
    guess_mm = None
    for level in levels:
        own = {**search, "robust": level.robust, "out": level.folder(out)}
        margin = smallest_margin(level.case, **own, prove=prove, programs=programs, guess_mm=guess_mm)
        guess_mm = margin.margin_mm
        if len(levels) > 1 and not level.robust:
            margin = replace(margin, errors="without errors")
        others = [smallest_margin(level.case, **own, prove=False, values=values) for values in against]
        found.append((margin, [margin_against(margin, *each) for each in zip(others, against, strict=True)]))
    return [*found[1:], found[0]]
