"""Scores and metrics."""
