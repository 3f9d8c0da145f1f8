"""The same job without the platform; each peer runs as `python -m benchmarks.peers.NAME FORMAT LANDING OUT`."""
