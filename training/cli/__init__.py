"""The `oneway` command: one module for each subcommand."""
