"""Rolling a version out: smoke test, shadow, rising weights, and the way back."""
