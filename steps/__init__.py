"""Thin ZenML steps: read settings, call `churn`, log metadata, return named outputs."""
