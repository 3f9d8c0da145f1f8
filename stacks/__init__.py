"""Stacks: what the platform runs on in each environment, registered idempotently."""
