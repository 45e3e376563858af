"""Options of `oneway demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .shared import add_examples


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="folder of the report (default: %(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer epochs and seeds, to see the report in seconds"
    )
    add_examples(parser, "oneway demo", "oneway demo --quick --out look")
