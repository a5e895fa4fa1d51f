"""The page of figures: every figure function of the package stands on it, and the example is right."""

import ast
import inspect
import re
from pathlib import Path

from matplotlib.figure import Figure

from doseplan import present

PAGE = (Path(__file__).parent.parent / "docs" / "figures.md").read_text(encoding="utf-8")


def test_every_figure_of_the_package_is_listed_as_it_is_called() -> None:
    listed = {
        name: [each.strip() for each in stated.split(",")]
        for name, stated in re.findall(r"^\| `(\w+)\(([^)]*)\)` \|", PAGE, re.MULTILINE)
    }
    drawn = {
        name: inspect.signature(getattr(present, name))
        for name in present.__all__
        if inspect.signature(getattr(present, name)).return_annotation is Figure
    }
    assert sorted(listed) == sorted(drawn)
    for name, signature in drawn.items():
        needed = [
            key for key, each in signature.parameters.items() if each.default is inspect.Parameter.empty
        ]
        assert listed[name] == needed, name


def test_the_example_takes_what_is_there() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    taken = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    names = {each.name for node in taken if node.module == "doseplan.present" for each in node.names}
    assert names == {"dose_slices", "save_figure"}
    assert names <= set(present.__all__)
