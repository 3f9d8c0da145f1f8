"""The model in production: what it is asked, how it answers, whether it was right, and what follows from that."""
