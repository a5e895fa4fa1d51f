"""Lists of numbers as people write them: `0:10:1` or `60,64,67.2`."""

from decimal import Decimal, InvalidOperation

from doseplan.messages import InputError

MOST = 1000
"""Values of one list."""


def numbers(stated: str, *, option: str) -> list[float]:
    """Read a list: values and ranges `first:last:step`, both ends included, divided by commas.

    Raises
    ------
    InputError
        A part is neither, or a range does not end where it says.
    """
    found: list[float] = []
    for part in stated.split(","):
        try:
            ends = [Decimal(each.strip()) for each in part.split(":")]
        except InvalidOperation:
            ends = []
        if len(ends) not in (1, 3) or not all(each.is_finite() for each in ends):
            raise InputError(f"{option}: expected numbers like 0:10:1 or 0,2.5,5, got '{stated}'")
        found += [float(each) for each in (ends if len(ends) == 1 else _range(ends, part, option))]
    return found


def assignment(stated: str, *, option: str) -> tuple[str, list[float]]:
    """Read `key=values`."""
    key, equals, values = stated.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option}: expected key=values like tumour.wrap_deg=180,270, got '{stated}'")
    return key.strip(), numbers(values, option=f"{option} {key.strip()}")


def _range(ends: list[Decimal], part: str, option: str) -> list[Decimal]:
    first, last, step = ends
    if step <= 0 or last < first:
        raise InputError(f"{option}: expected first:last:step that rises by a step above 0, got '{part}'")
    count = (last - first) / step
    if count > MOST:
        raise InputError(f"{option}: expected at most {MOST} values, got {int(count) + 1}")
    if count != int(count):
        raise InputError(f"{option}: expected a whole number of steps from first to last, got '{part}'")
    return [first + number * step for number in range(int(count) + 1)]
