"""What ingestion costs, measured against its floor and against the same job in other libraries."""
