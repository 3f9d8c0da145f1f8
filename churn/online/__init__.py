"""What the prediction server knows of customers: published by the feature pipeline, read by every server."""
