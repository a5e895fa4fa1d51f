"""Tables, figures and reports."""

from doseplan.present.beam_table import (
    bragg_numbers,
    bragg_table,
    sensitivity_table,
    spread_out_numbers,
    spread_out_table,
)
from doseplan.present.bragg import bragg_curve, spectra_figure, spread_out_figure
from doseplan.present.curves import axis_depth_dose, dose_volume_figure
from doseplan.present.definitions_table import definitions_markdown, definitions_tables
from doseplan.present.field_table import field_table
from doseplan.present.figures import save_figure, save_figures
from doseplan.present.let_figure import let_figure
from doseplan.present.margin_figure import cord_curve, margin_curve
from doseplan.present.phantom_views import phantom_table, phantom_views
from doseplan.present.population_figure import population_figure
from doseplan.present.population_table import population_tables
from doseplan.present.proof_figure import proof_figure
from doseplan.present.report import report_markdown
from doseplan.present.robust_figure import daily_figure, robust_figure
from doseplan.present.scan_table import grid_table, scan_table
from doseplan.present.slices import dose_slices
from doseplan.present.spot_map import spot_maps
from doseplan.present.sweep_table import margin_table, sweep_table
from doseplan.present.table import summary_table

__all__ = [
    "axis_depth_dose",
    "bragg_curve",
    "bragg_numbers",
    "bragg_table",
    "cord_curve",
    "daily_figure",
    "definitions_markdown",
    "definitions_tables",
    "dose_slices",
    "dose_volume_figure",
    "field_table",
    "grid_table",
    "let_figure",
    "margin_curve",
    "margin_table",
    "phantom_table",
    "phantom_views",
    "population_figure",
    "population_tables",
    "proof_figure",
    "report_markdown",
    "robust_figure",
    "save_figure",
    "save_figures",
    "scan_table",
    "sensitivity_table",
    "spectra_figure",
    "spot_maps",
    "spread_out_figure",
    "spread_out_numbers",
    "spread_out_table",
    "summary_table",
    "sweep_table",
]
