"""How artifacts are stored and shown in the dashboard."""
