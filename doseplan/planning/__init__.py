"""Spot weights under hard limits."""
