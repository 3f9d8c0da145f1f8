"""The landing zone: hourly objects in an object store, listed, read and decoded."""
