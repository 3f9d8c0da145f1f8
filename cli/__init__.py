"""What a person types that `zenml` has no verb for."""
