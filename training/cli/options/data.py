"""Options of `oneway data`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ...data.catalogue import DATA_DIR_VARIABLE, KNOWN
from .shared import add_examples, add_json

DATA_URL_VARIABLE = "ONEWAY_DATA_URL"
ACTIONS = {
    "list": "what is known, and what is there",
    "get": "download what is missing; goes on after an interruption",
    "check": "compare with the official files; exit 1 if they differ",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    for name, help in ACTIONS.items():
        action = parsers.add_parser(name, help=help, allow_abbrev=False)
        if name != "list":
            action.add_argument("name", metavar="NAME", help=", ".join(KNOWN))
        action.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help=f"folder of all data sets (default: that in {DATA_DIR_VARIABLE})",
        )
        if name != "get":
            add_json(action)
    parsers.choices["get"].add_argument(
        "--url",
        metavar="BASE",
        default=os.environ.get(DATA_URL_VARIABLE),
        help="server with files of the same names, in place of the official one (default: that in "
        f"{DATA_URL_VARIABLE})",
    )
    add_examples(
        parser,
        "oneway data list",
        "oneway data get cifar10 --data-dir DATA",
        "oneway data check cifar10 --data-dir DATA",
    )
