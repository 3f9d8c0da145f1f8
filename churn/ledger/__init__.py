"""The ledger of decisions: the authority on which model stood where, when, and on what evidence."""
