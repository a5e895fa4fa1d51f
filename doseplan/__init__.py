"""Carbon-ion dose-constraint planner for tumours at the spinal cord: research and education only."""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doseplan.anatomy import build_phantom
    from doseplan.case import load_case
    from doseplan.dose import depth_dose, spread_out_peak
    from doseplan.evaluation import evaluate
    from doseplan.exchange import read_run, write_run
    from doseplan.exchange.dicom_read import read_dicom
    from doseplan.exchange.dicom_write import write_dicom
    from doseplan.study import plan_case, smallest_margin, sweep

__version__ = _version("doseplan")

__all__ = [
    "build_phantom",
    "depth_dose",
    "evaluate",
    "load_case",
    "plan_case",
    "read_dicom",
    "read_run",
    "smallest_margin",
    "spread_out_peak",
    "sweep",
    "write_dicom",
    "write_run",
]

_ROOMS = {
    "build_phantom": "anatomy",
    "load_case": "case",
    "depth_dose": "dose",
    "spread_out_peak": "dose",
    "evaluate": "evaluation",
    "read_dicom": "exchange.dicom_read",
    "read_run": "exchange",
    "write_dicom": "exchange.dicom_write",
    "write_run": "exchange",
    "plan_case": "study",
    "smallest_margin": "study",
    "sweep": "study",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import doseplan` is quick."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'doseplan' has no attribute {name!r}")
    return getattr(import_module(f"doseplan.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    """List the public names too, which are not imported yet."""
    return sorted({*globals(), *__all__})
