"""What several commands say alike."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import Field
from typing import Any

from rich.console import Console

BAD_INPUT = 2
WIDE = 1000


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def explained(described: Field) -> str:
    """The help of an `option`: what it is, its choices, and its default if that says something."""
    help, choices = described.metadata["help"], described.metadata["choices"]
    help += f": {', '.join(choices)}" if choices else ""
    silent = described.default in (None, ()) or described.default is False
    return help if silent else f"{help} (default: {described.default})"


def given(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options that the command line has."""
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


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
