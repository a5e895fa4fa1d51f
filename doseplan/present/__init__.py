"""Tables, figures and reports."""

from doseplan.present.bragg import bragg_curve
from doseplan.present.curves import axis_depth_dose, dose_volume_figure
from doseplan.present.figures import save_figure, save_figures
from doseplan.present.report import report_markdown
from doseplan.present.slices import dose_slices
from doseplan.present.table import bragg_numbers, bragg_table, summary_table

__all__ = [
    "axis_depth_dose",
    "bragg_curve",
    "bragg_numbers",
    "bragg_table",
    "dose_slices",
    "dose_volume_figure",
    "report_markdown",
    "save_figure",
    "save_figures",
    "summary_table",
]
