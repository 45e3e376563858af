"""What Brian2 is told, as plain data, and how that runs: objects, programs, a script."""
