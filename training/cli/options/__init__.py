"""What each command takes, apart from what it does: ``--help`` waits for no library.

A module a command, with `add_options(parser)`. They import neither torch, networkx nor Brian2, nor
anything that does; where names come from there, a test holds ours against theirs.
"""
