"""Real data sets, and a mapping for your own, in the shape in which an uploader sends them."""
