"""The command line's own help, as one page."""

from __future__ import annotations

import os
from contextlib import redirect_stdout, suppress
from io import StringIO
from unittest.mock import patch

from oneway.training.cli.main import COMMANDS, main

HEAD = """\
# The command line

What `oneway --help` and `oneway COMMAND --help` print. Every command exits with 2 on bad input,
with one sentence that says what to change.
"""


def command_page() -> str:
    """All helps, one section each."""
    helps = {"oneway": [], **{f"oneway {name}": [name] for name in COMMANDS}}
    parts = [f"## `{title}`\n\n```text\n{_help(words)}```\n" for title, words in helps.items()]
    return "\n".join([HEAD, *parts])


def _help(words: list[str]) -> str:
    said = StringIO()
    with patch.dict(os.environ, COLUMNS="88"), redirect_stdout(said), suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue()
