"""Verdicts on a finished dose."""
