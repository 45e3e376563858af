"""Instructions in documents and reports, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from oneway.circuits import BUILDERS, parse_circuit
from oneway.rules import parse_rule
from oneway.training.cli.main import COMMANDS, _parser
from oneway.training.data.catalogue import check_source
from oneway.training.recipes.tables import entries_of, find

ROOT = Path(__file__).parents[1]
# What stands for something of the reader's own.
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*\d?")
# A synopsis says what there is, or names a command or an option, and is no command itself.
_SYNOPSIS = re.compile(r"\[|\.\.\.|\||^oneway \w+( --[\w-]+)?$")
_ALONE = ("oneway demo", "oneway recipes", "oneway bench", "oneway rules")


def commands(text: str) -> list[str]:
    """Every `oneway ...` of a Markdown text: lines of code blocks, and words between backticks."""
    return [command for command in _all(text) if not _is_synopsis(command)]


def synopses(text: str) -> list[str]:
    """Those that say what options there are."""
    return [command for command in _all(text) if _is_synopsis(command)]


def _is_synopsis(command: str) -> bool:
    return bool(_SYNOPSIS.search(command)) and command not in _ALONE


def _all(text: str) -> Iterator[str]:
    text = text.replace("\\|", "|")
    text = re.sub(r" *\\\n\s*", " ", text)
    started = re.compile(r"^(?:\$ |torchrun .* -m )?oneway(?:\.training)? (\w+.*)$")
    for line in text.splitlines():
        found = started.match(line.strip()) if line.startswith(("    ", "oneway ", "$ ")) else None
        if found:
            yield f"oneway {_bare(found[1])}"
    blocks = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for words in re.findall(r"`(oneway \w[^`]*)`", blocks):
        yield " ".join(words.split())


def _bare(line: str) -> str:
    """Without a remark behind it, and without where the output goes."""
    return re.split(r"\s{2,}[#(]|\s#\s|\s>\s", line)[0].strip()


def words_of(command: str) -> list[str]:
    return shlex.split(command)[1:]


def parsed(command: str) -> Namespace:
    """As the command line reads it; an error there is an error here."""
    words = words_of(command)
    return _parser(words).parse_args(words)


def options_of(command: str) -> set[str]:
    """Every option that a subcommand has, those of its actions included."""
    name = command.split()[1]
    (choices,) = [a.choices for a in _parser([name])._actions if a.dest == "==SUPPRESS=="]
    return _options(choices[name])


def _options(parser: ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action.choices, dict):
            found |= set().union(*map(_options, action.choices.values()))
    return found


def check_names(command: str) -> None:
    """Rules, builders, recipes, data sets and files of ours that a command names are there."""
    arguments = parsed(command)
    name = command.split()[1]
    assert name in COMMANDS
    given = {key: value for key, value in vars(arguments).items() if value is not None}
    for key, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and not _PLACEHOLDER.fullmatch(one):
                _check(name, key, one, arguments)


def _check(command: str, key: str, value: str, arguments: Namespace) -> None:
    folder, slash, _ = value.partition("/")
    if slash and folder != "runs" and value.endswith((".py", ".toml")):
        assert (ROOT / value).is_file(), value
    elif ".py" in value or "$" in value:  # of the reader's own, or one after the other
        return
    elif key == "rule":
        parse_rule(value)
    elif key == "circuit" and value.partition(":")[0].partition(",")[0] in BUILDERS:
        parse_circuit(value)
    elif key == "data" and not _PLACEHOLDER.fullmatch(value):
        check_source(value)
    elif key == "recipe" and not value.endswith(".toml"):
        find(value)
    elif key == "table" and ".toml" not in value:
        entries_of(value)
    elif command == "recipes" and key == "names" and arguments.action == "show":
        find(value)
    elif command == "rules" and key == "name" and arguments.action == "show":
        parse_rule(value)
