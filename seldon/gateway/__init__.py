"""A deployment on one machine: server processes behind Envoy, kept as a file asks for."""
