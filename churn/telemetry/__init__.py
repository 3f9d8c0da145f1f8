"""What Prometheus reads of everything that is no server: the metrics, their page, and a server for it."""
