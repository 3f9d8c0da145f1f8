"""The prediction API under Seldon's protocol: the server, the gateway in front of it, and who deploys both."""
