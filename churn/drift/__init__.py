"""How far live inputs and scores are from those a model learned with: statistics over windows, without any I/O."""
