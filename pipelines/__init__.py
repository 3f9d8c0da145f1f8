"""Tables of contents: which steps, in which order."""
