"""What a person states: frozen dataclasses, the TOML reader, every input check and its message."""

from doseplan.case.population import draw_anatomy, parse_population, read_population
from doseplan.case.population_spec import Population
from doseplan.case.read import bundled_cases, load_case, parse_case
from doseplan.case.spec import Case, PhantomCase, ScanCase
from doseplan.case.vary import (
    as_read,
    finer_delivery,
    varied,
    with_fields,
    with_finer_grid,
    with_setup_error,
    without_errors,
)

__all__ = [
    "Case",
    "PhantomCase",
    "Population",
    "ScanCase",
    "as_read",
    "bundled_cases",
    "draw_anatomy",
    "finer_delivery",
    "load_case",
    "parse_case",
    "parse_population",
    "read_population",
    "varied",
    "with_fields",
    "with_finer_grid",
    "with_setup_error",
    "without_errors",
]
