"""Where secrets and the data key come from: the Vault API, with an embedded OpenBao where nothing else is given."""
