"""The prediction server: one bundle, one process; imports nothing that trains."""
