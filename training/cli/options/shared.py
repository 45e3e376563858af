"""What the options of several commands share."""

from __future__ import annotations

import argparse
from dataclasses import Field
from textwrap import fill


def add_examples(parser: argparse.ArgumentParser, *commands: str, about: str = "") -> None:
    """Command lines below the options, where a reader looks for them; tests run or parse each."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parts = [fill(about, 79)] if about else []
    parser.epilog = "\n\n".join([*parts, "examples:\n" + "\n".join(f"  {c}" for c in commands)])


def add_json(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def explained(described: Field) -> str:
    """The help of an `option`: what it is, its choices, and its default if that says something."""
    help, choices = described.metadata["help"], described.metadata["choices"]
    help += f": {', '.join(choices)}" if choices else ""
    silent = described.default in (None, ()) or described.default is False
    return help if silent else f"{help} (default: {described.default})"


def add_allow_code(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="run the Python code that a recipe or the folder of a run names, a rule file or a "
        "module; without it, code runs only from what the command line itself names",
    )
