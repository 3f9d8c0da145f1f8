"""Rows against their contract: cast, repair or reject, with a reason from a closed list."""
