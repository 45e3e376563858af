"""What several commands say alike."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rich.console import Console

BAD_INPUT = 2
WIDE = 1000


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def print_json(content: Any) -> None:
    """On one line; what JSON has no word for is an error."""
    print(json.dumps(content, allow_nan=False))


def tell(sentence: str) -> None:
    """Where it does not get into what a command prints."""
    print(sentence, file=sys.stderr)


def table_console() -> Console:
    console = Console()
    if not console.is_terminal:  # nothing there is narrow
        console.width = WIDE
    return console
