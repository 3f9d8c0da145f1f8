"""What is trained is what is served: a model with everything needed to check, explain and replace it."""
