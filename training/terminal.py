"""What is printed. Names come out of files, and a terminal would obey the escapes in them."""

from __future__ import annotations

import re
import sys
from typing import TextIO

# All control characters but tabs and ends of lines, and those that turn the direction of writing.
_OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text with what a terminal would obey as Python writes it.

    Examples
    --------
    >>> print(harmless("cell \\x1b[2J"))
    cell \\x1b[2J
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(text: object = "", file: TextIO | None = None) -> None:
    """Print a line, on standard output by default."""
    print(harmless(str(text)), file=file or sys.stdout, flush=True)
