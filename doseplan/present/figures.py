"""The figures of a run as files. No state, no pyplot."""

from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from doseplan.case import Case
from doseplan.exchange.files import whole_file
from doseplan.present.curves import axis_depth_dose, dose_volume_figure
from doseplan.present.let_figure import let_figure
from doseplan.present.phantom_views import phantom_views
from doseplan.present.robust_figure import daily_figure, robust_figure
from doseplan.present.slices import dose_slices
from doseplan.present.style import node

SHOWN = ("none", "separated")
"""Arms whose voxel model is drawn."""


def save_figures(tree: xr.DataTree, case: Case, folder: Path) -> list[Path]:
    """Draw all figures of a run as PNG files, the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [arm for arm in tree.children if arm in SHOWN] or list(tree.children)
    phantoms = {arm: node(tree, arm, "anatomy") for arm in shown}
    drawn = {
        "phantom.png": phantom_views(phantoms, case),
        "dose.png": dose_slices(tree, case),
        "dvh.png": dose_volume_figure(tree, case),
        "depth_dose.png": axis_depth_dose(tree, case),
        "let.png": let_figure(tree, case),
    }
    if all("scenario_dose_rbe" in node(tree, arm, "samples") for arm in tree.children):
        drawn["robust.png"] = robust_figure(tree, case)
    if all("daily_dose_rbe" in node(tree, arm, "samples") for arm in tree.children):
        drawn["daily.png"] = daily_figure(tree, case)
    return [save_figure(figure, folder / name) for name, figure in drawn.items()]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG without date or version, complete or not at all."""
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=130, metadata={"Software": None})
    return path
