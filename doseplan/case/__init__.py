"""What a person states: frozen dataclasses, the TOML reader, every input check and its message."""

from doseplan.case.read import bundled_cases, load_case, parse_case
from doseplan.case.spec import Case, PhantomCase, ScanCase

__all__ = ["Case", "PhantomCase", "ScanCase", "bundled_cases", "load_case", "parse_case"]
