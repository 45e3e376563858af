"""`oneway rules`: what rules there are and what they can be told, from their own files."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import fill, indent
from typing import Any

from oneway.analysis import Verdict, check_wiring
from oneway.circuits import WiringError, parse_circuit
from oneway.rules import (
    RULES,
    SPIKE_RULES,
    RuleDescription,
    RuleOption,
    describe_rule,
    new_rule,
    parse_rule,
)

from ..errors import ConfigError
from ..terminal import say
from .shared import print_json, tell

NET = "mlp:64-32-32-10"
WIDEST = 100
TRANSPORT = {
    "none": "no weight transport",
    "signs": "transport of the weights' signs",
    "full": "weight transport",
}
SPIKES = "learns from the order of spikes: only 'oneway spike' runs it"


def run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "show": _show, "new": _new}[arguments.action](arguments)


# -- list ----------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    if arguments.name is not None:
        raise ConfigError(
            f"rules list takes no name, got {arguments.name!r}: rules show {arguments.name}"
        )
    described = [describe_rule(rule) for rule in (RULES | SPIKE_RULES).values()]
    if arguments.json:
        print_json({"rules": [_as_dict(rule) for rule in described]})
        return 0
    for rule in described:
        say(f"{rule.name}: {rule.full_name}")
        say(_folded(f"{rule.about}{f' ({SPIKES})' if rule.needs_spikes else ''}", 4))
        say("".join(_option(option, 4) for option in rule.own_options))
    say("Every rule takes, too:\n")
    say("".join(_option(option, 4) for option in described[0].options if option.common))
    say("Options follow the name: asap,k=4,gate=local. Equations and costs: oneway rules show NAME")
    return 0


def _option(option: RuleOption, margin: int) -> str:
    head = f"{option.name}={option.default}  ({option.kind})"
    return f"{_folded(head, margin)}\n{_folded(option.meaning, margin + 4)}\n"


def _folded(text: str, margin: int) -> str:
    """Text that fits the terminal, or a page where there is none."""
    space = " " * margin
    width = max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 0)).columns))
    return fill(text, width, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


# -- show ----------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        raise ConfigError("rules show: expected the name of a rule, as in rules show kp")
    with redirect_stdout(sys.stderr):  # what a rule file prints
        rule = parse_rule(arguments.name)
        described, costs = describe_rule(type(rule)), _costs(rule.label(), arguments.name)
    if arguments.json:
        print_json(_as_dict(described) | {"text": described.text, "costs": costs})
        return 0
    say(f"{described.name}: {described.full_name}\n\n{indent(described.text, '    ')}\n")
    if described.needs_spikes:
        say(f"It {SPIKES}.\n")
    say(_folded(costs, 0))
    say(f"\nOptions of its own:{'' if described.own_options else ' none'}\n")
    say("".join(_option(option, 4) for option in described.own_options))
    say("\n".join(_common(described.options)))
    say(f"\n{described.file}")
    return 0


def _common(options: Iterable[RuleOption]) -> list[str]:
    names = ", ".join(f"{o.name}={o.default}" for o in options if o.common)
    return [_folded(f"Those of every rule, with their defaults: {names} (oneway rules list)", 0)]


def _costs(label: str, given: str) -> str:
    """What wiring the rule takes in a small circuit, counted."""
    try:
        wired = parse_rule(given).wire(parse_circuit(NET))
    except WiringError as error:
        return f"It cannot be wired in {NET}: {error}"
    return f"In {NET}, wired by {label}: {_counted(check_wiring(wired))}."


def _counted(verdict: Verdict) -> str:
    parts = [
        f"{verdict.papers:,} pairs of hidden cells joined both ways by drives, teaching and "
        f"mimicry, {verdict.all:,} with gates and norms",
        TRANSPORT[verdict.weight_transport],
        f"{verdict.phases} phase{'s' if verdict.phases > 1 else ''}",
    ]
    return "; ".join(parts)


def _as_dict(rule: RuleDescription) -> dict[str, Any]:
    return {
        "name": rule.name,
        "full_name": rule.full_name,
        "about": rule.about,
        "needs_spikes": rule.needs_spikes,
        "options": [option.as_dict() for option in rule.options],
        "file": None if rule.file is None else str(rule.file),
    }


# -- new -----------------------------------------------------------------------------------------


def _new(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        raise ConfigError("rules new: expected the file to write, as in rules new my_rule.py")
    path = Path(arguments.name)
    name = _name_for(path)
    if path.exists():
        raise ConfigError(f"{str(path)!r} is there already: choose another name, or move it away")
    path.write_text(new_rule(name), encoding="utf-8")
    commands = (f"oneway check {NET} --rule {path}", f"oneway train --circuit {NET} --rule {path}")
    if arguments.json:
        print_json({"file": str(path), "rule": name, "next": list(commands)})
    else:
        tell(f"wrote {path}: feedback alignment, to be changed. It can be used at once:")
        say("\n".join(commands))
    return 0


def _name_for(path: Path) -> str:
    """The rule that a file defines is called as the file."""
    if path.suffix != ".py":
        raise ConfigError(f"rules new: {str(path)!r}, expected a name that ends in .py")
    name = re.sub(r"\W+", "_", path.stem)
    if name in RULES | SPIKE_RULES:
        raise ConfigError(f"{str(path)!r}: there is already a rule {name!r}. Choose another name")
    return name
