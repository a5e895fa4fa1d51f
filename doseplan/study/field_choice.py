"""What is known of sets of fields: the best one, and why none of the others can win, or what is open."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Angles = tuple[float, ...]
Status = Literal["planned", "refuted", "open", "no plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSet:
    """What is known of one set of fields.

    Attributes
    ----------
    status
        `planned`; `refuted`: proven to stay below what the best set achieves; `open`: neither; `no plan`.
    upper_gye
        Target minimum that no plan of it reaches; None if nothing is proven.
    achieved_gye, cord_maximum_gye, goals_met
        Of its plan, None without one.
    why
        Why there is no plan.
    """

    gantry_deg: Angles
    status: Status
    upper_gye: float | None
    achieved_gye: float | None = None
    cord_maximum_gye: float | None = None
    goals_met: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The best set of fields that was found, and what is known of the others.

    Attributes
    ----------
    left_out
        Angles that can't be used, with the reason.
    sets
        How many there are of the angles that can.
    exhaustive
        All of them were looked at.
    best
        None if no set has a plan.
    closed
        Every other set is refuted.
    enough
        The best one reaches the prescription as far as plans do, so that no other was planned.
    tried
        The best one first, then by falling proven maximum.
    """

    fields: int
    separation_mm: float | None
    prescription_gye: float
    left_out: dict[str, str]
    sets: int
    exhaustive: bool
    best: TriedSet | None
    closed: bool
    enough: bool
    tried: tuple[TriedSet, ...]

    def numbers(self) -> dict[str, Any]:
        """List everything with plain types."""
        return {**asdict(self), "said": self.said()}

    def said(self) -> list[str]:
        """Say it in lines."""
        lines = [f"left out: {angle} deg: {why}" for angle, why in self.left_out.items()]
        count = {name: sum(each.status == name for each in self.tried) for name in ("planned", "refuted")}
        looked = "all" if self.exhaustive else f"{len(self.tried)} (by exchanging one field at a time)"
        lines.append(
            f"{self.sets} sets of {self.fields} fields, {looked} looked at: {count['planned']} planned, "
            f"{count['refuted']} refuted by bound"
        )
        if self.best is None:
            return [*lines, "no set has a plan that keeps the limits"]
        proven = "" if self.best.upper_gye is None else f", proven maximum {self.best.upper_gye:.2f} GyE"
        lines.append(
            f"best: {names(self.best.gantry_deg)}: target minimum: achieved {self.best.achieved_gye:.2f} GyE"
            f"{proven}"
        )
        return [*lines, *self._not_closed()]

    def _not_closed(self) -> list[str]:
        """Say what is not excluded."""
        if self.closed and self.exhaustive:
            return ["every other set is proven to give less"]
        lines = []
        if self.closed:
            lines.append("every other set that was looked at is proven to give less")
        if self.enough:
            lines.append(
                "it reaches the prescription as far as plans do: sets that may reach it, too, are left"
            )
        for status, said in (
            ("planned", "planned with less, but not refuted"),
            ("open", "neither planned nor refuted"),
            ("no plan", "without a plan, and not refuted"),
        ):
            found = [each for each in self.tried[1:] if each.status == status and self._may_win(each)]
            if found:
                known = [each.upper_gye for each in found if each.upper_gye is not None]
                up_to = f", up to {max(known):.2f} GyE" if len(known) == len(found) else ""
                lines.append(f"{said}: {len(found)}{up_to}")
        if not self.exhaustive:
            lines.append(f"of {self.sets - len(self.tried)} sets nothing is known")
        return lines

    def _may_win(self, other: TriedSet) -> bool:
        level = None if self.best is None else self.best.achieved_gye
        return level is None or other.upper_gye is None or other.upper_gye >= level


def names(gantry_deg: Sequence[float]) -> str:
    """Name a set: `90 + 270 deg`."""
    return f"{' + '.join(f'{each:g}' for each in gantry_deg)} deg"
