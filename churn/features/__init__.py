"""From a pinned snapshot to the feature table: cutoffs, rollups, the dbt build, and what came of it."""
