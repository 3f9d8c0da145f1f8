"""From landing objects to lake rows: discover, decode, validate, tokenise, deduplicate, commit, account."""
