"""What a person states: frozen dataclasses, the TOML reader, every input check and its message."""

from doseplan.case.read import bundled_cases, load_case, parse_case
from doseplan.case.spec import Case

__all__ = ["Case", "bundled_cases", "load_case", "parse_case"]
