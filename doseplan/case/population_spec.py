"""The frozen dataclasses of a population: which numbers of a case differ between patients, and how."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from doseplan.case.anatomy_spec import STRICT, Source

Pair = tuple[float, float]
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9 ]*$")]
Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDraw:
    """The level whose lower disc is z = 0: one of `names`, or the case's own and its neighbours.

    The run of levels moves along. `weights` say how often each name is drawn; all as often if there are none.
    """

    __pydantic_config__ = STRICT

    source: Source
    neighbours: Annotated[int, Field(ge=0, le=10)] | None = None
    names: tuple[Text, ...] = ()
    weights: tuple[Annotated[float, Field(gt=0.0)], ...] = ()

    def __post_init__(self) -> None:
        """Refuse no levels, two kinds of them, and weights that are not theirs."""
        if (self.neighbours is None) == (not self.names):
            raise ValueError("expected exactly one of neighbours, names, got both or neither")
        if self.weights and len(self.weights) != len(self.names):
            raise ValueError(
                f"weights: expected one for each of {len(self.names)} names, got {len(self.weights)}"
            )
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"names: expected each once, got {', '.join(self.names)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureDraw:
    """How many patients of a hundred lie prone."""

    __pydantic_config__ = STRICT

    source: Source
    prone_percent: Annotated[float, Field(ge=0.0, le=100.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDraw:
    """One draw, for dimensions of all levels or for other numbers of the case.

    Attributes
    ----------
    percentile
        Dimensions of the morphometry that are all drawn at one percentile, 0.1 to 99.9.
    keys
        Or dotted keys of the case that all get one number, as `tumour.wrap_deg`, in the unit of their name:
    uniform
        any from the first to the last,
    normal
        or by mean and standard deviation, cut to `within` where that is stated,
    values
        or one of these.
    """

    __pydantic_config__ = STRICT

    name: Name
    source: Source
    percentile: tuple[Text, ...] = ()
    keys: tuple[Text, ...] = ()
    uniform: Pair | None = None
    normal: Pair | None = None
    within: Pair | None = None
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse draws that are two, none, or empty."""
        if bool(self.percentile) == bool(self.keys):
            raise ValueError("expected exactly one of percentile, keys, got both or neither")
        ways = [name for name in ("uniform", "normal", "values") if getattr(self, name) not in (None, ())]
        wanted = 0 if self.percentile else 1
        if len(ways) != wanted:
            rule = "no uniform, normal or values beside percentile" if self.percentile else _ONE_WAY
            raise ValueError(f"{rule}, got {', '.join(ways) or 'none of them'}")
        if self.within is not None and self.normal is None:
            raise ValueError("within: expected with normal only, got it without")
        for name in ("uniform", "within"):
            ends = getattr(self, name)
            if ends is not None and not ends[0] < ends[1]:
                raise ValueError(f"{name}: expected first < last, got {list(ends)}")
        if self.normal is not None and self.normal[1] <= 0.0:
            raise ValueError(f"normal: expected a deviation above 0, got {self.normal[1]:g}")


_ONE_WAY = "expected exactly one of uniform, normal, values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Which anatomies are drawn. What is not stated is as in the case.

    `toml` is the text that it was read from, no key of the file.
    """

    __pydantic_config__ = STRICT

    name: Text
    level: LevelDraw | None = None
    posture: PostureDraw | None = None
    number: tuple[NumberDraw, ...] = ()
    toml: str = ""

    def __post_init__(self) -> None:
        """Refuse a population without anything to draw, and names or keys that are drawn twice."""
        if not self.names:
            raise ValueError("expected level, posture or at least one number to draw, got none")
        drawn = [each for number in self.number for each in (*number.keys, *number.percentile)]
        for said, every in (("name", list(self.names)), ("key or dimension", drawn)):
            twice = [each for each in every if every.count(each) > 1]
            if twice:
                raise ValueError(f"number: expected each {said} once, got {twice[0]!r} again")

    @property
    def names(self) -> tuple[str, ...]:
        """What is drawn, in the order of the draws."""
        first = [name for name in ("level", "posture") if getattr(self, name) is not None]
        return (*first, *(number.name for number in self.number))
