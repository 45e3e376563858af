"""What several commands say alike."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

from ..terminal import say

BAD_INPUT = 2
WIDE = 1000


def given(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options that the command line has."""
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def print_json(content: Any) -> None:
    """On one line; what JSON has no word for is an error."""
    print(json.dumps(content, allow_nan=False))


def tell(sentence: str) -> None:
    """Where it does not get into what a command prints."""
    say(sentence, sys.stderr)


def table_console() -> Console:
    from ..console import Terminal  # which those who only ask for help need not wait for

    console = Terminal()
    if not console.is_terminal and "COLUMNS" not in os.environ:  # nothing there is narrow
        console.width = WIDE
    return console
