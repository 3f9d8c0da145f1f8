"""Privacy at the door: customers become random tokens and object names lose what could name a person."""
