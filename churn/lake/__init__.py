"""The lake: Delta tables with exactly-once appends, snapshots, time travel and upkeep."""
