"""A published table run again: what is planned, what was run, and what came of it."""
