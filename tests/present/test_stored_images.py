"""Every figure beside a stored picture of it, so that what changes how one looks is seen.

Pictures are compared without their letters, and without the layout that depends on how large letters are:
versions of matplotlib differ in both. What is written, and that nothing lies on it, is tested elsewhere.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.legend import Legend
from matplotlib.table import Table
from matplotlib.text import Text
from scipy.ndimage import gaussian_filter

from doseplan import present, schema
from doseplan.biology.models import rbe_model
from doseplan.case import Case, bundled_cases, load_case, read_population
from doseplan.case.spec import Robustness
from doseplan.dose import depth_dose, spread_out_peak
from doseplan.evaluation import evaluate
from doseplan.present.board_sheet import board_sheet
from doseplan.present.style import node
from doseplan.study.draws import draw_anatomies
from doseplan.study.population_dataset import population_dataset
from doseplan.study.sweep_table import sweep_dataset

STORED = Path(__file__).parent / "images"

DPI = 40

BLUR = 1.0
"""[px] edges that are smoothed otherwise must not count."""

ALLOWED = 0.008
"""[1] of the way from black to white, root mean square after the blur: matplotlib 3.9 to 3.11 stay below it,
most at 0, and a missing curve does not (see the last tests)."""

Draw = Callable[[xr.DataTree, Case], Figure]


def wrong_too(tree: xr.DataTree) -> xr.DataTree:
    """The run with two errors: all doses 3 GyE lower, and 2 GyE higher."""
    found = tree.copy()
    for arm in tree.children:
        samples = node(tree, arm, "samples")
        dose = samples["sample_dose_rbe"].values
        labels = rbe_model("NIRS").attributes(16)
        wrong = np.stack([np.maximum(dose - 3.0, 0.0), dose + 2.0])
        samples["scenario_dose_rbe"] = schema.variable("scenario_dose_rbe", wrong, **labels)
        found[f"{arm}/samples"] = xr.DataTree(samples)
    return found


def days_too(tree: xr.DataTree) -> xr.DataTree:
    """The run with three courses of 16 fractions: 10 % less, as planned, and 5 % more."""
    found = tree.copy()
    for arm in tree.children:
        samples = node(tree, arm, "samples")
        dose = np.outer([0.9, 1.0, 1.05], samples["sample_dose_rbe"].values / 16.0)[np.newaxis]
        labels = rbe_model("NIRS").attributes(1)
        samples["daily_shift"] = schema.variable("daily_shift", np.zeros((3, 3)))
        samples["daily_count"] = schema.variable("daily_count", 16 * np.eye(3)[:, np.newaxis, :])
        samples["daily_dose_rbe"] = schema.variable("daily_dose_rbe", dose, **labels)
        found[f"{arm}/samples"] = xr.DataTree(samples)
    return found


def with_days(case: Case) -> Case:
    return replace(case, robustness=Robustness(daily_mm=2.0))


def proof(tree: xr.DataTree) -> Figure:
    samples = node(tree, "none", "samples")
    structure = samples["sample_structure"].values
    held = [
        {"kind": kind, "share": share, "position_mm": samples["sample_position"].values[number].tolist()}
        for kind, wanted in (("level", 2), ("limit", 1))
        for number, share in zip(np.flatnonzero(structure == wanted)[:2], (0.7, 0.3), strict=True)
    ]
    return present.proof_figure("none", held, samples, 48.5)


def made_sweep(tree: xr.DataTree, case: Case) -> xr.Dataset:
    """Three separations: the arms of the run, with a proof for the first two."""
    arms = list(evaluate(tree, case)["arms"].values())
    bounds = ({"dmin_upper_gye": 52.0, "scenarios": 1}, {"dmin_upper_gye": 60.0, "scenarios": 1}, None)
    records = {
        (0, 0, number): {"nominal": arm, "bound": bound}
        for number, (arm, bound) in enumerate(zip(arms, bounds, strict=True))
    }
    return sweep_dataset(case, (0.0, 2.0, 4.0), (64.0,), ({},), records).isel(variant=0)


def made_population() -> xr.Dataset:
    """Twenty-four anatomies whose margin follows the ring angle; from 4 mm on none is enough."""
    case = load_case(bundled_cases()["t11_t12_mpnst"])
    drawn = draw_anatomies(case, read_population(), count=24, seed=1)
    margins = [int((float(each.drawn["ring angle"]) - 180.0) / 40.0) for each in drawn]
    tried = [
        [{"separation_mm": 0.0, "target_minimum_gye": 60.0 - each, "cord_maximum_gye": 49.0}]
        for each in margins
    ]
    records = [
        {
            "why": [],
            "robust": None,
            "nominal": {"margin_mm": None if mm > 3 else mm, "impossible_mm": None, "tried": seen},
        }
        for mm, seen in zip(margins, tried, strict=True)
    ]
    return population_dataset(case, read_population(), drawn, (0.0, 1.0, 2.0, 3.0), records, seed=1)


DRAWN: dict[str, Draw] = {
    "bragg": lambda tree, case: present.bragg_curve(depth_dose(120.0, step_mm=0.5)),
    "spread_out": lambda tree, case: present.spread_out_figure(spread_out_peak(120.0, width_mm=15.0)),
    "phantom": lambda tree, case: present.phantom_views(
        {arm: node(tree, arm, "anatomy") for arm in ("none", "separated")}, case
    ),
    "slices": present.dose_slices,
    "histograms": present.dose_volume_figure,
    "axes": present.axis_depth_dose,
    "let": present.let_figure,
    "robust": lambda tree, case: present.robust_figure(wrong_too(tree), case),
    "daily": lambda tree, case: present.daily_figure(days_too(tree), with_days(case)),
    "proof": lambda tree, case: proof(tree),
    "margin": lambda tree, case: present.margin_curve(made_sweep(tree, case)),
    "cord": lambda tree, case: present.cord_curve(made_sweep(tree, case)),
    "population": lambda tree, case: present.population_figure(made_population()),
    "spots": present.spot_maps,
    "sheet": lambda tree, case: board_sheet(evaluate(tree, case), tree, case),
}


def difference(one: Path, two: Path) -> float:
    """Root mean square difference of two pictures after a blur [1]; sizes may differ by a rounded pixel."""
    grey = [np.asarray(imread(path), dtype=np.float64)[..., :3].mean(axis=2) for path in (one, two)]
    assert np.abs(np.subtract(*(picture.shape for picture in grey))).max() <= 1
    rows, columns = np.min([picture.shape for picture in grey], axis=0)
    first, second = (gaussian_filter(picture[:rows, :columns], BLUR) for picture in grey)
    return float(np.sqrt(np.mean((first - second) ** 2)))


def saved(figure: Figure, path: Path) -> Path:
    figure.set_layout_engine("none")
    for artist in figure.findobj(lambda each: isinstance(each, Text | Legend | Table)):
        artist.set_visible(False)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_looks_as_it_did(name: str, tree: xr.DataTree, case: Case, tmp_path: Path) -> None:
    drawn, stored = saved(DRAWN[name](tree, case), tmp_path / f"{name}.png"), STORED / f"{name}.png"
    remedy = f"if {drawn} is right, copy it to {stored.relative_to(STORED.parent.parent)}"
    assert stored.is_file(), remedy
    assert difference(drawn, stored) < ALLOWED, remedy


def test_every_stored_picture_is_of_a_figure() -> None:
    assert sorted(path.stem for path in STORED.glob("*.png")) == sorted(DRAWN)


def test_a_lower_curve_would_be_seen(tree_of: Callable[..., xr.DataTree], case: Case, tmp_path: Path) -> None:
    path = saved(DRAWN["histograms"](tree_of(46.0, 50.0, 54.0), case), tmp_path / "lower.png")
    assert difference(path, STORED / "histograms.png") > ALLOWED


def test_a_missing_curve_would_be_seen(tree: xr.DataTree, case: Case, tmp_path: Path) -> None:
    figure = DRAWN["histograms"](tree, case)
    for panel in figure.axes:
        panel.lines[0].set_visible(False)
    assert difference(saved(figure, tmp_path / "fewer.png"), STORED / "histograms.png") > ALLOWED
