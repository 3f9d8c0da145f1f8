"""A deployment on Kubernetes, under Seldon Core v1."""
