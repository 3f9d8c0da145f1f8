"""The churn domain: contracts, landing zone, lake, privacy and ingestion, free of any framework."""
