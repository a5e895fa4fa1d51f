"""Lists of numbers on the command line."""

import pytest

from doseplan.cli.numbers import assignment, numbers
from doseplan.messages import InputError


@pytest.mark.parametrize(
    ("stated", "values"),
    [
        ("0:3:1", [0.0, 1.0, 2.0, 3.0]),
        ("0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]),
        ("60,64,67.2", [60.0, 64.0, 67.2]),
        ("0:1:0.5, 2", [0.0, 0.5, 1.0, 2.0]),
        ("-2:2:2", [-2.0, 0.0, 2.0]),
        ("5:5:1", [5.0]),
    ],
)
def test_ranges_and_values(stated: str, values: list[float]) -> None:
    assert numbers(stated, option="--x") == values


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("", "--x: expected numbers like 0:10:1 or 0,2.5,5, got ''"),
        ("0:10", "--x: expected numbers like 0:10:1"),
        ("1,two", "--x: expected numbers like 0:10:1 or 0,2.5,5, got '1,two'"),
        ("nan", "--x: expected numbers like"),
        ("0:10:0", "--x: expected first:last:step that rises by a step above 0, got '0:10:0'"),
        ("10:0:1", "--x: expected first:last:step that rises"),
        ("0:1:0.3", "--x: expected a whole number of steps from first to last, got '0:1:0.3'"),
        ("0:1:0.0001", "--x: expected at most 1000 values, got 10001"),
    ],
)
def test_mistakes_are_one_line(stated: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        numbers(stated, option="--x")
    assert str(error.value).startswith(message)
    assert len(error.value.lines) == 1


def test_keys_with_values() -> None:
    assert assignment("tumour.wrap_deg=180,270", option="--vary") == ("tumour.wrap_deg", [180.0, 270.0])
    with pytest.raises(InputError, match="--vary: expected key=values like"):
        assignment("180,270", option="--vary")
    with pytest.raises(InputError, match=r"--vary a\.b: expected numbers like"):
        assignment("a.b=x", option="--vary")
