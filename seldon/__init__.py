"""Model serving by the Seldon protocol and the Open Inference Protocol."""
