"""Spot weights under hard limits."""

from doseplan.planning.plan import optimise

__all__ = ["optimise"]
