"""Other ways to serve the same fitted pipeline, each started with an environment of its own."""
