"""Scores of all active customers, with reasons, and whom to contact."""
