"""Candidates, their search, calibration and threshold: from split frames to fitted pipelines."""
