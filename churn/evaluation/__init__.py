"""How good scores are: metrics with intervals over customers, profit, calibration, segments."""
