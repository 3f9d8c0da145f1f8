"""Whether a model may take over: evidence, the gate that judges it, and a page for the person who decides."""
