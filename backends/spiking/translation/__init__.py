"""From a wired circuit to what Brian2 is told: a translator for each kind of element."""
