"""Options of `oneway rules`."""

from __future__ import annotations

import argparse

from .shared import add_examples, add_json

ACTIONS = {
    "list": "every rule in a line, with its options (the default)",
    "show": "one rule: equations, source, costs, options, where its file is",
    "new": "write a rule of your own to start from, which works as it is",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        metavar="ACTION",
        default="list",
        choices=tuple(ACTIONS),
        help="; ".join(f"{name}: {what}" for name, what in ACTIONS.items()),
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="of show: a rule; of new: the file to write"
    )
    add_json(parser)
    add_examples(
        parser,
        "oneway rules list",
        "oneway rules show asap",
        "oneway rules new my_rule.py",
        "oneway check mlp:64-32-32-10 --rule my_rule.py",
    )
