"""Rules described from their own files: names, equations and options, with no second list.

What a rule is stands in the first line of its file, its equations and costs in the docstring of its
class, and the meaning of its options under Parameters, there or in `Rule`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from oneway.circuits.options import as_text

from .base import Rule

_WORDS: dict[Any, str] = {
    bool: "yes or no",
    int: "whole number",
    float: "number",
    str: "text",
    tuple[str, ...]: "names joined by +",
}
_PARAMETER = re.compile(r"^(\w[\w, ]*) : .*\n((?:(?:    .*)?\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class RuleOption:
    """One option of a rule: `kind` is what it can be, in words; `default` as one types it."""

    name: str
    kind: str
    default: str
    meaning: str
    common: bool  # whether every rule has it

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.kind,
            "default": self.default,
            "meaning": self.meaning,
            "common": self.common,
        }


@dataclass(frozen=True)
class RuleDescription:
    """A rule in words.

    Parameters
    ----------
    name, full_name, about : str
        As on the command line, as papers call it, and what it does in a line.
    text : str
        The docstring of its class without the options: equations, source, what it costs.
    options : tuple of RuleOption
        Its own first, then those that every rule has.
    needs_spikes : bool
        Whether it learns from what only spikes have.
    file : Path or None
        Where it is written.
    """

    name: str
    full_name: str
    about: str
    text: str
    options: tuple[RuleOption, ...]
    needs_spikes: bool
    file: Path | None

    @property
    def own_options(self) -> list[RuleOption]:
        return [option for option in self.options if not option.common]


def describe_rule(rule: type[Rule]) -> RuleDescription:
    """What the files of a rule say of it.

    Examples
    --------
    >>> from oneway.rules import ASAP, describe_rule
    >>> asap = describe_rule(ASAP)
    >>> asap.full_name, [option.name for option in asap.own_options][:2]
    ('Activation sharing with asymmetric paths (ASAP)', ['k', 'fully_connected'])
    """
    text = _own_text(rule)
    full_name, _, about = _headline(rule, text).partition(": ")
    return RuleDescription(
        rule.name,
        full_name,
        about.rstrip("."),
        text.partition("\n\nParameters\n---")[0],
        tuple(_options(rule)),
        rule.needs_spikes,
        _file(rule),
    )


def new_rule(name: str = "mine") -> str:
    """The text of a rule file to start from, which works as it stands."""
    text = files(__package__).joinpath("new_rule.txt").read_text(encoding="utf-8")
    return text.replace('name="mine"', f'name="{name}"')


def _own_text(rule: type[Rule]) -> str:
    """The docstring of its own: dataclasses make one up where there is none."""
    text = inspect.cleandoc(rule.__dict__.get("__doc__") or "")
    return "" if text.startswith(f"{rule.__name__}(") else text


def _headline(rule: type[Rule], text: str) -> str:
    """The first line of the rule's file, or of its class where the file has none."""
    module = inspect.getdoc(sys.modules.get(rule.__module__)) or text or rule.name
    return " ".join(module.partition("\n\n")[0].split())


def _file(rule: type[Rule]) -> Path | None:
    try:
        return Path(inspect.getfile(rule))
    except (OSError, TypeError):  # typed in, or made by a program
        return None


def _options(rule: type[Rule]) -> Iterator[RuleOption]:
    meanings = {k: v for owner in reversed(rule.__mro__) for k, v in _meanings(owner).items()}
    kinds, common = rule.options().kinds, {f.name for f in fields(Rule)}
    for described in sorted(fields(rule), key=lambda f: f.name in common):
        name = described.name
        meaning = meanings.get(name, "")
        yield RuleOption(
            name, _kind(kinds[name]), as_text(described.default), meaning, name in common
        )


def _meanings(owner: type) -> dict[str, str]:
    """Option → what is said of it under Parameters."""
    _, _, section = inspect.cleandoc(owner.__dict__.get("__doc__") or "").partition(
        "\n\nParameters\n----------\n"
    )
    found: dict[str, str] = {}
    for names, lines in _PARAMETER.findall(section + "\n"):
        words = " ".join(lines.replace("``", "`").split())
        several = f"{names.replace(',', ' and')}: " if "," in names else ""
        found |= {name.strip(): several + words for name in names.split(",")}
    return found


def _kind(kind: Any) -> str:
    """What an option can be: its words, or in words what kind of value."""
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) in (Union, UnionType):
        *first, last = [_kind(part) for part in get_args(kind)]
        return ", ".join(first) + (", " if " or " in last else " or ") + last
    if get_origin(kind) is Literal:
        return ", ".join(map(as_text, get_args(kind)))
    return str(getattr(kind, "__name__", kind))
