"""Readers of the landing formats: each turns the bytes of one object into records, none of which gets lost."""
